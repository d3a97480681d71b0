"""Breaks the engine on purpose, one way at a time, and sees its tests fail.

The dialogues among the unit tests are tried first, since they take seconds. `property/test_engine.py` follows, on
several random walks.

Each mutation is a function that replaces a method, a constant or a row of the state machine at run time. A mutation
whose target does not exist any more raises at once. This module is also a pytest plugin: in a process of its own,
`RDNBR_MUTATION` names the mutation, and the plugin applies it before any test runs.

`python tests/mutations.py [WORDS]` tries the mutations with these words in their name, or all of them. It exits 1 when
one goes unnoticed.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rdnbr.core.bindings import (
    claim_handler,
    expiry,
    move_limit,
    route_metric,
    signs_of_life,
    state_machine,
    transitions,
)
from rdnbr.core.bindings.adopter import Adopter
from rdnbr.core.bindings.answer_collection import AnswerCollection
from rdnbr.core.bindings.claim_handler import ClaimHandler
from rdnbr.core.bindings.conflict import Conflicts
from rdnbr.core.bindings.covering_prefixes import CoveringPrefixes
from rdnbr.core.bindings.damped_ports import DampedPorts
from rdnbr.core.bindings.departed import DepartedBindings
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.expiry import Expiry
from rdnbr.core.bindings.frame_counters import FrameCounters
from rdnbr.core.bindings.reauthorization import Reauthorization
from rdnbr.core.bindings.route_metric import RouteMetrics
from rdnbr.core.bindings.signs_of_life import SignsOfLife
from rdnbr.core.bindings.state_machine import BindingEvent, Transition
from rdnbr.core.bindings.static_bindings import StaticBindings
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.bindings.unproved_adoptions import UnprovedAdoptions
from rdnbr.core.fib import reconciler
from rdnbr.core.model.address import ZERO_MAC
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.binding import Anchor, Binding, NewAnchor
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.med_timestamp import LONG_AGO
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule
from rdnbr.core.policy import authorization, flap_damping
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.core.policy.quarantine import Quarantine
from rdnbr.core.probing import data_snooping, gateway_defence, intervals, slow_probing
from rdnbr.core.probing.awaited_sources import AwaitedSources
from rdnbr.core.probing.dad_times import DadTimes
from rdnbr.core.probing.data_snooping import DataSnooping
from rdnbr.core.probing.discovery import Discovery
from rdnbr.core.probing.gateway_announcer import GatewayAnnouncer
from rdnbr.core.probing.gateway_defence import GatewayDefence
from rdnbr.core.probing.prober import Prober
from rdnbr.core.probing.slow_discovery import SlowDiscovery
from rdnbr.core.probing.timers import BindingTimers

TESTS = Path(__file__).parent

VARIABLE = "RDNBR_MUTATION"
"""The environment variable that names the mutation of a process."""

WALKS = 4
"""A mutation that passes the dialogues and so many walks, each with a seed of its own, is not noticed."""

DIALOGUES = [path for path in sorted(TESTS.glob("unit/test_*.py")) if "dialogue import" in path.read_text()]
"""The unit tests that let guests talk with the whole engine."""

WALK = [TESTS / "property" / "test_engine.py"]

MUTATIONS: dict[str, Callable[[], None]] = {}
"""Every mutation by its name, which says what is wrong."""


def mutation(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a mutation."""

    def register(mutate: Callable[[], None]) -> Callable[[], None]:
        assert name not in MUTATIONS
        MUTATIONS[name] = mutate
        return mutate

    return register


def replace(owner: Any, name: str, value: Any) -> Any:
    """Replace what a class or module defines itself, and return what was there.

    Raises:
        KeyError: the class or module does not define this name.
    """
    before = vars(owner)[name]
    setattr(owner, name, value)
    return before


def replace_row(state: State | None, event: BindingEvent, row: Transition) -> None:
    """Replace a row of the state machine.

    Raises:
        KeyError: the state machine has no such row.
    """
    assert state_machine.TABLE[state, event] != row
    state_machine.TABLE[state, event] = row


def nothing(*_: Any, **__: Any) -> None:
    """Stand in for a method that is not called for its result."""


@mutation("a challenger gets the address without a probe to the incumbent")
def _() -> None:
    replace(intervals, "probes_challenger", lambda _probes_sent: True)


@mutation("the answer of a challenger counts while the incumbent is still being probed")
def _() -> None:
    states = (State.TENTATIVE, State.CHALLENGED)
    replace(
        Conflicts,
        "is_awaited",
        lambda _, binding, anchor: (
            binding.challenger == anchor and binding.probes_sent > 0 and binding.state in states
        ),
    )


@mutation("an answer counts from any port")
def _() -> None:
    replace(Anchor, "may_be", lambda self, other: self.mac in (ZERO_MAC, other.mac))


@mutation("quarantine is ignored")
def _() -> None:
    replace(Quarantine, "is_quarantined", lambda *_: False)


@mutation("quarantine does not double")
def _() -> None:
    def add(self: Quarantine, now: float, key: Key, source: Any, seconds: float, **given: bool) -> None:
        self._pop(key, source)
        before(self, now, key, source, seconds, **given)

    before = replace(Quarantine, "add", add)


@mutation("a port that goes leaves its routes")
def _() -> None:
    def apply(self: Transitions, now: float, binding: Any, event: BindingEvent, **given: Any) -> Transition:
        if event is BindingEvent.PORT_GONE:
            return state_machine.transition(binding.state, event)
        return before(self, now, binding, event, **given)

    before = replace(Transitions, "apply", apply)


@mutation("a port that flaps is not damped")
def _() -> None:
    replace(flap_damping, "SUPPRESS", float("inf"))


@mutation("the penalty of a port that flaps does not decay")
def _() -> None:
    replace(flap_damping, "_decayed", lambda penalty, _now: penalty.points)


@mutation("the penalty of a port that flaps has no ceiling")
def _() -> None:
    replace(flap_damping, "CEILING", float("inf"))


@mutation("routes that were held back are not installed when the damping ends")
def _() -> None:
    replace(DampedPorts, "review", nothing)


@mutation("a bridge that goes is a flap of its ports")
def _() -> None:
    def remove_port(self: Engine, now: float, index: int, event: BindingEvent) -> None:
        if event is BindingEvent.SEGMENT_GONE and index in self._ports:
            self._damped_ports.record_loss(now, self._ports[index])
        before(self, now, index, event)

    before = replace(Engine, "_remove_port", remove_port)


@mutation("a port without routes flaps as well")
def _() -> None:
    def record_loss(self: DampedPorts, now: float, port: Any) -> None:
        if self._damping.record_loss(now, port.name):
            self._emit(Decision(now, Verb.HELD, Reason.DAMPED, port=port.name))

    replace(DampedPorts, "record_loss", record_loss)


@mutation("the routes of a damped port are installed")
def _() -> None:
    replace(Transitions, "_is_damped", lambda *_: False)


@mutation("an operator cannot end the damping of a port")
def _() -> None:
    replace(DampedPorts, "release_port", nothing)


@mutation("a reload withdraws nothing")
def _() -> None:
    _without_authorize(discover=True)


@mutation("a change of the node's addresses withdraws nothing")
def _() -> None:
    _without_authorize(discover=False)


def _without_authorize(*, discover: bool) -> None:
    """Leave the bindings alone when a reauthorization starts: with `discover` that of a reload."""

    def start(self: Reauthorization, now: float, **given: bool) -> None:
        if given["discover"] is discover:
            self.authorize = nothing
        before(self, now, **given)
        vars(self).pop("authorize", None)

    before = replace(Reauthorization, "start", start)


@mutation("a guest that announces itself gets no later stamp")
def _() -> None:
    replace(RouteMetrics, "may_renew", lambda *_: False)


@mutation("a guest that announces itself gets a later stamp each time")
def _() -> None:
    def renew(self: RouteMetrics, now: float, binding: Any) -> None:
        before(self, now, binding)
        binding.renewals = None

    before = replace(RouteMetrics, "renew", renew)


@mutation("a guest that answers another's DAD gets a later stamp")
def _() -> None:
    replace(claim_handler, "DAD_ANSWER_TIME", float("-inf"))


@mutation("an adopted route loses its stamp")
def _() -> None:
    replace(route_metric.med_timestamp, "stamp_of_metric", lambda *_: LONG_AGO)


@mutation("a reload leaves the metrics as they were")
def _() -> None:
    def configure(self: RouteMetrics, _now: float, settings: Any) -> None:
        self._settings = settings

    replace(RouteMetrics, "configure", configure)


@mutation("a DAD postpones the decision on a binding that is being probed")
def _() -> None:
    def handle(
        self: ClaimHandler, now: float, port: Any, binding: Any, anchor: Any, claim: Any, rule: Any
    ) -> Reason:
        reason: Reason = before(self, now, port, binding, anchor, claim, rule)
        if binding.state is State.PROBING and self._event_of(claim) is BindingEvent.DAD:
            self._transitions.timers.restart_probes(now, binding, after_dad=True)
        return reason

    before = replace(ClaimHandler, "_handle_incumbent_claim", handle)


@mutation("the neighbour stays where it was when an address moves")
def _() -> None:
    def hand_over(self: Conflicts, now: float, binding: Any, *given: Any) -> Transition:
        if binding.state in WITH_ROUTE:
            self._transitions.route_arrival = nothing
        try:
            return before(self, now, binding, *given)
        finally:
            vars(self._transitions).pop("route_arrival", None)

    before = replace(Conflicts, "hand_over", hand_over)


@mutation("the address limit of a port is ignored")
def _() -> None:
    replace(PortLimits, "refuse_full", nothing)


@mutation("a timer that is handled late counts as silence")
def _() -> None:
    def expire(self: Expiry, now: float, binding: Any, *, answers_lost: bool) -> None:
        before(self, now, binding, answers_lost=False)

    before = replace(Expiry, "_expire_binding", expire)


@mutation("an answer in an unread frame counts as silence")
def _() -> None:
    def expire_timers(self: Expiry, now: float, *, unread: bool) -> None:
        before(self, now, unread=False)

    before = replace(Expiry, "expire_timers", expire_timers)


@mutation("a frame is not counted")
def _() -> None:
    def count(self: FrameCounters, port: str, reason: Reason) -> None:
        if reason is not Reason.QUARANTINED:
            before(self, port, reason)

    before = replace(FrameCounters, "count", count)


@mutation("a challenger on the port that goes inherits the address")
def _() -> None:
    def heir(self: Transitions, binding: Any) -> NewAnchor | None:
        challenger = binding.challenger
        if challenger is None or binding.state not in WITH_ROUTE or challenger.port not in self._ports:
            return None
        return NewAnchor(challenger, binding.challenger_segment, binding.source, binding.rule)

    replace(Transitions, "_heir", heir)


@mutation("a binding that moves too often is not frozen")
def _() -> None:
    replace(move_limit, "MOVES", 6)


@mutation("an address in DAD is probed at once")
def _() -> None:
    replace(BindingTimers, "_dad", lambda *_: 0.0)


@mutation("an advertisement without the override flag displaces")
def _() -> None:
    def handle(
        self: ClaimHandler, now: float, port: Any, binding: Any, anchor: Any, claim: Any, rule: Any
    ) -> Reason:
        reason: Reason = before(self, now, port, binding, anchor, claim._replace(override=True), rule)
        return reason

    before = replace(ClaimHandler, "_handle_challenger_claim", handle)


@mutation("a refused entry is never tried again")
def _() -> None:
    replace(reconciler, "_FIRST_RETRY", float("inf"))
    replace(reconciler, "_LAST_RETRY", float("inf"))


@mutation("the gateway is not announced to a guest that arrives")
def _() -> None:
    def record_arrival(self: GatewayAnnouncer, now: float, port: int, claim: Any) -> bool:
        before(self, now, port, claim)
        return False

    before = replace(GatewayAnnouncer, "record_arrival", record_arrival)


@mutation("a connected prefix takes the address of a live binding")
def _() -> None:
    _authorize_as_live(live=False)


@mutation("a connected prefix refuses no new claim")
def _() -> None:
    _authorize_as_live(live=True)


def _authorize_as_live(*, live: bool) -> None:
    def authorize(self: Authorization, *given: Any, **_: bool) -> Any:
        return before(self, *given, live=live)

    before = replace(Authorization, "authorize", authorize)


@mutation("a connected prefix takes the addresses of rules that say connected")
def _() -> None:
    def authorize(self: Authorization, address: Any, *given: Any, live: bool = False) -> Any:
        allowlist = self.allowlist
        if self.builtin_refusal(address) and not live:
            self.allowlist = None
        try:
            return before(self, address, *given, live=live)
        finally:
            self.allowlist = allowlist

    before = replace(Authorization, "authorize", authorize)


@mutation("nobody is searched for when a connected prefix goes")
def _() -> None:
    replace(LocalAddresses, "have_more_than", lambda *_: False)


@mutation("a connected prefix is reported with every address")
def _() -> None:
    def record(self: CoveringPrefixes, *given: Any) -> None:
        self._reported.clear()
        before(self, *given)

    before = replace(CoveringPrefixes, "record", record)


@mutation("a MAC of the node counts on every segment")
def _() -> None:
    class Anywhere(frozenset[Any]):
        def __contains__(self, place: Any) -> bool:
            return any(place[1] == mac for _, mac in self)

    def changed(self: Engine, now: float, local: Any) -> Any:
        return before(self, now, dataclasses.replace(local, macs=Anywhere(local.macs)))

    before = replace(Engine, "local_addresses_changed", changed)


@mutation("of several addresses of a segment only the gateways are announced")
def _() -> None:
    def announce(self: GatewayAnnouncer, port: Any, to: Any = None) -> int:
        segment = self._segments[port.segment]
        self._segments = {segment.index: dataclasses.replace(segment, addresses=())}
        return before(self, port, to)

    before = replace(GatewayAnnouncer, "announce", announce)


@mutation("of several addresses of a segment only the gateways are defended")
def _() -> None:
    def defend(self: GatewayDefence, now: float, index: int, address: Any) -> None:
        if address in (self._segments[index].gateway4, self._segments[index].gateway6):
            before(self, now, index, address)

    before = replace(GatewayDefence, "defend", defend)


@mutation("several addresses of a segment are defended at once")
def _() -> None:
    replace(gateway_defence, "ROUNDS_APART", 0.0)


@mutation("an address that the allowlist names is searched for although it is bound")
def _() -> None:
    class Unbound:
        get = nothing

    def is_needed(self: Discovery, *given: Any) -> bool:
        bindings, self._bindings = self._bindings, Unbound()
        try:
            return bool(before(self, *given))
        finally:
            self._bindings = bindings

    before = replace(Discovery, "_is_needed", is_needed)


@mutation("IP packets are looked at for ever")
def _() -> None:
    replace(DataSnooping, "expire_timers", nothing)


@mutation("IP packets are looked at for ten seconds although no route is there")
def _() -> None:
    replace(DataSnooping, "_lacking", lambda *_: ())


@mutation("IP packets are looked at although routes of both families are there")
def _() -> None:
    replace(DataSnooping, "_lacking", lambda *_: data_snooping.FAMILIES)


@mutation("sources that came to nothing are looked at again all the time")
def _() -> None:
    replace(data_snooping, "LONGEST", 0.0)


@mutation("a packet of an incumbent that answers nothing is no evidence")
def _() -> None:
    replace(BindingTimers, "awaits_packet", lambda *_: False)


@mutation("a packet of an incumbent counts although it answers its probes")
def _() -> None:
    states = (State.PROBING, State.CHALLENGED, State.FROZEN, State.ADOPTED)
    replace(BindingTimers, "awaits_packet", lambda _, binding: binding.state in states)


@mutation("a packet counts on a port that is only inferred before all ports were probed")
def _() -> None:
    def awaits_packet(self: BindingTimers, binding: Binding) -> bool:
        inferred, binding.port_inferred = binding.port_inferred, False
        found: bool = before(self, binding)
        binding.port_inferred = inferred
        return found

    before = replace(BindingTimers, "awaits_packet", awaits_packet)


@mutation("a packet from another port, or with another MAC, is evidence")
def _() -> None:
    def counts(self: ClaimHandler, binding: Binding | None, anchor: Anchor, rule: Rule | None) -> bool:
        there: bool = binding is not None and self._transitions.timers.awaits_packet(binding)
        return there or before(self, binding, anchor, rule)

    before = replace(ClaimHandler, "_counts", counts)


@mutation("an awaited packet is looked at again and again")
def _() -> None:
    replace(AwaitedSources, "discard", lambda self, port, source: source in self._sources.get(port, {}))


@mutation("a source is awaited for a minute longer")
def _() -> None:
    before = replace(
        AwaitedSources,
        "add",
        lambda self, port, source, until: before(self, port, source, until + 60.0),
    )


@mutation("a sign of life has nothing probed")
def _() -> None:
    replace(SignsOfLife, "note", nothing)


@mutation("every frame of an incomplete guest counts as a sign of life")
def _() -> None:
    replace(signs_of_life, "APART", 0.0)


@mutation("a guest that the kernel knows is not probed")
def _() -> None:
    replace(SignsOfLife, "find_guest", nothing)


@mutation("a flushed guest is not probed")
def _() -> None:
    replace(SignsOfLife, "remember_flushed", nothing)


@mutation("an IP packet challenges a binding")
def _() -> None:
    def handle(self: ClaimHandler, now: float, port: Any, claim: Any) -> Reason:
        binding = None
        if claim.source is Source.DATA:
            binding = self._table.get(Key(self._segments[port.segment].table, claim.address))
        if binding is not None and binding.state is not State.DEPARTED:
            claim = claim._replace(source=Source.NS)
        reason: Reason = before(self, now, port, claim)
        return reason

    before = replace(ClaimHandler, "_handle_sender", handle)


@mutation("an adopted guest with a challenger is probed on its inferred port only")
def _() -> None:
    replace(Transitions, "forget_port", nothing)


@mutation("a binding that is lost with an inferred port is probed nowhere")
def _() -> None:
    def after_port_loss(self: Transitions, now: float, binding: Any, event: Any, heir: Any) -> None:
        if heir is None:
            binding.port_inferred = False
        before(self, now, binding, event, heir)

    before = replace(Transitions, "_after_port_loss", after_port_loss)


@mutation("a frame of a virtual router is refused for its two MACs")
def _() -> None:
    replace(claim_handler, "is_virtual_router_mac", lambda _: False)


@mutation("a frame may claim an address for any other MAC")
def _() -> None:
    replace(claim_handler, "is_virtual_router_mac", lambda _: True)


@mutation("a rule does not match the card of a virtual router")
def _() -> None:
    before = replace(
        Authorization, "_claimants", lambda self, anchor, segment, _: before(self, anchor, segment, None)
    )


@mutation("a rule that names a card refuses what was adopted of its virtual router")
def _() -> None:
    replace(authorization, "is_virtual_router_mac", lambda _: False)


@mutation("the card of a virtual router is forgotten with each frame")
def _() -> None:
    before = replace(
        Reauthorization,
        "authorize",
        lambda self, now, bindings: before(self, now, [_without_card(one) for one in bindings]),
    )


@mutation("a virtual router that moves leaves its other addresses behind")
def _() -> None:
    replace(
        ClaimHandler,
        "_hand_over",
        lambda self, now, _, binding, event, to: self._conflicts.hand_over(now, binding, event, to),
    )


def _without_card(binding: Binding) -> Binding:
    binding.physical_mac = None
    return binding


@mutation("a guest that fell silent is not probed on")
def _() -> None:
    before = replace(
        DepartedBindings, "add", lambda self, now, binding, **_: before(self, now, binding, silent=False)
    )


@mutation("a guest that fell silent is probed on as often as at first")
def _() -> None:
    replace(slow_probing, "LONGEST", slow_probing.FIRST)


@mutation("a guest that fell silent is probed on although its port is gone")
def _() -> None:
    replace(DepartedBindings, "port_gone", nothing)


@mutation("a guest that fell silent is probed on although nobody may have its address now")
def _() -> None:
    def probe(self: DepartedBindings, now: float, binding: Any) -> None:
        self._timers.probe_slowly(now, binding)

    replace(DepartedBindings, "probe", probe)


@mutation("a port is probed for more departed addresses than it may have")
def _() -> None:
    def probe_on(self: DepartedBindings, now: float, binding: Any, port: int) -> None:
        usage = self._policy.limits.usage
        self._policy.limits.usage = lambda *_: (0, 1000)
        try:
            before(self, now, binding, port)
        finally:
            self._policy.limits.usage = usage

    before = replace(DepartedBindings, "_probe_on", probe_on)


@mutation("what the allowlist names is probed on as often as at first")
def _() -> None:
    before = replace(
        SlowDiscovery,
        "_wanted",
        lambda self, now, port, rounds: _restart(before(self, now, port, rounds), rounds),
    )


def _restart(wanted: list[Any], rounds: Any) -> list[Any]:
    rounds.finished = 0
    return wanted


@mutation("what departed in silence is probed on as named by the allowlist, too")
def _() -> None:
    replace(
        SlowDiscovery,
        "_lacks",
        lambda self, now, port, address, mac: self._is_needed(now, port, Anchor(port.index, mac), address),
    )


@mutation("an operator's probe goes to a port that may not have the address")
def _() -> None:
    replace(Discovery, "_may_be_on", lambda *_: True)


@mutation("an operator's probe counts as one of the sequence")
def _() -> None:
    def probe_once_more(self: BindingTimers, now: float, binding: Any) -> None:
        before(self, now, binding)
        binding.probes_sent += 1

    before = replace(BindingTimers, "probe_once_more", probe_once_more)


@mutation("a static address passes to a challenger that answers")
def _() -> None:
    def challenge(self: Conflicts, now: float, binding: Any, challenger: Anchor, segment: int) -> Transition:
        if binding.state is State.STATIC:
            self._transitions.apply(now, binding, BindingEvent.NOT_STATIC)
        return before(self, now, binding, challenger, segment)

    before = replace(Conflicts, "challenge", challenge)


@mutation("a static address waits for the answer of its guest")
def _() -> None:
    replace(claim_handler, "is_static", lambda _: False)


@mutation("a static address whose rule says where it is waits for a frame")
def _() -> None:
    replace(StaticBindings, "bind", nothing)


@mutation("a static address is probed after a restart")
def _() -> None:
    replace(StaticBindings, "settle_adopted", nothing)


@mutation("a reload leaves an address static that is so no longer")
def _() -> None:
    replace_row(
        State.STATIC,
        BindingEvent.NOT_STATIC,
        Transition(State.STATIC, Verb.REFRESHED, Reason.AWAITING_ANSWER),
    )


@mutation("a frozen static address is probed when it thaws")
def _() -> None:
    replace(expiry, "is_static", lambda _: False)


@mutation("a claim that comes to nothing makes the guest be forgotten that had the address")
def _() -> None:
    replace(transitions, "_ENDS_OF_CLAIMS", frozenset())


@mutation("a DAD solicitation installs a route")
def _() -> None:
    replace_row(None, BindingEvent.DAD, Transition(State.VALID, Verb.LEARNED, Reason.AWAITING_DAD))


@mutation("a silent binding keeps its route")
def _() -> None:
    replace_row(State.PROBING, BindingEvent.SILENCE, Transition(State.VALID, Verb.KEPT, Reason.SILENT))


@mutation("a silent incumbent keeps the address although its challenger answers")
def _() -> None:
    row = Transition(State.PROBING, Verb.MOVED, Reason.INCUMBENT_SILENT)
    replace_row(State.CHALLENGED, BindingEvent.CHALLENGER_ANSWER, row)


@mutation("a frozen binding is given to its challenger")
def _() -> None:
    replace_row(
        State.FROZEN,
        BindingEvent.CHALLENGER_CLAIM,
        Transition(State.CHALLENGED, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
    )


@mutation("a binding that is not permitted any more keeps its route")
def _() -> None:
    row = Transition(State.VALID, Verb.REFRESHED, Reason.NO_LONGER_PERMITTED)
    replace_row(State.VALID, BindingEvent.NOT_PERMITTED, row)


@mutation("a flushed binding is remembered")
def _() -> None:
    row = Transition(State.DEPARTED, Verb.WITHDRAWN, Reason.FLUSHED)
    replace_row(State.VALID, BindingEvent.FLUSHED, row)
    replace_row(State.PROBING, BindingEvent.FLUSHED, row)


@mutation("every probe of a claim and of a conflict is unicast")
def _() -> None:
    def form(state: State, probes_sent: int, timers: Any) -> Any:
        if state in (State.TENTATIVE, State.CHALLENGED):
            return intervals.Form.UNICAST
        return before(state, probes_sent, timers)

    before = replace(intervals, "form", form)


@mutation("no probe comes from 0.0.0.0")
def _() -> None:
    replace(DadTimes, "may_be_in_dad", lambda *_: True)


@mutation("a guest in DAD is probed from 0.0.0.0")
def _() -> None:
    replace(DadTimes, "record", nothing)


@mutation("a guest whose port has just come up is probed from 0.0.0.0")
def _() -> None:
    replace(DadTimes, "port_up", nothing)


@mutation("a guest that cannot be probed for lack of a gateway address counts as silent")
def _() -> None:
    replace(Prober, "lacks_gateway", lambda *_: False)


@mutation("a guest whose port takes no frames counts as silent")
def _() -> None:
    replace(BindingTimers, "probe_unsent", nothing)


@mutation("a challenger that cannot be probed keeps its incumbent from being withdrawn")
def _() -> None:
    def probe_unsent(self: Transitions, now: float, key: Key, anchor: Anchor) -> None:
        binding = self._table.get(key)
        if binding is not None and anchor in (binding.anchor, binding.challenger):
            self.timers.probe_unsent(now, binding)

    replace(Transitions, "probe_unsent", probe_unsent)


@mutation("guests are not probed when the gateway address is back")
def _() -> None:
    replace(BindingTimers, "segment_changed", nothing)


@mutation("the fastest of several guests gets an address that several ports were asked for")
def _() -> None:
    replace(AnswerCollection, "collect", lambda *_: False)


@mutation("who was there before the start has no precedence")
def _() -> None:
    replace(AnswerCollection, "_was_there", lambda *_: False)


@mutation("who was there before the start has it for any claim")
def _() -> None:
    replace(
        AnswerCollection,
        "_was_there",
        lambda self, port, claim: self._fdb_ports.get((port.segment, claim.ether)) == port.index,
    )


@mutation("of several claims that are as good as each other the first one wins")
def _() -> None:
    def settle(self: AnswerCollection, now: float) -> Any:
        for winner, claims in before(self, now):
            yield (winner, claims) if winner is not None else (claims[0], claims[1:])

    before = replace(AnswerCollection, "settle", settle)


@mutation("an adopted binding for which several guests answer is withdrawn")
def _() -> None:
    def dispute(self: Transitions, now: float, binding: Any) -> None:
        before(self, now, binding)
        binding.disputed = False

    before = replace(Transitions, "dispute", dispute)


@mutation("the probes of an earlier run do not count")
def _() -> None:
    replace(UnprovedAdoptions, "resume", nothing)


@mutation("a probe counts for the next run before its answer was awaited")
def _() -> None:
    replace(UnprovedAdoptions, "probe_sent", lambda self, _, binding: self._emit_note(binding))


@mutation("the probes of an earlier run lead to a verdict without another one")
def _() -> None:
    def resume(self: BindingTimers, now: float, binding: Any, probes_sent: int, since: float) -> None:
        before(self, now, binding, probes_sent, since)
        binding.probes_sent = probes_sent if binding.probes_sent else 0

    before = replace(BindingTimers, "resume_probes", resume)


@mutation("what an earlier run noted of another MAC counts")
def _() -> None:
    replace(AdoptionNote, "is_about", lambda *_: True)


@mutation("a binding stays noted for the next run when it is proved")
def _() -> None:
    replace(UnprovedAdoptions, "state_changed", nothing)


@mutation("the grace begins anew with each run")
def _() -> None:
    def adopt_at(binding: Any, timers: Any) -> float:
        return float(before(binding, timers) - binding.since + binding.state_since)

    before = replace(intervals, "adopt_at", adopt_at)


@mutation("who has no forwarding entry is probed as late as others")
def _() -> None:
    replace(Adopter, "_reserve_unheard", lambda *_: float("inf"))


@mutation("the pin of an earlier run says nothing about the port")
def _() -> None:
    def adopt(self: Adopter, *arguments: Any) -> None:
        before(self, *arguments[:7])

    before = replace(Adopter, "adopt", adopt)


@mutation("a silent guest whose MAC is pinned is probed on that port only")
def _() -> None:
    def probes_all_ports(self: Prober, binding: Any, probes_sent: int) -> bool:
        return binding.state is not State.ADOPTED and bool(before(self, binding, probes_sent))

    before = replace(Prober, "probes_all_ports", probes_all_ports)


def pytest_configure() -> None:
    """Apply the mutation of this process before any test runs."""
    MUTATIONS[os.environ[VARIABLE]]()


def passes(name: str | None, files: list[Path], walk: int = 0) -> bool:
    """Tell whether tests pass with a mutation (None: with none), on the walk with this seed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        f"--hypothesis-seed={walk}",
    ]
    # Under CI hypothesis accepts no seed, and all walks would be the same.
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", VARIABLE)}
    environment |= {"RDNBR_QUICK": "1", "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    if name is not None:
        command += ["-p", "mutations"]
        environment[VARIABLE] = name
    command += ["-m", "not slow", *map(str, files)]
    done = subprocess.run(command, cwd=TESTS.parent, env=environment, check=False, capture_output=True)
    if done.returncode > 1:
        raise RuntimeError(done.stdout.decode() + done.stderr.decode())
    return done.returncode == 0


def is_noticed(name: str | None) -> bool:
    """Tell whether tests fail with a mutation."""
    return not (passes(name, DIALOGUES) and all(passes(name, WALK, walk) for walk in range(WALKS)))


def main() -> int:
    """Try the mutations that the command line names."""
    words = " ".join(sys.argv[1:])
    if is_noticed(None):
        print("the tests fail although nothing is broken")
        return 1
    unnoticed = 0
    for name in MUTATIONS:
        if words in name:
            noticed = is_noticed(name)
            unnoticed += not noticed
            print(f"{'noticed' if noticed else 'NOT NOTICED'}: {name}", flush=True)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
