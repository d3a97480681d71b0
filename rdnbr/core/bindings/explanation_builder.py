"""Builds the explanation of one address from the state of the engine.

This module decides nothing and changes nothing. It reads the policy, the limits and the quarantine that decide about
the next frame, so the explanation cannot differ from the decision.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.move_limit import MOVES_WINDOW
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.bindings.unanswered_questions import UnansweredQuestions
from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import WITH_ROUTE
from rdnbr.core.model.engine_outputs import Decision
from rdnbr.core.model.explanation import (
    MAX_EVENTS,
    MAX_RULES,
    BindingDetail,
    Explanation,
    HoldDown,
    PolicyCase,
    RuleText,
)
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule
from rdnbr.core.model.snapshot import binding_snapshot
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.policy.policy import Policy
from rdnbr.core.policy.quarantine import Quarantine


class ExplanationBuilder:
    """Reads the parts of one engine."""

    def __init__(
        self,
        policy: Policy,
        table: BindingTable,
        transitions: Transitions,
        questions: UnansweredQuestions,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
    ) -> None:
        self._policy = policy
        self._table = table
        self._transitions = transitions
        self._questions = questions
        self._segments = segments
        self._ports = ports

    def build(self, now: float, address: IP) -> Explanation:
        """Return the explanation of `address` at `now`; all its times are seconds on the clock of `now`."""
        authorization, limits, ports = self._policy.authorization, self._policy.limits, self._ports
        builtin = authorization.builtin_refusal(address)
        allowlist = authorization.allowlist
        rules = [] if allowlist is None else allowlist.rules_about(address)
        keys = sorted({Key(segment.table, address) for segment in self._segments.values()})
        bindings = self._table.of_address(address)
        live = any(binding.state in WITH_ROUTE for binding in bindings)
        covered = builtin is Reason.CONNECTED_PREFIX
        refused = None if covered and (live or any(rule.connected for rule in rules)) else builtin
        return Explanation(
            address=address,
            open_mode=allowlist is None,
            refused=refused,
            connected_prefix=(authorization.local_addresses.enclosing_prefix(address) if covered else None),
            rules=tuple(RuleText(rule.where, str(rule)) for rule in rules[:MAX_RULES]),
            cases=()
            if refused
            else tuple(_policy_cases(address, authorization, rules, ports.values(), live=live)),
            full_ports=tuple(one.name for one in ports.values() if limits.refuse_full(one.index, address)),
            limited_ports=tuple(one.name for one in ports.values() if limits.is_exhausted(now, one.index)),
            hold_downs=tuple(
                held for key in keys for held in _hold_downs(now, key, self._policy.quarantine, ports)
            ),
            bindings=tuple(
                _detail(binding, self._transitions, limits, self._segments, ports) for binding in bindings
            ),
            questions=tuple(
                (port.name, one)
                for port in ports.values()
                for one in self._questions.of_port(now, port)
                if one.address == address
            ),
        )


def events_about(address: IP, decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return the last MAX_EVENTS decisions about the address, the oldest first."""
    return tuple([made for made in decisions if made.address == address][-MAX_EVENTS:])


def _policy_cases(
    address: IP, authorization: Authorization, rules: Iterable[Rule], ports: Iterable[Port], *, live: bool
) -> Iterator[PolicyCase]:
    """Authorize each port with every MAC that one of `rules` names, and with one MAC that no rule names.

    Ports with the same verdict share one case.
    """
    named = {rule.qualifiers.mac: None for rule in rules if rule.qualifiers.mac is not None}
    unnamed = next(mac for mac in _macs() if mac not in named)
    cases: dict[tuple[MAC | None, Reason | None, Rule | None], list[str]] = {}
    for port in ports:
        others = authorization.authorize(address, Anchor(port.index, unnamed), port.segment, live=live)
        cases.setdefault((None, others.reason, others.rule), []).append(port.name)
        for mac in named:
            verdict = authorization.authorize(address, Anchor(port.index, mac), port.segment, live=live)
            if verdict != others:
                cases.setdefault((mac, verdict.reason, verdict.rule), []).append(port.name)
    for (case_mac, reason, rule), names in cases.items():
        yield PolicyCase(tuple(sorted(names)), case_mac, reason, None if rule is None else rule.where)


def _macs() -> Iterator[MAC]:
    return (MAC(b"\x02" + number.to_bytes(5)) for number in count())


def _hold_downs(
    now: float, key: Key, quarantine: Quarantine, ports: Mapping[int, Port]
) -> Iterator[HoldDown]:
    for source, until in quarantine.hold_downs(now, key):
        anchor = source if isinstance(source, Anchor) else Anchor(source, ZERO_MAC)
        port = ports.get(anchor.port or 0)
        yield HoldDown(port.name if port else None, anchor.mac if source is anchor else None, until)


def _detail(
    binding: Binding,
    transitions: Transitions,
    limits: PortLimits,
    segments: Mapping[int, Segment],
    ports: Mapping[int, Port],
) -> BindingDetail:
    port = ports.get(binding.anchor.port or 0)
    held, most = (None, None) if port is None else limits.usage(port.index, binding.key.address)
    return BindingDetail(
        shown=binding_snapshot(binding, segments, ports),
        table=binding.key.table,
        state_since=binding.state_since,
        deadline=transitions.timers.deadline_of(binding),
        probes_sent=binding.probes_sent,
        answered=binding.answered,
        challenger=transitions.name_anchor(binding.challenger) if binding.challenger else None,
        moves=len([at for at in binding.moves if at > binding.moves[-1] - MOVES_WINDOW]),
        frozen_until=binding.frozen_until or None,
        refused=binding.refused,
        damped_until=transitions.damped_until(binding),
        port_addresses=held,
        port_limit=most,
    )
