"""How things stand with one address: all that the engine knows of it, and what the law would say of whom.

Nothing here decides: the same law, limits and quarantine are asked that decide about the next frame.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.conflict import MOVES_WINDOW
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Challenger
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.policy.policy import Policy
from rdnbr.core.policy.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """What the law says of all who would claim the address in the same way."""

    ports: tuple[str, ...]
    mac: MAC | None
    """The MAC they would have; None: any that no other chance on these ports is about."""
    reason: Reason | None
    """Why they are refused; None: they are permitted."""
    rule: Rule | None
    """The allowlist rule that says so; None where there is none."""


@dataclass(frozen=True, slots=True)
class HoldDown:
    """Somebody whose claims to the address are not heard for a while."""

    port: str | None
    """Name of the port; None when the port is gone."""
    mac: MAC | None
    """None: nobody on the port is heard."""
    until: float


@dataclass(frozen=True, slots=True)
class BindingDetail:
    """What a binding does not show in `show`."""

    key: Key
    entered: float
    """When it came into its state."""
    due: float | None
    """When it is looked at next."""
    asked: int
    """Questions put in this state, none of them answered."""
    answered: bool
    """Whether its anchor ever answered one."""
    challenger: Challenger | None
    moves: int
    """How often it moved of late."""
    frozen_until: float | None
    refused: Reason | None
    """Why the kernel does not hold it although it should."""
    held: int | None
    """How many addresses of this family its port has; None while the port is not known."""
    most: int | None
    """How many it may have."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say."""

    address: IP
    refused: Reason | None
    """Why nobody may have it, whatever the allowlist says."""
    within: str | None
    """The prefix of the node's that it lies in, where that is why."""
    chances: tuple[PolicyCase, ...]
    """Of all ports there are; none where nobody may have it."""
    full: tuple[str, ...]
    """Ports that may have no further address of this family."""
    hurried: tuple[str, ...]
    """Ports that have just claimed too many addresses."""
    terms: tuple[HoldDown, ...]
    bindings: tuple[BindingDetail, ...]
    """In the order of their tables."""


def standing(
    now: float,
    address: IP,
    policy: Policy,
    table: BindingTable,
    transitions: Transitions,
    segments: Mapping[int, Segment],
    ports: Mapping[int, Port],
) -> Explanation:
    """Tell how things stand with `address`."""
    law, limits = policy.authorization, policy.limits
    refused = law.builtin_refusal(address)
    keys = sorted({Key(segment.table, address) for segment in segments.values()})
    bound = (table.get(key) for key in keys)
    listened = list(ports.values())
    return Explanation(
        address,
        refused,
        law.local_addresses.enclosing_prefix(address) if refused is Reason.CONNECTED_PREFIX else None,
        () if refused else tuple(_chances(address, law, listened)),
        tuple(port.name for port in listened if limits.refuse_full(port.index, address)),
        tuple(port.name for port in listened if limits.is_exhausted(now, port.index)),
        tuple(term for key in keys for term in _terms(now, key, policy.quarantine, ports)),
        tuple(_inner(binding, transitions, limits, ports) for binding in bound if binding is not None),
    )


def rules_about(address: IP, rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules whose prefix has the address in it, the longest first, else in their order."""
    number, bits = int.from_bytes(address), 8 * len(address)
    about = [
        rule
        for rule in rules
        if len(rule.prefix.address) == len(address)
        and (number ^ int.from_bytes(rule.prefix.address)) >> (bits - rule.prefix.length) == 0
    ]
    return sorted(about, key=lambda rule: -rule.prefix.length)


def _chances(address: IP, law: Authorization, ports: Iterable[Port]) -> Iterator[PolicyCase]:
    """Ask for each port: with every MAC that a rule names, and with one that none does."""
    rules = () if law.allowlist is None else rules_about(address, law.allowlist.rules)
    named = {rule.qualifiers.mac: None for rule in rules if rule.qualifiers.mac is not None}
    stranger = next(mac for mac in _macs() if mac not in named)
    alike: dict[tuple[MAC | None, Reason | None, Rule | None], list[str]] = {}
    for port in ports:
        others = law.authorize(address, Anchor(port.index, stranger), port.segment)
        alike.setdefault((None, others.reason, others.rule), []).append(port.name)
        for mac in named:
            verdict = law.authorize(address, Anchor(port.index, mac), port.segment)
            if verdict != others:
                alike.setdefault((mac, verdict.reason, verdict.rule), []).append(port.name)
    for (who, reason, rule), names in alike.items():
        yield PolicyCase(tuple(sorted(names)), who, reason, rule)


def _macs() -> Iterator[MAC]:
    return (MAC(b"\x02" + number.to_bytes(5)) for number in count())


def _terms(now: float, key: Key, quarantine: Quarantine, ports: Mapping[int, Port]) -> Iterator[HoldDown]:
    for source, until in quarantine.hold_downs(now, key):
        anchor = source if isinstance(source, Anchor) else Anchor(source, ZERO_MAC)
        port = ports.get(anchor.port or 0)
        yield HoldDown(port.name if port else None, anchor.mac if source is anchor else None, until)


def _inner(
    binding: Binding, transitions: Transitions, limits: PortLimits, ports: Mapping[int, Port]
) -> BindingDetail:
    port = ports.get(binding.anchor.port or 0)
    held, most = (None, None) if port is None else limits.usage(port.index, binding.key.address)
    moves = [at for at in binding.moves if at > binding.moves[-1] - MOVES_WINDOW]
    return BindingDetail(
        binding.key,
        binding.state_since,
        transitions.timers.deadline_of(binding),
        binding.probes_sent,
        binding.answered,
        transitions.name_anchor(binding.challenger) if binding.challenger else None,
        len(moves),
        binding.frozen_until or None,
        binding.refused,
        held,
        most,
    )
