"""A simulated kernel, for replay, dry runs and tests. The contract tests compare it with Linux.

It computes its own keys as Linux does: a route is identified by table, prefix and metric, a neighbour by device and
address.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import assert_never

from rdnbr.core.fib.backend import PROTOCOL, Refusal
from rdnbr.core.model.address import IP, family, show_ip, show_mac
from rdnbr.core.model.fib_entries import (
    METRIC4,
    METRIC6,
    DropNeighbour,
    DropRoute,
    Key,
    Neighbour,
    Operation,
    PutNeighbour,
    PutRoute,
    Route,
)
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.vrf_tables import MAIN_TABLE

_RouteKey = tuple[int, IP, int]
_NeighbourKey = tuple[int, IP]


class FakeKernel:
    """Routes and neighbours, ours and those of other programs.

    Entries can be put on the devices of `devices` (names by ifindex); None: on every device.
    """

    def __init__(self, devices: Mapping[int, str] | None) -> None:
        self._has_all_devices = devices is None
        self._devices = dict(devices or {})
        self._routes: dict[Key, dict[int, Route]] = {}
        """Routes by table and address, and by metric."""
        self._neighbours: dict[_NeighbourKey, Neighbour] = {}
        self._foreign_routes: set[_RouteKey] = set()
        self._foreign_neighbours: set[_NeighbourKey] = set()

    def add_device(self, index: int, name: str) -> None:
        """Add a device, or rename it."""
        self._devices[index] = name

    def remove_device(self, index: int) -> None:
        """Remove a device and its entries, as Linux does."""
        self._devices.pop(index, None)
        for route in [route for route in self._all_routes() if route.device == index]:
            self._remove_route(route.table, route.address, route.metric)
        self._neighbours = {key: entry for key, entry in self._neighbours.items() if key[0] != index}

    def add_foreign_route(self, table: int, address: IP, metric: int) -> None:
        """Put a host route of another program, as `ip route replace` does."""
        self._foreign_routes.add((table, address, metric))
        self._remove_route(table, address, metric)

    def remove_foreign_route(self, table: int, address: IP, metric: int) -> None:
        """Remove the entry of the other program."""
        self._foreign_routes.discard((table, address, metric))

    def add_foreign_neighbour(self, device: int, address: IP) -> None:
        """Put a permanent neighbour of another program, as `ip neigh replace … protocol static` does."""
        self._foreign_neighbours.add((device, address))
        self._neighbours.pop((device, address), None)

    def remove_foreign_neighbour(self, device: int, address: IP) -> None:
        """Remove the entry of the other program."""
        self._foreign_neighbours.discard((device, address))

    def apply(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Carry out `operations` in their order and return those that failed."""
        refusals: list[Refusal] = []
        barred: set[_NeighbourKey] = set()
        for operation in operations:
            refusal = self._apply(operation, barred)
            if refusal is not None:
                refusals.append(refusal)
        return refusals

    def read_entries(self, tables: Collection[int] | None = None) -> tuple[set[Route], set[Neighbour]]:
        """Return the entries of our protocol: routes of `tables` (None: of all), and all neighbours."""
        routes = {route for route in self._all_routes() if tables is None or route.table in tables}
        return routes, set(self._neighbours.values())

    def lines(self) -> list[str]:
        """Return the entries of our protocol as the `ip` commands that would put them there, in order."""
        neighbours = [
            f"ip -{family(entry.address)} neigh add {show_ip(entry.address)} lladdr {show_mac(entry.mac)}"
            f" dev {self._devices[entry.device]} nud permanent protocol {PROTOCOL}"
            for entry in sorted(self._neighbours.values(), key=_address_and_device)
        ]
        return neighbours + [
            f"ip -{family(route.address)} route add {show_ip(route.address)}/{8 * len(route.address)}"
            f" dev {self._devices[route.device]} proto {PROTOCOL}{_unusual(route)}"
            for route in sorted(self._all_routes(), key=_table_and_address)
        ]

    def _apply(self, operation: Operation, barred: set[_NeighbourKey]) -> Refusal | None:
        """Carry out one operation. `barred` has the neighbours of this batch that were refused as foreign."""
        match operation:
            case PutNeighbour(neighbour):
                refusal = self._put_neighbour(operation, neighbour)
                if refusal is not None and refusal.reason is Reason.FOREIGN_ROUTE:
                    barred.add((neighbour.device, neighbour.address))
                return refusal
            case PutRoute(route) if (route.device, route.address) in barred:
                return Refusal(operation, Reason.FOREIGN_ROUTE, _FOREIGN_NEIGHBOUR)
            case PutRoute(route):
                return self._put_route(operation, route)
            case DropRoute(route):
                self._drop_route(route)
            case DropNeighbour(neighbour):
                self._neighbours.pop((neighbour.device, neighbour.address), None)
            case _:
                assert_never(operation)
        return None

    def _put_neighbour(self, operation: Operation, neighbour: Neighbour) -> Refusal | None:
        key = (neighbour.device, neighbour.address)
        if neighbour.device not in self._devices and not self._has_all_devices:
            return Refusal(operation, Reason.KERNEL_REFUSED, _NO_DEVICE)
        if key in self._foreign_neighbours:
            return Refusal(operation, Reason.FOREIGN_ROUTE, _FOREIGN_NEIGHBOUR)
        self._neighbours[key] = neighbour
        return None

    def _put_route(self, operation: Operation, route: Route) -> Refusal | None:
        key = (route.table, route.address, _installed_metric(route))
        if route.device not in self._devices and not self._has_all_devices:
            return Refusal(operation, Reason.KERNEL_REFUSED, _NO_DEVICE)
        if key in self._foreign_routes:
            return Refusal(operation, Reason.FOREIGN_ROUTE, "another program's route is there")
        routes = self._routes.setdefault(Key(route.table, route.address), {})
        routes[_installed_metric(route)] = route._replace(metric=_installed_metric(route))
        return None

    def _drop_route(self, route: Route) -> None:
        """Remove a route; a metric of 0 in a delete means "any" to Linux, which tries the lowest first."""
        metrics = [
            metric
            for metric, held in self._routes.get(Key(route.table, route.address), {}).items()
            if held.device == route.device and route.metric in (0, metric)
        ]
        if metrics:
            self._remove_route(route.table, route.address, min(metrics))

    def _remove_route(self, table: int, address: IP, metric: int) -> None:
        routes = self._routes.get(Key(table, address), {})
        routes.pop(metric, None)
        if not routes:
            self._routes.pop(Key(table, address), None)

    def _all_routes(self) -> Iterator[Route]:
        return (route for routes in self._routes.values() for route in routes.values())


_NO_DEVICE = "no such device"
_FOREIGN_NEIGHBOUR = "somebody else's permanent neighbour entry is there"


def _installed_metric(route: Route) -> int:
    """Return the metric that Linux installs: IPv6 has no metric 0, and uses the default (net/ipv6/route.c)."""
    return route.metric or (METRIC4 if family(route.address) == 4 else METRIC6)


def _unusual(route: Route) -> str:
    default = METRIC4 if family(route.address) == 4 else METRIC6
    table = "" if route.table == MAIN_TABLE else f" table {route.table}"
    return table + ("" if route.metric == default else f" metric {route.metric}")


def _address_and_device(entry: Neighbour) -> tuple[int, bytes, int]:
    return len(entry.address), entry.address, entry.device


def _table_and_address(route: Route) -> tuple[int, int, bytes, int]:
    return route.table, len(route.address), route.address, route.metric
