"""`rdnbr lab`: build the network, run the daemon in it, show it working, remove everything."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from rich.console import Console

from rdnbr.lab import migration, show
from rdnbr.lab.namespace import LabError
from rdnbr.lab.network import Lab, require_root
from rdnbr.lab.progress import Progress
from rdnbr.lab.wait import TooLate

_PATIENCE = 30.0
"""Seconds for all guests to be reached; each guest adds a little."""
_PER_GUEST = 0.5
_BETWEEN_LOOKS = 0.3
"""Seconds."""


def main(guests: int = 2, *, keep: bool = False, migrate: bool = False) -> int:
    """Build a lab and show it; return the exit code.

    0: the upstream reached every guest in both families, the one that migrated included. 1: not all of them. 3: the
    lab cannot be built here.
    """
    console = Console(highlight=False, emoji=False)  # :100: in an address is no emoji
    try:
        with _signals_unwind():
            return _demonstrate(console, guests, keep=keep, migrate=migrate)
    except LabError as error:
        sys.stderr.write(f"rdnbr lab: {error}\n")
        return 3
    except KeyboardInterrupt:
        console.print("interrupted; everything is removed")
        return 130


def _demonstrate(console: Console, guests: int, *, keep: bool, migrate: bool) -> int:
    require_root()
    nodes = "two nodes" if migrate else "a node"
    console.print(f"building {nodes} with bridge vmbr1, {guests} guests and an upstream …")
    start = time.monotonic()
    with Lab(guests, nodes=2, frr=True) if migrate else Lab(guests) as lab:
        console.print(f"built in {time.monotonic() - start:.1f} s")
        if not lab.bgp:
            console.print(
                "[yellow]FRR is not installed, so there is no BGP: the upstream sends all guests' traffic to the "
                "node. With FRR (Debian: apt-get install frr) you would see the routes arrive there."
            )
        for node in lab.nodes:
            node.start_daemon()
        console.print(
            f"rdnbr runs on {'both nodes' if migrate else 'the node'}, with no file and no flag; "
            "the guests now take their addresses"
        )
        progress = Progress(lab)
        with show.Screen(console, progress) as screen:
            _watch(lab, progress, screen)
        well = progress.complete
        if migrate and well:
            well = _migrate(console, lab)
        console.print(show.routes(lab), soft_wrap=True)
        if keep:
            console.print(show.where_to_look(lab), soft_wrap=True)
            _wait_for_leave(console)
        return 0 if well else 1


def _watch(lab: Lab, progress: Progress, screen: show.Screen) -> None:
    for guest in lab.guests:
        guest.configure()
        guest.greet_in_passing()
    deadline = time.monotonic() + _PATIENCE + _PER_GUEST * len(lab.guests)
    while time.monotonic() < deadline:
        progress.look()
        screen.refresh()
        if progress.complete:
            return
        time.sleep(_BETWEEN_LOOKS)


def _migrate(console: Console, lab: Lab) -> bool:
    """Take the first guest to the second node; tell whether the upstream followed."""
    console.print(f"\nthe guest on {lab.guest(0).port} now migrates to the other node, under ping …")
    try:
        console.print(show.away(migration.migrate(lab, lab.guest(0), *lab.nodes)), soft_wrap=True)
    except TooLate as late:
        console.print(f"it was lost: {late}")
        return False
    return True


def _wait_for_leave(console: Console) -> None:
    """Wait for Enter or a signal. Where there is nobody to press Enter, only a signal ends the lab."""
    if sys.stdin is not None and sys.stdin.isatty():
        console.print("Enter or Ctrl-C removes it.")
        sys.stdin.readline()
    else:
        console.print("Ctrl-C or SIGTERM removes it.")
        signal.pause()


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the lab as Ctrl-C does, so that it is removed."""

    def unwind(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
