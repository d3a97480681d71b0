"""Tells what the kernel refuses, in the words of ip(8), and once: it is asked again and again."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from structlog.typing import FilteringBoundLogger

from rdnbr.core.fib.backend import Refusal
from rdnbr.core.model.address import IP, show_ip, show_mac
from rdnbr.core.model.fib_entries import DropNeighbour, DropRoute, Operation, PutNeighbour, PutRoute
from rdnbr.core.model.interfaces import MAIN_TABLE, Segment

REMEMBERED = 4096
"""Addresses whose last refusal is remembered; of older ones the log may tell again."""


class InstallErrors:
    """What was told of which address."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._told: OrderedDict[IP, str] = OrderedDict()

    def log(self, refusals: Iterable[Refusal], segments: Mapping[int, Segment]) -> None:
        """Log what was refused at one time, a line for each reason; not again what an address had before."""
        news: dict[str, dict[IP, Refusal]] = {}
        for refusal in refusals:
            address = _entry_address(refusal.operation)
            if self._told.pop(address, None) != refusal.text:
                news.setdefault(refusal.text, {}).setdefault(address, refusal)
            self._told[address] = refusal.text
            if len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
        for why, alike in news.items():
            first = words(next(iter(alike.values())).operation, segments)
            more = {"addresses": len(alike)} if len(alike) > 1 else {}
            self._log.warning("the kernel refuses", what=first, why=why, **more)

    def why(self, address: IP) -> str | None:
        """Return why the kernel refused an address last; None if it has not, or has taken it since."""
        return self._told.get(address)

    def forget(self, address: IP) -> None:
        """The kernel has taken this address: if it refuses it later, that is news."""
        self._told.pop(address, None)


def words(operation: Operation, segments: Mapping[int, Segment]) -> str:
    """Say what an operation does, as one would type it after `ip`."""

    def device(index: int) -> str:
        return segments[index].name if index in segments else f"if{index}"  # as ip names what it cannot find

    match operation:
        case PutNeighbour(entry) | DropNeighbour(entry):
            verb = "replace" if isinstance(operation, PutNeighbour) else "del"
            mac = show_mac(entry.mac)
            return f"neigh {verb} {show_ip(entry.address)} lladdr {mac} dev {device(entry.device)}"
        case PutRoute(route) | DropRoute(route):
            verb = "replace" if isinstance(operation, PutRoute) else "del"
            table = "" if route.table == MAIN_TABLE else f" table {route.table}"
            return f"route {verb} {show_ip(route.address)} dev {device(route.device)}{table} metric {route.metric}"


def _entry_address(operation: Operation) -> IP:
    match operation:
        case PutNeighbour(entry) | DropNeighbour(entry):
            return entry.address
        case PutRoute(route) | DropRoute(route):
            return route.address
