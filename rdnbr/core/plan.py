"""From what should be in the kernel to what must be done.

A host is a pair in the kernel: a permanent neighbour and the host route over its segment. The neighbour goes in
first and out last, so that there is no moment in which a routed packet makes the kernel ask the wire.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from rdnbr.core.address import IP, MAC, family

METRIC4 = 0
METRIC6 = 1024
"""The metrics the kernel gives when none is asked for (net/ipv6/route.c: IP6_RT_PRIO_USER)."""


class Key(NamedTuple):
    """What there is at most one binding of: an address in a routing table."""

    table: int
    address: IP


class Route(NamedTuple):
    """A host route `address dev device`, of our protocol; /32 or /128, scope link for IPv4."""

    table: int
    address: IP
    device: int
    """ifindex"""
    metric: int


class Neighbour(NamedTuple):
    """A permanent neighbour entry of our protocol."""

    device: int
    """ifindex"""
    address: IP
    mac: MAC


@dataclass(frozen=True, slots=True)
class Host:
    """What the kernel should hold for one key."""

    key: Key
    device: int
    mac: MAC | None
    """None while it is not known: the route was found without its neighbour, and stays until the guest is heard."""
    metric: int

    @property
    def route(self) -> Route:
        """Its host route."""
        return Route(self.key.table, self.key.address, self.device, self.metric)

    @property
    def neighbour(self) -> Neighbour | None:
        """Its permanent neighbour; None while its MAC is not known."""
        return None if self.mac is None else Neighbour(self.device, self.key.address, self.mac)


@dataclass(frozen=True, slots=True)
class PutNeighbour:
    """Create or replace."""

    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class PutRoute:
    """Create; when `replaces` is set, a route of ours stands in its place (same table, address, metric)."""

    route: Route
    replaces: bool


@dataclass(frozen=True, slots=True)
class DropRoute:
    """Remove a route of ours."""

    route: Route


@dataclass(frozen=True, slots=True)
class DropNeighbour:
    """Remove a neighbour of ours."""

    neighbour: Neighbour


Operation = PutNeighbour | PutRoute | DropRoute | DropNeighbour


def host(table: int, address: IP, device: int, mac: MAC | None, metric: int | None = None) -> Host:
    """Make a host with the kernel's default metric for its family."""
    if metric is None:
        metric = METRIC4 if family(address) == 4 else METRIC6
    return Host(Key(table, address), device, mac, metric)


def reannouncement(route: Route, *, held: bool) -> tuple[Operation, Operation]:
    """Have the kernel tell of a route once more: that it has it, or, where it is not `held`, that it has it no more."""
    come, go = PutRoute(route, replaces=False), DropRoute(route)
    return (go, come) if held else (come, go)


def plan(wanted: Iterable[Host], routes: Iterable[Route], neighbours: Iterable[Neighbour]) -> list[Operation]:
    """Tell what turns `routes` and `neighbours`, all of our protocol, into `wanted`.

    Additions come before removals, neighbours go in before routes and out after them. What is already so costs
    nothing.
    """
    wanted = list(wanted)
    want_routes = {item.route for item in wanted}
    want_neighbours = {item.neighbour for item in wanted if item.neighbour is not None}
    have_routes = set(routes)
    have_neighbours = set(neighbours)
    slots = {(route.table, route.address, route.metric) for route in have_routes}
    # Linux lets several routes stand in one place, and takes one of them for what replaces it.
    replaced = {(route.table, route.address, route.metric) for route in want_routes - have_routes}
    kept_places = {(entry.device, entry.address) for entry in want_neighbours}
    operations: list[Operation] = []
    for item in wanted:
        if item.neighbour is not None and item.neighbour not in have_neighbours:
            operations.append(PutNeighbour(item.neighbour))
        if item.route not in have_routes:
            replaces = (item.route.table, item.route.address, item.route.metric) in slots
            operations.append(PutRoute(item.route, replaces))
    operations += [
        DropRoute(route)
        for route in sorted(have_routes - want_routes)
        if (route.table, route.address, route.metric) not in replaced
    ]
    operations += [
        DropNeighbour(entry)
        for entry in sorted(have_neighbours - want_neighbours)
        if (entry.device, entry.address) not in kept_places
    ]
    return operations
