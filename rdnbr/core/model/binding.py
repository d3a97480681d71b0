"""What rdnbr believes of one address."""

from dataclasses import dataclass
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
    """Where an address is. The port is what a guest cannot forge (RFC 7039)."""

    port: int | None
    """ifindex; None only for an adopted binding of which no frame was seen yet."""
    mac: MAC
    """All zero only for an adopted binding whose neighbour was gone from the kernel."""

    def may_be(self, other: "Anchor") -> bool:
        """Tell whether `other`, which is known, is this anchor as far as that is known."""
        return self.port in (None, other.port) and self.mac in (ZERO_MAC, other.mac)


@dataclass(slots=True)
class Binding:
    """One address, its anchor and its state. Only the engine's parts change it, each in its turn at one event."""

    key: Key
    segment: int
    """ifindex of the segment its route points to."""
    anchor: Anchor
    source: Source
    rule: Rule | None
    """The allowlist rule that permits it; None in open mode."""
    since: float
    last_seen: float
    vlan: int | None = None
    state: State = State.TENTATIVE
    state_since: float = 0.0
    """When it came into its state."""
    probes_sent: int = 0
    """Questions put in this state so far, none of them answered."""
    probing_since: float | None = None
    """When it was first asked after its last evidence."""
    wait_until: float = 0.0
    """When its next question has its turn, where the pace had none left for it."""
    answered: bool = False
    """Whether this anchor ever answered a question."""
    challenger: Anchor | None = None
    challenger_segment: int = 0
    moves: tuple[float, ...] = ()
    """Times of the latest moves."""
    frozen_until: float = 0.0
    freezes: int = 0
    cycle: int = 0
    """How often it was due; varies the jitter."""
    fdb_port: int | None = None
    """ifindex of the port where an adopted binding is asked first; tells nothing of whose answer counts."""
    port_inferred: bool = False
    """Whether its port is that of whoever spoke first with an adopted MAC: another guest may have been quicker."""
    stamp: int = LONG_AGO
    """When its guest arrived (`stamp`)."""
    metric: int = 0
    """Of its route."""
    renewals: TokenBucket | None = None
    """How often it may be stamped anew; None while it never was."""
    last_foreign_dad: float = float("-inf")
    """When somebody else on its segment last solicited it for DAD."""
    nonce: bytes = b""
    """The nonce of its latest DAD solicitation (RFC 7527)."""
    refused: Reason | None = None
    """Why the kernel does not hold it although it should."""


class BindingLookup(Protocol):
    """What policy and discovery read from the binding table (`bindings.binding_table`)."""

    def get(self, key: Key) -> Binding | None:
        """Return the binding of a key."""

    def count_on_port(self, port: int, size: int) -> int:
        """Return how many addresses of `size` bytes are bound on a port; DEPARTED bindings do not count."""

    def __len__(self) -> int: ...
