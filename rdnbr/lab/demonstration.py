"""`rdnbr lab`: builds a network, runs the daemon in it, shows it at work, and removes everything."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from rich.console import Console

from rdnbr.lab import display, migration
from rdnbr.lab.namespace import LabError
from rdnbr.lab.network import Lab, require_root
from rdnbr.lab.progress import Progress
from rdnbr.lab.wait import TooLate

_TIMEOUT = 30.0
"""Seconds until all guests must be reached; each guest adds `_PER_GUEST`."""
_PER_GUEST = 0.5
"""Seconds"""
_REFRESH_INTERVAL = 0.3
"""Seconds"""


def main(guests: int = 2, *, keep: bool = False, migrate: bool = False) -> int:
    """Build a lab, show it, and return the exit code.

    0: the upstream reached every guest in both families, after the migration as well. 1: it did not reach all. 3: the
    lab cannot be built on this machine. 130: interrupted.
    """
    console = Console(highlight=False, emoji=False)  # rich would take :100: in an address for an emoji
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
        with display.LiveTable(console, progress) as table:
            _wait_for_guests(lab, progress, table)
        reached = progress.complete
        if migrate and reached:
            reached = _migrate(console, lab)
        console.print(display.kernel_routes(lab), soft_wrap=True)
        if keep:
            console.print(display.shell_commands(lab), soft_wrap=True)
            _wait_for_end(console)
        return 0 if reached else 1


def _wait_for_guests(lab: Lab, progress: Progress, table: display.LiveTable) -> None:
    for guest in lab.guests:
        guest.configure()
        guest.send_gateway_request()
    deadline = time.monotonic() + _TIMEOUT + _PER_GUEST * len(lab.guests)
    while time.monotonic() < deadline:
        progress.refresh()
        table.refresh()
        if progress.complete:
            return
        time.sleep(_REFRESH_INTERVAL)


def _migrate(console: Console, lab: Lab) -> bool:
    """Move the first guest to the second node. Return whether the upstream followed."""
    console.print(f"\nthe guest on {lab.guest(0).port} now migrates to the other node, under ping …")
    try:
        console.print(display.outage_lines(migration.migrate(lab, lab.guest(0), *lab.nodes)), soft_wrap=True)
    except TooLate as late:
        console.print(f"the migration failed: {late}")
        return False
    return True


def _wait_for_end(console: Console) -> None:
    """Wait for Enter or a signal. If stdin is no terminal, only a signal ends the lab."""
    if sys.stdin is not None and sys.stdin.isatty():
        console.print("Enter or Ctrl-C removes it.")
        sys.stdin.readline()
    else:
        console.print("Ctrl-C or SIGTERM removes it.")
        signal.pause()


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP as Ctrl-C, so that the lab is removed."""

    def unwind(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
