"""A binding: what rdnbr knows of one address."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from rdnbr.core.model.address import MAC, ZERO_MAC
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.med_timestamp import LONG_AGO
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule
from rdnbr.core.primitives.token_bucket import TokenBucket


class Anchor(NamedTuple):
    """Where an address is: the binding anchor of RFC 7039. A guest can forge the MAC, not the port."""

    port: int | None
    """ifindex; None only for an adopted binding that has no pin, and of which no frame was received yet."""
    mac: MAC
    """All zero only for an adopted binding whose neighbour was missing in the kernel."""

    def may_be(self, other: "Anchor") -> bool:
        """Tell whether the complete anchor `other` agrees with what is known of this anchor."""
        return self.port in (None, other.port) and self.mac in (ZERO_MAC, other.mac)


class Unsent(StrEnum):
    """Why the probes of a binding cannot be sent."""

    NO_GATEWAY = "no-gateway"
    """Its segment has no gateway address of its family to send from."""
    PORT = "port"
    """The port of its anchor does not take frames (ENOBUFS, ENETDOWN)."""


class NewAnchor(NamedTuple):
    """What a binding takes over when it passes to another anchor."""

    anchor: Anchor
    segment: int
    """ifindex of the segment of the anchor."""
    source: Source
    rule: Rule | None
    """The allowlist rule that permits the anchor; None in open mode."""
    physical_mac: MAC | None = None
    """As in `Binding`."""


class Memory(NamedTuple):
    """What a DEPARTED binding keeps of its guest while somebody claims the address."""

    anchor: NewAnchor
    since: float
    """When the anchor was learned."""
    last_seen: float
    """When the anchor last showed that it has the address."""


@dataclass(slots=True)
class Binding:
    """One address, its anchor and its state. Times are seconds on the clock of the events."""

    key: Key
    segment: int
    """ifindex of the segment that the route leads over."""
    anchor: Anchor
    source: Source
    rule: Rule | None
    """The allowlist rule that permits the anchor; None in open mode."""
    since: float
    """When the anchor was learned."""
    last_seen: float
    """When the anchor last showed that it has the address."""
    physical_mac: MAC | None = None
    """The Ethernet source of the anchor's frames, where it is not the anchor's MAC: the MAC of the card behind a
    virtual-router MAC. None: no such frame was received."""
    serial: int = 0
    """Counts bindings in the order in which they were learned."""
    vlan: int | None = None
    state: State = State.TENTATIVE
    state_since: float = 0.0
    """When the binding entered its state."""
    probes_sent: int = 0
    """Unanswered probes of the present sequence; of a binding that is `probed_on`, its slow probes."""
    probing_since: float | None = None
    """When the first probe after the last evidence was sent."""
    unsent: Unsent | None = None
    """Why its probes cannot be sent now; its guest does not count as silent meanwhile."""
    wait_until: float = 0.0
    """When the next probe may be sent, where the rate limiter had no token for it."""
    disputed: bool = False
    """Whether several guests answered for an adopted binding whose MAC is not known; then it is not withdrawn."""
    answered: bool = False
    """Whether this anchor ever answered a probe."""
    probed_on: int | None = None
    """ifindex of the port on which a DEPARTED binding is probed, more and more seldom; None: it is not."""
    memory: Memory | None = None
    """Of a TENTATIVE binding that had departed before: the guest that had the address then."""
    challenger: Anchor | None = None
    challenger_segment: int = 0
    """ifindex of the segment of the challenger."""
    moves: tuple[float, ...] = ()
    """Times of the latest moves."""
    frozen_until: float = 0.0
    freezes: int = 0
    """How often the binding was FROZEN; each freeze is twice as long as the one before."""
    cycle: int = 0
    """How often the binding was due; varies the jitter."""
    fdb_port: int | None = None
    """ifindex of the port on which an adopted binding is probed first: the port in the bridge's forwarding database.
    Answers from other ports count as well."""
    port_inferred: bool = False
    """Whether the port is inferred from the first frame with an adopted MAC, which may have been forged."""
    stamp: int = LONG_AGO
    """When the guest arrived (`med_timestamp`)."""
    metric: int = 0
    """Metric of the route."""
    renewals: TokenBucket | None = None
    """How often the stamp may be renewed; None before the first renewal."""
    last_foreign_dad: float = float("-inf")
    """When another anchor on the segment last sent a DAD solicitation for the address."""
    nonce: bytes = b""
    """The nonce of the anchor's latest DAD solicitation (RFC 7527)."""
    refused: Reason | None = None
    """Why the kernel does not hold the route although the binding asks for it."""

    @property
    def likely_port(self) -> int | None:
        """The port (ifindex) of the anchor; of an adopted binding without one, that of the forwarding database."""
        return self.fdb_port if self.anchor.port is None else self.anchor.port


class BindingLookup(Protocol):
    """What policy, discovery and data snooping read from the binding table (`bindings.binding_table`)."""

    ports_to_review: dict[int, None]
    """Ports (ifindex) that got their first route of a family, or lost their last; data snooping removes them."""

    def get(self, key: Key) -> Binding | None:
        """Return the binding of a key."""

    def count_on_port(self, port: int, size: int) -> int:
        """Return how many addresses of `size` bytes are bound on a port; DEPARTED bindings do not count."""

    def has_route_on_port(self, port: int, size: int) -> bool:
        """Return whether an address of `size` bytes is routed to a port."""

    def __len__(self) -> int: ...
