"""The lives of bindings: turns of the machine, and what each of them sets going.

`machine` says what state comes next, `agenda` when it is looked at again, `metrics` how its route is marked; here the
consequences are carried out: what is told, and what the kernel should hold.
"""

from collections import OrderedDict
from collections.abc import Mapping

from rdnbr.core.bindings import state_machine
from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.route_metric import RouteMetrics
from rdnbr.core.bindings.state_machine import BindingEvent, Transition
from rdnbr.core.model.address import ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.fib_entries import Host, Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Challenger, Decision, DesiredHost, Output, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.quarantine import Quarantine
from rdnbr.core.probing.timers import BindingTimers

DEPARTED = 4096
"""Departed bindings remembered; the one that departed first is forgotten first."""


class Transitions:
    """Every binding, from its first claim until it is forgotten."""

    def __init__(
        self, settings: Settings, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        self.bindings = BindingTable()
        self.quarantine = Quarantine()
        self.timers = BindingTimers(settings, segments, ports)
        self.metrics = RouteMetrics(settings, self.bindings)
        self.outputs: list[Output] = []
        """What came of the present event; the engine takes it."""
        self._ports = ports
        self._departed: OrderedDict[Key, None] = OrderedDict()
        self._timers = settings.timers

    def configure(self, now: float, settings: Settings) -> None:
        """Use these settings from the next question on."""
        self._timers = settings.timers
        self.metrics.configure(now, settings)
        self.timers.configure(settings)

    def apply(
        self,
        now: float,
        binding: Binding,
        stimulus: BindingEvent,
        *,
        fresh: bool = False,
        challenger: Challenger | None = None,
    ) -> Transition:
        """Apply one stimulus: change the state, tell of it, and do what the new state asks for.

        `fresh` marks a binding that was not in the table before this event; `rival` is who has just ceased to
        contend for it.
        """
        before = None if fresh else binding.state
        came = state_machine.turn(before, stimulus)
        if came.state is None:
            self.forget(now, binding, came.verb, came.reason)
            return came
        if fresh:
            self.bindings.add(binding)
        self._set_state(binding, came.state)
        if came.verb is not Verb.REFUSED:  # of the rival that is refused, the court tells
            self.emit_decision(now, binding, came.verb, came.reason, binding.state, challenger)
        self._update_desired(now, binding, before, came)
        if came.state is not before:
            self._enter_state(now, binding, stimulus)
            if binding.state is State.VALID and before not in WITH_ROUTE and not binding.answered:
                self.apply(now, binding, BindingEvent.DUE)
        return came

    def record_evidence(self, now: float, binding: Binding, *, answered: bool) -> None:
        """Its anchor shows that it has the address, `answered` when in reply to a question."""
        binding.last_seen = now
        binding.probing_since = None
        if binding.state is State.FROZEN:
            binding.probes_sent = 0
        if answered:
            binding.answered = True
            self.quarantine.release(binding.key, binding.anchor)
        challenger = binding.challenger
        # Who was asked for on all ports may be the very rival.
        if binding.state is State.CHALLENGED and challenger is not None and challenger != binding.anchor:
            self._dismiss(now, binding, challenger, self._timers.quarantine, defends=True)

    def _dismiss(
        self, now: float, binding: Binding, challenger: Anchor, first: float, *, defends: bool
    ) -> None:
        """Do not hear a rival that lost, nor others on its port; the incumbent's own port must stay heard."""
        source = challenger if challenger.port == binding.anchor.port else challenger.port
        self.quarantine.add(now, binding.key, source, first, defends=defends)

    def route_arrival(self, now: float, binding: Binding) -> None:
        """Its guest has come to where it is now: its route leads there, and bears the time of that."""
        self.metrics.stamp_arrival(now, binding)
        self._emit_desired(binding)

    def count_inferred(self, port: int, size: int) -> int:
        """Return how many adopted addresses of `size` bytes are surmised to be on a port."""
        return sum(
            found.port_inferred and len(found.key.address) == size for found in self.bindings.on_port(port)
        )

    def forget_port(self, binding: Binding) -> None:
        """Where an adopted binding is was only surmised, and is in doubt now: it is asked everywhere."""
        self.bindings.set_anchor(binding, Anchor(None, binding.anchor.mac))
        binding.port_inferred = False

    def set_adopted_anchor(self, binding: Binding, anchor: Anchor) -> None:
        """An adopted binding is heard for the first time: now its anchor is known whole."""
        known = binding.anchor.mac == anchor.mac
        self.bindings.set_anchor(binding, anchor)
        binding.port_inferred = True
        if not known:
            self._emit_desired(binding)

    def relocate(self, now: float, binding: Binding, anchor: Anchor, segment: int) -> None:
        """Give a binding to another anchor, of which it knows nothing yet."""
        # A liar's port may go and return, but it is no less a liar's by that.
        binding.port_inferred &= binding.anchor.mac == anchor.mac
        self.bindings.set_anchor(binding, anchor)
        binding.segment = segment
        binding.challenger = None
        binding.answered = False
        binding.since = binding.last_seen = now
        binding.probing_since = None

    def depart(self, now: float, binding: Binding, reason: Reason) -> None:
        """Its anchor is gone: no route any more, but remembered. A tentative one leaves nothing to remember."""
        if binding.state not in WITH_ROUTE:
            self.forget(now, binding, Verb.EXPIRED, reason)
            return
        challenger, challenger_segment = binding.challenger, binding.challenger_segment
        self.outputs.append(DesiredHost(binding.key, None))
        self._set_state(binding, State.DEPARTED)
        self.emit_decision(now, binding, Verb.WITHDRAWN, reason, binding.state)
        self._enter_state(now, binding, BindingEvent.SILENCE)
        if (
            challenger is not None
            and challenger.port != binding.anchor.port
            and challenger.port in self._ports
        ):
            # It claimed the address while the incumbent was there; now nobody stands in its way.
            self.relocate(now, binding, challenger, challenger_segment)
            self.apply(now, binding, BindingEvent.ARRIVAL)
        elif binding.port_inferred and reason is Reason.PORT_GONE:
            # Whoever spoke first and then took its link down may have lied: let the owner, wherever it is, speak.
            self.outputs += self.timers.probe(now, binding)
        else:
            binding.port_inferred = False

    def forget(self, now: float, binding: Binding, verb: Verb | None, reason: Reason) -> None:
        """Remove a binding, and its route if it has one."""
        if binding.state in WITH_ROUTE:
            self.outputs.append(DesiredHost(binding.key, None))
        self._departed.pop(binding.key, None)
        self.timers.cancel(binding)
        self.bindings.remove(binding.key)
        self.quarantine.lose_incumbent(binding.key)
        self.emit_decision(now, binding, verb, reason, None)

    def emit_decision(
        self,
        now: float,
        binding: Binding,
        verb: Verb | None,
        reason: Reason,
        state: State | None,
        challenger: Challenger | None = None,
    ) -> None:
        """Tell what was decided of a binding, which is in `state` now; with no verb nobody is told.

        Its present rival is named, or `rival` in place of that.
        """
        if verb is None:
            return
        if challenger is None and binding.challenger is not None:
            challenger = self.name_anchor(binding.challenger)
        port = self._ports.get(binding.anchor.port or 0)
        self.outputs.append(
            Decision(
                now,
                verb,
                reason,
                binding.key.address,
                binding.anchor.mac,
                port.name if port else None,
                state,
                binding.rule.where if binding.rule else None,
                challenger,
            )
        )

    def name_anchor(self, anchor: Anchor) -> Challenger:
        """Name an anchor as decisions do."""
        port = self._ports.get(anchor.port or 0)
        return Challenger(None if anchor.mac == ZERO_MAC else anchor.mac, port.name if port else None)

    def expire(self, now: float, *, unread: bool) -> None:
        """Judge every deadline that is due; while there are frames `unread`, none for silence."""
        while (due := self.timers.pop_due(now)) is not None:
            key, late = due
            binding = self.bindings.get(key)
            assert binding is not None
            self._expire_binding(now, binding, deaf=late or unread)

    def may_renew(self, now: float, binding: Binding) -> bool:
        """Tell whether a binding whose guest announces itself gets a later stamp."""
        return binding.state in WITH_ROUTE and self.metrics.may_renew(now, binding)

    def renew(self, now: float, binding: Binding) -> None:
        """Its guest, which may have been on another node, announces itself: it has arrived again."""
        self.metrics.renew(now, binding)
        self._emit_desired(binding)
        self.emit_decision(now, binding, Verb.INSTALLED, Reason.RENEWED, binding.state)

    def review_metrics(self, now: float) -> None:
        """Give routes that stay another metric where they should have one."""
        for binding in self.metrics.run_review(now):
            self._emit_desired(binding)

    def _expire_binding(self, now: float, binding: Binding, *, deaf: bool) -> None:
        match binding.state:
            case State.DEPARTED if binding.port_inferred:
                self._probe_departed(now, binding)
                return
            case State.DEPARTED:
                self.apply(now, binding, BindingEvent.SILENCE)
                return
            case State.FROZEN if now >= binding.frozen_until:
                self.apply(now, binding, BindingEvent.THAW)
                return
            case State.VALID | State.FROZEN if binding.probes_sent == 0:
                self._expire_quiet(now, binding)
                return
            case _:
                pass
        if deaf and binding.probes_sent:
            # Its answer may have been lost while nobody listened, or wait to be read.
            binding.probes_sent = 0
            binding.probing_since = None
        if self.timers.all_probes_sent(binding):
            self._expire_silent(now, binding)
        else:
            self.outputs += self.timers.probe(now, binding)

    def _probe_departed(self, now: float, binding: Binding) -> None:
        """Go on asking all ports for what went with a port where it may never have been."""
        if self.timers.all_probes_sent(binding):
            binding.port_inferred = False
            self.timers.schedule_forget(now, binding)
        else:
            self.outputs += self.timers.probe(now, binding)

    def _expire_quiet(self, now: float, binding: Binding) -> None:
        if not self.timers.is_quiet(now, binding):
            self.timers.schedule_reprobe(binding)
            return
        binding.cycle += 1
        if binding.state is State.FROZEN:
            self.outputs += self.timers.probe(now, binding)
        else:
            self.apply(now, binding, BindingEvent.DUE)

    def _expire_silent(self, now: float, binding: Binding) -> None:
        challenger = binding.challenger
        if binding.state is State.CHALLENGED:
            assert challenger is not None
            self._dismiss(now, binding, challenger, self._timers.unproven, defends=False)
            abandoned = self.timers.is_abandoned(now, binding)
            self.apply(now, binding, BindingEvent.ABANDONED if abandoned else BindingEvent.SILENCE)
            return
        if not binding.answered:
            for port in {anchor.port: None for anchor in (binding.anchor, challenger) if anchor}:
                self.quarantine.add(now, binding.key, port, self._timers.unproven)
        binding.port_inferred = False  # it was asked everywhere
        self.apply(now, binding, BindingEvent.SILENCE)

    def _set_state(self, binding: Binding, state: State) -> None:
        self.bindings.set_state(binding, state)
        if state is State.DEPARTED:
            self._departed[binding.key] = None
            self.quarantine.lose_incumbent(binding.key)
        else:
            self._departed.pop(binding.key, None)

    def _enter_state(self, now: float, binding: Binding, stimulus: BindingEvent) -> None:
        """Set going what a state does on its own."""
        binding.state_since = now
        binding.probes_sent = 0
        binding.wait_until = now
        if binding.state is not State.CHALLENGED:
            binding.challenger = None
        match binding.state:
            case State.TENTATIVE | State.PROBING:
                self.outputs += self.timers.restart_probes(
                    now, binding, after_dad=stimulus is BindingEvent.DAD
                )
            case State.VALID | State.FROZEN:
                self.timers.schedule_reprobe(binding)
            case State.CHALLENGED:
                self.outputs += self.timers.probe(now, binding)
            case State.ADOPTED:
                self.timers.schedule_adoption(binding)
            case State.DEPARTED:
                binding.refused = None
                self.timers.schedule_forget(now, binding)
                if len(self._departed) > DEPARTED:
                    oldest = self.bindings.get(next(iter(self._departed)))
                    assert oldest is not None
                    self.forget(now, oldest, Verb.EXPIRED, Reason.FORGOTTEN)

    def _update_desired(self, now: float, binding: Binding, before: State | None, came: Transition) -> None:
        had, has = before in WITH_ROUTE, binding.state in WITH_ROUTE
        if has and not had:
            if binding.state is State.ADOPTED:
                self._emit_desired(binding)  # as it was found
            else:
                self.route_arrival(now, binding)
            if came.verb not in (Verb.INSTALLED, Verb.ADOPTED):
                self.emit_decision(now, binding, Verb.INSTALLED, came.reason, binding.state)
        elif had and not has:
            self.outputs.append(DesiredHost(binding.key, None))

    def _emit_desired(self, binding: Binding) -> None:
        key = binding.key
        mac = None if binding.anchor.mac == ZERO_MAC else binding.anchor.mac
        self.outputs.append(DesiredHost(key, Host(key, binding.segment, mac, binding.metric)))
