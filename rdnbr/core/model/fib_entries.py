"""rdnbr's entries in the kernel: host routes and permanent neighbours, and the operations on them."""

from dataclasses import dataclass
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, family

METRIC4 = 0
METRIC6 = 1024
"""The metrics of routes that are added without one (net/ipv6/route.c: IP6_RT_PRIO_USER)."""


class Key(NamedTuple):
    """An address in a routing table. There is at most one binding for each key."""

    table: int
    address: IP


class Route(NamedTuple):
    """A host route `address dev device` of rdnbr's routing protocol: /32 with scope link, or /128."""

    table: int
    address: IP
    device: int
    """ifindex"""
    metric: int


class Neighbour(NamedTuple):
    """A permanent neighbour entry of rdnbr's routing protocol."""

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
    """None while unknown: the kernel had the route without its neighbour. The route stays, and the MAC comes with the
    guest's first frame."""
    metric: int

    @property
    def route(self) -> Route:
        """Its host route."""
        return Route(self.key.table, self.key.address, self.device, self.metric)

    @property
    def neighbour(self) -> Neighbour | None:
        """Its permanent neighbour. None while its MAC is unknown."""
        return None if self.mac is None else Neighbour(self.device, self.key.address, self.mac)


@dataclass(frozen=True, slots=True)
class PutNeighbour:
    """Create or replace a neighbour entry."""

    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class PutRoute:
    """Create a route. With `replaces`, it replaces a route of rdnbr with the same table, address and metric."""

    route: Route
    replaces: bool


@dataclass(frozen=True, slots=True)
class DropRoute:
    """Remove a route of rdnbr."""

    route: Route


@dataclass(frozen=True, slots=True)
class DropNeighbour:
    """Remove a neighbour entry of rdnbr."""

    neighbour: Neighbour


Operation = PutNeighbour | PutRoute | DropRoute | DropNeighbour


def host(table: int, address: IP, device: int, mac: MAC | None, metric: int | None = None) -> Host:
    """Return the desired entries of one address. Without `metric` they have the kernel's default for the family."""
    if metric is None:
        metric = METRIC4 if family(address) == 4 else METRIC6
    return Host(Key(table, address), device, mac, metric)
