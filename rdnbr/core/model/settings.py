"""The settings of the engine: times in seconds, rates per second, and counts. The configuration file can set all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, NewType

from rdnbr.core.model.fib_entries import METRIC4, METRIC6

Mobility = Literal["withdrawal", "newest-wins"]

Metric = NewType("Metric", int)
"""From 0 to 2²⁴ - 1. zebra takes the byte above for its administrative distance."""

SecondsOrNever = NewType("SecondsOrNever", float)
"""Seconds; 0 means never."""


@dataclass(frozen=True, slots=True)
class Timers:
    """When bindings are probed, and how long an answer is awaited. All in seconds, except `probe_count`.

    The defaults follow RFC 4861 and RFC 5227. Where RFC 7048 finds those timers too short, they follow RFC 7048.
    """

    reprobe: float = 30.0
    """A binding without evidence for this long, ± 25 %, is probed."""
    probe_retrans: float = 1.0
    """Time between the first probe and the second. Each further interval is 1.5 times as long."""
    probe_count: int = 5
    """Unanswered probes in a row after which a binding is withdrawn."""
    tentative: float = 3.0
    """Time to answer for an address that was claimed for the first time. After it the claim is forgotten."""
    dad_ipv6: float = 1.05
    """Time after a DAD solicitation without probes for its address: RetransTimer (RFC 4862 §5.1) plus a margin."""
    dad_ipv4: float = 2.05
    """Time after an ARP probe without probes for its address: ANNOUNCE_WAIT (RFC 5227 §1.1) plus a margin."""
    challenge: float = 1.5
    """Time to answer for an incumbent when another anchor claims its address."""
    unproven: float = 3.0
    """Hold-down after a claim that was not answered. Doubles each time, up to five minutes."""
    quarantine: float = 10.0
    """Hold-down, for one address, of a port that lost a challenge. Doubles each time, up to five minutes."""
    freeze: float = 60.0
    """Time for which a binding that moved too often cannot move. Doubles each time, up to an hour."""
    departed: float = 300.0
    """Time for which a binding is remembered after its port is gone; a silent one as long as its port is there."""
    adopt_grace: float = 60.0
    """Time within which the guest of a route that the kernel had at the start must show itself."""
    data_window: SecondsOrNever = SecondsOrNever(10.0)
    """Time of data snooping on a port after it appears, and after a RARP."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of all ports of the node together."""

    probes_per_second: int = 200
    """Probes for bound addresses. New claims and conflicts together have a second budget of the same size."""
    addresses: int = 65_536
    """Bindings in any state. At this limit new claims are refused."""


@dataclass(frozen=True, slots=True)
class PortPolicy:
    """Limits and checks of one port. At a limit new claims are refused, and existing bindings are still refreshed."""

    addresses_ipv4: int = 16
    addresses_ipv6: int = 32
    new_addresses_per_second: int = 10
    """New claims and challenges. The burst is the number of addresses that the port may have."""
    frames_per_second: int = 2000
    """ARP and NDP frames read. Frames above this rate may be lost."""
    mac_check: Literal["strict", "log", "off"] = "strict"
    """If the ARP sender or the link-layer option is not the frame's source MAC: refuse the frame (`strict`), accept
    and log it (`log`), or accept it (`off`). MS NLB and some bonds send such frames."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The metrics of host routes without a stamp (`med_timestamp`)."""

    metric_ipv4: Metric = Metric(METRIC4)
    metric_ipv6: Metric = Metric(METRIC6)
    """0 means 1024, as in the kernel."""

    def constant(self, size: int) -> int:
        """Return the metric for addresses of `size` bytes."""
        return self.metric_ipv4 if size == 4 else self.metric_ipv6 or METRIC6


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the engine."""

    timers: Timers = field(default_factory=Timers)
    limits: Limits = field(default_factory=Limits)
    port: PortPolicy = field(default_factory=PortPolicy)
    """The policy of each port that matches nothing in `ports`."""
    ports: Mapping[str, PortPolicy] = field(default_factory=dict)
    """Policies by name or glob of the port. The first match counts."""
    routes: Routes = field(default_factory=Routes)
    mobility: Mobility = "withdrawal"
    """Why the fabric prefers the node that a guest moved to: the old node withdraws its route, or the new node's
    route has a newer stamp."""

    def policy(self, port: str) -> PortPolicy:
        """Return the policy of the port with this name."""
        return next((policy for glob, policy in self.ports.items() if fnmatchcase(port, glob)), self.port)
