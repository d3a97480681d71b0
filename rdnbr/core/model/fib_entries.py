"""What the kernel holds of ours: host routes and permanent neighbours, and the operations on them."""

from dataclasses import dataclass
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, family

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
