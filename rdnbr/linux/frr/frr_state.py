"""What vtysh tells of FRR as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rdnbr.core.model.address import IP
from rdnbr.core.model.unavailable import Unavailable


class Redistribution(NamedTuple):
    """`redistribute kernel` in one address family of a BGP instance."""

    vrf: str | None
    family: int
    route_map: str | None
    levels: bool = False
    """Whether it, or its route-map, gives all routes one metric."""


class Session(NamedTuple):
    """One with a BGP neighbour that is active in an address family."""

    vrf: str | None
    family: int
    neighbour: str
    state: str
    """In FRR's words."""

    @property
    def up(self) -> bool:
        """Whether routes are told by it."""
        return self.state == "Established"

    @property
    def shut(self) -> bool:
        """Whether it is meant to be down (`neighbor … shutdown`)."""
        return "Admin" in self.state


@dataclass(frozen=True, slots=True)
class Frr:
    """What vtysh tells."""

    version: tuple[int, int] | None
    """Major and minor number; None when it says something else."""
    daemons: frozenset[str]
    """Those that answer."""
    redistributions: tuple[Redistribution, ...] = ()
    sessions: tuple[Session, ...] = ()
    missed: Mapping[str, tuple[IP, ...]] = field(default_factory=dict)
    """By bridge: addresses whose host route is in the kernel, and unknown to zebra."""
    outdone: Mapping[str, tuple[IP, ...]] = field(default_factory=dict)
    """By bridge: addresses whose host route zebra knows, and prefers another to."""
    stale: Mapping[str, tuple[IP, ...]] = field(default_factory=dict)
    """By bridge: addresses to which zebra has a route of the kernel's that is gone."""


Seen = Frr | Unavailable | None
"""None: FRR is not installed."""
