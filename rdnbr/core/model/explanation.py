"""What is known of one address, and who may claim it: the values that `rdnbr explain` is made of.

Times are seconds. The engine and the daemon give them on the engine's clock. A client, which has decoded them from the
daemon's JSON, has them since 1970.
"""

from dataclasses import dataclass

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.engine_outputs import Challenger, Decision
from rdnbr.core.model.question import Question
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot

MAX_RULES = 20
"""How many allowlist rules an explanation names at most: those with the longest prefixes."""

MAX_EVENTS = 20
"""How many decisions an explanation names at most: the latest."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """An allowlist rule as text."""

    where: str
    """`file:line`"""
    text: str
    """The rule as an allowlist has it."""


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """What the policy says of a set of claimants: it is the same for all of them."""

    ports: tuple[str, ...]
    """Names of their ports, sorted."""
    mac: MAC | None
    """Their MAC. None: every MAC that has no case of its own on these ports."""
    reason: Reason | None
    """Why they are refused. None: they are permitted."""
    rule: str | None
    """`file:line` of the allowlist rule that decides; None if no rule does."""


@dataclass(frozen=True, slots=True)
class HoldDown:
    """A source that is in quarantine: its claims to the address are dropped until a time."""

    port: str | None
    """Name of the port; None if the port is gone."""
    mac: MAC | None
    """None: every MAC on the port is in quarantine."""
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingDetail:
    """A binding, with what `rdnbr show` does not show of it."""

    shown: BindingSnapshot
    """What `rdnbr show` shows."""
    table: int
    """The routing table of its route."""
    state_since: float
    """When the binding entered its state."""
    deadline: float | None
    """When its next timer expires; None if no timer runs."""
    probes_sent: int
    """Probes sent in this state, all of them unanswered."""
    answered: bool
    """Whether its anchor ever answered a probe."""
    challenger: Challenger | None
    moves: int
    """How many times the address moved within the window that the move limit counts."""
    frozen_until: float | None
    refused: Reason | None
    """Why the kernel does not hold the binding's route; None if it does, or if it should not."""
    damped_until: float | None
    """Until when the route is held back, since the port flaps; None if it is not."""
    port_addresses: int | None
    """How many addresses of this family its port has; None if the port is unknown or gone."""
    port_limit: int | None
    """How many addresses of this family its port may have; None if the port is unknown or gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredEntry:
    """A route and a neighbour that the daemon wants in the kernel."""

    table: int
    bridge: str
    """Name of the bridge that the route leads over."""
    mac: MAC | None
    """The neighbour's MAC; None for an adopted route whose neighbour is unknown."""
    metric: int
    """The route's metric."""
    arrived: float | None
    """When the guest arrived, in seconds since 1970 always; None if the metric does not say it."""
    retry_at: float | None
    """When the daemon tries again: the kernel refused the entry, or another program keeps removing it."""
    kernel_error: str | None
    """The kernel's error, where the kernel refused the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is known of one address."""

    address: IP
    open_mode: bool
    """Whether there is no allowlist, so that every guest may claim every address that is not special."""
    refused: Reason | None
    """The built-in refusal: why no guest may have the address, whatever the allowlist says."""
    connected_prefix: str | None
    """The prefix of another interface of the node that contains the address. Without `refused` the address has a route
    nevertheless, or a rule that says `connected`."""
    rules: tuple[RuleText, ...]
    """The allowlist rules whose prefix contains the address, the longest first; at most MAX_RULES."""
    cases: tuple[PolicyCase, ...]
    """They cover all ports. Empty if there is a built-in refusal, or no port."""
    full_ports: tuple[str, ...]
    """Names of the ports that have as many addresses of this family as they may."""
    limited_ports: tuple[str, ...]
    """Names of the ports that have used up their rate of new addresses."""
    hold_downs: tuple[HoldDown, ...]
    bindings: tuple[BindingDetail, ...]
    """In the order of their tables."""
    desired: tuple[DesiredEntry, ...] = ()
    """Empty from the engine, which does not know the kernel; the daemon adds it."""
    questions: tuple[tuple[str, Question], ...] = ()
    """What the guest with this address asks for and nobody answers, with the name of its port."""
    events: tuple[Decision, ...] = ()
    """The latest decisions about the address, oldest first; at most MAX_EVENTS. The daemon adds them."""
    refused_frame: bytes | None = None
    """The last Ethernet frame about the address that was refused; None if none is kept. The daemon adds it."""
