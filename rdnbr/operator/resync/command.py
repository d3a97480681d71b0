"""`rdnbr resync --frr`: has the kernel tell zebra once more of what it missed.

zebra hears of routes by netlink, and what it has not heard, for its buffer was full, it does not ask for until it is
restarted. A route that is taken out and put back is told of again; nothing else is, for zebra passes on to BGP
whatever it hears.
"""

import json
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rdnbr.config.config import CommandLine, examine
from rdnbr.core.fib.diff import reannouncement
from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.model.fib_entries import host
from rdnbr.linux.frr import vtysh
from rdnbr.linux.frr.zebra_diff import Difference, ServedBridge, compare, served
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.links import snapshot
from rdnbr.linux.process.capabilities import missing
from rdnbr.operator.control.client import Client, CommandFailed, NoDaemon
from rdnbr.operator.control.offline import lock_offline
from rdnbr.operator.control.protocol import Document
from rdnbr.operator.text.phrases import counted

AGAIN = 1.0
"""Seconds between two looks, both of which must miss a route: zebra may just not have come to it yet."""
APART = 0.05
"""Seconds between two routes: each may be news to the whole fabric."""
PATIENCE = 5.0
"""Seconds that zebra has in the end to take what it was told."""

Tell = Callable[[IP], str]
"""Has the kernel tell of one address once more, and says what was done."""


class _Wrong(NamedTuple):
    """What zebra has wrong, bridge by bridge, each in the order of addresses."""

    missed: list[tuple[str, IP]]
    stale: list[tuple[str, IP]]

    @property
    def addresses(self) -> list[IP]:
        """All of them."""
        return [address for _, address in (*self.missed, *self.stale)]


def resync(args: Namespace) -> int:
    """Print what was done, and return 0 when zebra agrees in the end, else 1.

    Raises:
        CommandFailed: FRR, the kernel or the daemon cannot be asked.
    """
    config, _ = examine(CommandLine(args.config))  # its mistakes are for `check`
    say: Callable[[str], None] = (lambda _: None) if args.json else print
    try:
        bridges = served(snapshot(), config.bridges)
        routes, wrong = _look_twice(bridges)
        done: list[IP] = []
        if wrong.addresses:
            say(
                f"zebra has not heard of {counted(len(wrong.missed), 'route')}, "
                f"and of the end of {counted(len(wrong.stale), 'route')}"
            )
            with ExitStack() as stack:
                tell = _teller(Path(args.socket) if args.socket else config.socket, bridges, stack)
                for number, address in enumerate(wrong.addresses):
                    time.sleep(APART if number else 0.0)
                    say(tell(address))
                    done.append(address)
        left = _wait(bridges, wrong)
    except vtysh.Silent as silent:
        raise CommandFailed(f"zebra cannot be asked, for vtysh says: {silent}") from None
    except OSError as error:
        raise CommandFailed(f"the kernel was not looked at: {error.strerror or error}") from None
    if args.json:
        print(json.dumps(_document(routes, wrong, done, left), ensure_ascii=False))
    else:
        print(_summary(routes, wrong, left))
    return 1 if left.addresses else 0


def _look_twice(bridges: Sequence[ServedBridge]) -> tuple[int, _Wrong]:
    """Return how many routes of ours there are, and what is wrong now and was a moment ago."""
    first = compare(bridges)
    before = _wrong(first)
    if before.addresses:
        time.sleep(AGAIN)
        before = _common(before, _wrong(compare(bridges)))
    return sum(one.routes for one in first), before


def _wait(bridges: Sequence[ServedBridge], wrong: _Wrong) -> _Wrong:
    """Return what of `wrong` still is so after a while."""
    deadline = time.monotonic() + PATIENCE
    left = wrong
    while left.addresses:
        left = _common(wrong, _wrong(compare(bridges)))
        if not left.addresses or time.monotonic() >= deadline:
            break
        time.sleep(APART)
    return left


def _wrong(differences: Iterable[Difference]) -> _Wrong:
    listed = list(differences)
    return _Wrong(
        [(one.bridge, address) for one in listed for address in one.missed],
        [(one.bridge, address) for one in listed for address in one.stale],
    )


def _common(one: _Wrong, other: _Wrong) -> _Wrong:
    return _Wrong(
        [entry for entry in one.missed if entry in other.missed],
        [entry for entry in one.stale if entry in other.stale],
    )


def _teller(socket: Path, bridges: Sequence[ServedBridge], stack: ExitStack) -> Tell:
    """Return who has the kernel tell: the daemon, which must know that nobody stole its route; without one, we.

    Raises:
        CommandFailed: a daemon runs and cannot be asked, or we may not.
    """
    try:
        client = stack.enter_context(Client(socket))
    except NoDaemon:
        return _without_daemon(bridges, stack)
    return lambda address: str(client.request("reannounce", show_ip(address))["message"])


def _without_daemon(bridges: Sequence[ServedBridge], stack: ExitStack) -> Tell:
    if "CAP_NET_ADMIN" in missing():
        raise CommandFailed("no daemon answers, and to do without one needs CAP_NET_ADMIN; run it as root")
    stack.enter_context(lock_offline())
    fib = KernelFib()
    stack.callback(fib.close)

    def tell(address: IP) -> str:
        ours = [route for route in fib.read_entries()[0] if route.address == address]
        routes = ours or [host(over.table, address, over.device, None).route for over in bridges]
        refusals = fib.apply(
            [operation for route in routes for operation in reannouncement(route, held=bool(ours))]
        )
        if refusals:
            raise CommandFailed(f"{show_ip(address)}: {refusals[0].text}")
        verb = "took the route of {} out and put it back" if ours else "put a route of {} in and took it out"
        return verb.format(show_ip(address))

    return tell


def _summary(routes: int, wrong: _Wrong, left: _Wrong) -> str:
    if not wrong.addresses:
        return f"zebra knows {counted(routes, 'route')} of ours, and no others over our bridges"
    if not left.addresses:
        return "zebra has heard of all that now, and knows what the kernel has"
    routes_left, first = counted(len(left.addresses), "route"), show_ip(left.addresses[0])
    return f"zebra still differs in {routes_left}, such as {first}; see its log, or systemctl restart frr"


def _document(routes: int, wrong: _Wrong, done: Sequence[IP], left: _Wrong) -> Document:
    return {
        "routes": routes,
        "missed": [show_ip(address) for _, address in wrong.missed],
        "stale": [show_ip(address) for _, address in wrong.stale],
        "told_again": [show_ip(address) for address in done],
        "left": [show_ip(address) for address in left.addresses],
    }
