"""`rdnbr resync --frr`: makes the kernel announce the routes that zebra has missed.

zebra learns routes from netlink messages. A message that is lost because zebra's buffer is full is not repeated: zebra
reads the kernel's tables only at its start. A route that is removed and added again makes two new messages. Only the
missed routes are treated so, for zebra passes every change on to BGP.
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
from rdnbr.linux.frr import frr_json
from rdnbr.linux.frr.zebra_diff import Difference, ServedBridge, compare, served
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.links import snapshot
from rdnbr.linux.process.capabilities import missing
from rdnbr.operator.control.client import Client, CommandFailed, NoDaemon
from rdnbr.operator.control.offline import lock_offline
from rdnbr.operator.control.protocol import Document
from rdnbr.operator.text.phrases import counted

SECOND_LOOK = 1.0
"""Seconds between two comparisons. A route must be missed in both: at the first, zebra may not have read it yet."""
INTERVAL = 0.05
"""Seconds between two routes: BGP may advertise each of them to the whole fabric."""
SETTLE_TIME = 5.0
"""Seconds that zebra may take to read the new messages."""

Reannounce = Callable[[IP], str]
"""Makes the kernel announce the route of one address, and returns what was done."""


class _Wrong(NamedTuple):
    """Bridge and address of zebra's wrong routes; in each list bridge by bridge, and by address."""

    missed: list[tuple[str, IP]]
    stale: list[tuple[str, IP]]

    @property
    def addresses(self) -> list[IP]:
        """The addresses of both lists."""
        return [address for _, address in (*self.missed, *self.stale)]


def resync(args: Namespace) -> int:
    """Print what was done, and return the exit code: 0 if zebra and the kernel agree in the end, else 1.

    Raises:
        CommandFailed: FRR, the kernel or the daemon does not answer.
    """
    config, _ = examine(CommandLine(args.config))  # `rdnbr check` reports its mistakes
    report: Callable[[str], None] = (lambda _: None) if args.json else print
    try:
        bridges = served(snapshot(), config.bridges)
        routes, wrong = _compare_twice(bridges)
        done: list[IP] = []
        if wrong.addresses:
            report(
                f"zebra has not heard of {counted(len(wrong.missed), 'route')}, "
                f"and of the end of {counted(len(wrong.stale), 'route')}"
            )
            with ExitStack() as stack:
                reannounce = _reannouncer(Path(args.socket) if args.socket else config.socket, bridges, stack)
                for number, address in enumerate(wrong.addresses):
                    time.sleep(INTERVAL if number else 0.0)
                    report(reannounce(address))
                    done.append(address)
        left = _wait(bridges, wrong)
    except frr_json.VtyshError as error:
        raise CommandFailed(f"zebra cannot be asked, for vtysh says: {error}") from None
    except OSError as error:
        raise CommandFailed(f"the kernel was not looked at: {error.strerror or error}") from None
    if args.json:
        print(json.dumps(_document(routes, wrong, done, left), ensure_ascii=False))
    else:
        print(_summary(routes, wrong, left))
    return 1 if left.addresses else 0


def _compare_twice(bridges: Sequence[ServedBridge]) -> tuple[int, _Wrong]:
    """Return how many routes of rdnbr's there are, and what is wrong in both of two comparisons."""
    differences = compare(bridges)
    wrong = _wrong(differences)
    if wrong.addresses:
        time.sleep(SECOND_LOOK)
        wrong = _common(wrong, _wrong(compare(bridges)))
    return sum(one.routes for one in differences), wrong


def _wait(bridges: Sequence[ServedBridge], wrong: _Wrong) -> _Wrong:
    """Wait until zebra has mended `wrong`, for SETTLE_TIME at most, and return what is left of it."""
    deadline = time.monotonic() + SETTLE_TIME
    left = wrong
    while left.addresses:
        left = _common(wrong, _wrong(compare(bridges)))
        if not left.addresses or time.monotonic() >= deadline:
            break
        time.sleep(INTERVAL)
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


def _reannouncer(socket: Path, bridges: Sequence[ServedBridge], stack: ExitStack) -> Reannounce:
    """Return what announces routes: a daemon, if one runs, else this process.

    A daemon must do it itself: it would take another's removal of its route for interference.

    Args:
        socket: the daemon's control socket.
        bridges: that are served.
        stack: closes what is opened here.

    Raises:
        CommandFailed: a daemon runs and does not answer, or this process lacks the permission.
    """
    try:
        client = stack.enter_context(Client(socket))
    except NoDaemon:
        return _without_daemon(bridges, stack)
    return lambda address: str(client.request("reannounce", show_ip(address))["message"])


def _without_daemon(bridges: Sequence[ServedBridge], stack: ExitStack) -> Reannounce:
    if "CAP_NET_ADMIN" in missing():
        raise CommandFailed("no daemon answers, and to do without one needs CAP_NET_ADMIN; run it as root")
    stack.enter_context(lock_offline())
    fib = KernelFib()
    stack.callback(fib.close)

    def reannounce(address: IP) -> str:
        ours = [route for route in fib.read_entries()[0] if route.address == address]
        routes = ours or [host(over.table, address, over.device, None).route for over in bridges]
        refusals = fib.apply(
            [operation for route in routes for operation in reannouncement(route, held=bool(ours))]
        )
        if refusals:
            raise CommandFailed(f"{show_ip(address)}: {refusals[0].text}")
        verb = "took the route of {} out and put it back" if ours else "put a route of {} in and took it out"
        return verb.format(show_ip(address))

    return reannounce


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
