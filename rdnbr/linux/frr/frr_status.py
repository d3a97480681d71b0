"""The state of FRR as a whole, as far as vtysh shows it: daemons, redistribution, BGP sessions, zebra's host routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rdnbr.core.model.address import IP
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.frr.slow_settings import SlowSetting


class Redistribution(NamedTuple):
    """`redistribute kernel` or `redistribute table-direct` in one address family of a BGP instance."""

    vrf: str | None
    family: int
    """4 or 6."""
    route_map: str | None
    one_metric: bool = False
    """Whether the line, or its route-map, sets the same metric for all routes."""
    table: int | None = None
    """The kernel's table of `table-direct` (since FRR 10.0, IPv6 since 10.1). None: `redistribute kernel`."""

    @property
    def command(self) -> str:
        """The line of the configuration, without what it sets."""
        return "redistribute kernel" if self.table is None else f"redistribute table-direct {self.table}"


class RouteMap(NamedTuple):
    """A route-map of bgpd, as far as it concerns host routes."""

    name: str
    last: int
    """The greatest sequence number."""
    prefix_lists: tuple[str, ...]
    """Names of the prefix lists that its `permit` entries match, of both IP versions, in their order."""


class Session(NamedTuple):
    """A session with a BGP neighbour that is active in an address family."""

    vrf: str | None
    family: int
    """4 or 6."""
    neighbour: str
    state: str
    """FRR's name of the state."""

    @property
    def up(self) -> bool:
        """Whether routes are advertised over the session."""
        return self.state == "Established"

    @property
    def shutdown(self) -> bool:
        """Whether the configuration keeps the session down (`neighbor … shutdown`)."""
        return "Admin" in self.state


@dataclass(frozen=True, slots=True)
class Frr:
    """What vtysh shows."""

    version: tuple[int, int] | None
    """Major and minor number; None if FRR does not give them."""
    daemons: frozenset[str]
    """Names of the daemons that answer vtysh."""
    redistributions: tuple[Redistribution, ...] = ()
    sessions: tuple[Session, ...] = ()
    slow_settings: tuple[SlowSetting, ...] = ()
    missed: Mapping[str, tuple[IP, ...]] = field(default_factory=dict)
    """By bridge: addresses whose host route is in the kernel, and which zebra has no route to."""
    not_selected: Mapping[str, tuple[IP, ...]] = field(default_factory=dict)
    """By bridge: addresses whose host route zebra has, while it has selected another route."""
    stale: Mapping[str, tuple[IP, ...]] = field(default_factory=dict)
    """By bridge: addresses to which zebra has a kernel route that the kernel no longer has."""
    instances: Mapping[str | None, str] = field(default_factory=dict)
    """By VRF: the line `router bgp …` of its BGP instance."""
    route_maps: Mapping[str, RouteMap] = field(default_factory=dict)
    """By name."""


Seen = Frr | UnreadFact | None
"""None: FRR is not installed."""
