"""What an operator can turn: times in seconds, rates per second, and counts. The configuration file has them all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, NewType

from rdnbr.core.model.fib_entries import METRIC4, METRIC6

Mobility = Literal["withdrawal", "newest-wins"]

Metric = NewType("Metric", int)
"""From 0 to 2²⁴ - 1: the byte above is zebra's administrative distance."""

SecondsOrNever = NewType("SecondsOrNever", float)
"""0 for never."""


@dataclass(frozen=True, slots=True)
class Timers:
    """When bindings are asked, and how long is waited; seconds.

    The defaults follow RFC 4861 and RFC 5227, and RFC 7048 where it finds those too impatient.
    """

    reprobe: float = 30.0
    """A binding that was quiet for this long, ± 25 %, is asked."""
    probe_retrans: float = 1.0
    """Between the first probe and the second; each further wait is 1.5 times as long."""
    probe_count: int = 5
    """How many probes in a row may stay unanswered before a binding is withdrawn."""
    tentative: float = 3.0
    """How long a claimed address may take to answer before it is forgotten."""
    dad_ipv6: float = 1.05
    """How long a DAD solicitation's address is left alone: RetransTimer (RFC 4862 §5.1), and a little."""
    dad_ipv4: float = 2.05
    """How long an ARP probe's address is left alone: ANNOUNCE_WAIT (RFC 5227 §1.1), and a little."""
    challenge: float = 1.5
    """How long an incumbent has to answer when another anchor claims its address."""
    unproven: float = 3.0
    """How long a claim that stayed unanswered is not heard again; doubles each time, up to five minutes."""
    quarantine: float = 10.0
    """How long a port that lost a challenge is not heard on that address; doubles each time, up to five minutes."""
    freeze: float = 60.0
    """How long a binding that moved too often is kept where it is; doubles each time, up to an hour."""
    departed: float = 300.0
    """How long an address whose port went is remembered."""
    adopt_grace: float = 60.0
    """How long a route found in the kernel at start has to prove itself."""
    data_window: SecondsOrNever = SecondsOrNever(10.0)
    """How long the packets of a port are looked at, for the addresses they come from, after it appears and after a
    RARP."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the node's ports may use all together."""

    probes_per_second: int = 200
    """Questions to bound addresses; new claims and conflicts have as many of their own."""
    addresses: int = 65_536
    """Bindings, whatever their state; at this limit new claims are refused."""


@dataclass(frozen=True, slots=True)
class PortPolicy:
    """What one port may do. At a limit new claims are refused; what is bound goes on being refreshed."""

    addresses_ipv4: int = 16
    addresses_ipv6: int = 32
    new_addresses_per_second: int = 10
    """Addresses claimed anew or contended for; after a rest, as many at once as the port may have."""
    frames_per_second: int = 2000
    """ARP and NDP frames read; what is sent beyond that may be lost."""
    mac_check: Literal["strict", "log", "off"] = "strict"
    """What to make of an ARP sender or link-layer option that is not the frame's source: refuse the frame, believe it
    and log that, or believe it (MS NLB and some bonds send such frames)."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The metrics of host routes that bear no stamp."""

    metric_ipv4: Metric = Metric(METRIC4)
    metric_ipv6: Metric = Metric(METRIC6)
    """0 means 1024, as it does to the kernel."""

    def constant(self, size: int) -> int:
        """Return the metric of addresses of `size` bytes."""
        return self.metric_ipv4 if size == 4 else self.metric_ipv6 or METRIC6


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the engine can be told."""

    timers: Timers = field(default_factory=Timers)
    limits: Limits = field(default_factory=Limits)
    port: PortPolicy = field(default_factory=PortPolicy)
    """For all ports that have none of their own."""
    ports: Mapping[str, PortPolicy] = field(default_factory=dict)
    """By name or glob of the port; the first that matches counts."""
    routes: Routes = field(default_factory=Routes)
    mobility: Mobility = "withdrawal"
    """What makes the fabric turn to the node a guest moved to: that the old one withdraws, or a newer stamp."""

    def policy(self, port: str) -> PortPolicy:
        """Return the policy of a port, by its name."""
        return next((policy for glob, policy in self.ports.items() if fnmatchcase(port, glob)), self.port)
