"""Applies events to bindings: the consequences of each row of the state machine.

`state_machine` has the next state, `probing.timers` the next deadline, `route_metric` the metric of the route. Here a
transition is carried out: the decision is emitted, and the host that the kernel should hold.
"""

from collections.abc import Mapping

from rdnbr.core.bindings import state_machine
from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.departed import DepartedBindings
from rdnbr.core.bindings.route_metric import RouteMetrics
from rdnbr.core.bindings.state_machine import BindingEvent, Transition
from rdnbr.core.bindings.unproved_adoptions import UnprovedAdoptions
from rdnbr.core.model.address import ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding, Memory, NewAnchor
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.engine_outputs import Challenger, Decision, DesiredHost, Emit, Verb
from rdnbr.core.model.fib_entries import Host, Key
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import is_static
from rdnbr.core.policy.flap_damping import FlapDamping
from rdnbr.core.policy.quarantine import Quarantine
from rdnbr.core.probing.timers import BindingTimers

_EVIDENCE = frozenset({BindingEvent.PROOF, BindingEvent.CLAIM, BindingEvent.ANSWER})
"""Events in which the anchor of a binding shows that it has the address."""

_HANDOVERS = frozenset({BindingEvent.CHALLENGER_ANSWER, BindingEvent.ANNOUNCEMENT, BindingEvent.NOT_RETURNED})
"""Events in which an address passes from one anchor to another."""

_ANSWERS = frozenset({BindingEvent.ANSWER, BindingEvent.CHALLENGER_ANSWER})

_PORT_LOSSES = frozenset({BindingEvent.PORT_GONE, BindingEvent.SEGMENT_GONE})

_ENDS_OF_CLAIMS = _PORT_LOSSES | {BindingEvent.SILENCE}
"""Events after which a binding that had departed before is DEPARTED again, as it was: NOT_RETURNED."""


class Transitions:
    """Changes bindings, from the first claim until they are forgotten."""

    def __init__(
        self,
        table: BindingTable,
        timers: BindingTimers,
        metrics: RouteMetrics,
        quarantine: Quarantine,
        departed: DepartedBindings,
        unproved: UnprovedAdoptions,
        damping: FlapDamping,
        ports: Mapping[int, Port],
        emit: Emit,
    ) -> None:
        self.timers = timers
        self.metrics = metrics
        self._table = table
        self._quarantine = quarantine
        self._departed = departed
        self._unproved = unproved
        self._damping = damping
        self._ports = ports
        self._emit = emit

    def apply(
        self,
        now: float,
        binding: Binding,
        event: BindingEvent,
        *,
        to: NewAnchor | None = None,
        reason: Reason | None = None,
        challenger: Challenger | None = None,
    ) -> Transition:
        """Apply one event to a binding, which may be new. No state changes anywhere else.

        The order is fixed, since each step reads what the steps before it have written: the row of the table, the
        evidence, the new anchor, the end of the route, the new state, the decision, the begin of the route, the timers
        of the new state, and the heir of an anchor that is gone.

        Args:
            now: when the event happened.
            binding: it is added to the table if it is not there.
            event: what happened.
            to: the anchor that the binding passes to with this event; None: the anchor stays.
            reason: the reason of the decision, in place of the row's.
            challenger: the other anchor that the decision names, in place of the binding's challenger.

        Raises:
            ImpossibleTransitionError: the table has no such row; nothing was changed.
        """
        before = binding.state if self._table.get(binding.key) is binding else None
        row = state_machine.transition(before, event)
        if row.state is None and event in _ENDS_OF_CLAIMS and binding.memory is not None:
            to, reason, event = binding.memory.anchor, row.reason, BindingEvent.NOT_RETURNED
            row = state_machine.transition(before, event)
        if reason is not None:
            row = row._replace(reason=reason)
        if event in _EVIDENCE and before not in (None, State.DEPARTED):
            self._record_evidence(now, binding, answered=event is BindingEvent.ANSWER)
        if to is not None:
            if event in _HANDOVERS and to.anchor != binding.anchor:
                challenger = self.name_anchor(binding.anchor)
            self._set_anchor(now, binding, to)
            binding.answered = event in _ANSWERS
            if event is BindingEvent.NOT_RETURNED and binding.memory is not None:
                binding.since, binding.last_seen = binding.memory.since, binding.memory.last_seen
                binding.port_inferred = False
        if row.state is None:
            self._forget(now, binding, before, row)
            return row
        if before is None:
            self._table.add(binding)
        heir = self._heir(binding) if event in _PORT_LOSSES else None
        if before in WITH_ROUTE and row.state not in WITH_ROUTE:
            self._emit(DesiredHost(binding.key, None))
        self._set_state(binding, row.state)
        begins = binding.state in WITH_ROUTE and before not in WITH_ROUTE
        held = begins and row.verb is Verb.INSTALLED and self._is_damped(binding)
        # The claim handler emits a refusal, which names the challenger.
        if row.verb is not Verb.REFUSED and not held:
            self._emit_row(now, binding, row, challenger)
        if begins:
            self._begin_route(now, binding, row)
        if row.state is not before:
            self._enter_state(now, binding, event)
            is_new = binding.state is State.VALID and before not in WITH_ROUTE
            if is_new and not binding.answered and not is_static(binding.rule):
                self.apply(now, binding, BindingEvent.DUE)
        if binding.state is State.VALID and is_static(binding.rule):
            self.apply(now, binding, BindingEvent.STATIC)
        if event in _PORT_LOSSES:
            self._after_port_loss(now, binding, event, heir)
        return row

    def route_arrival(self, now: float, binding: Binding) -> None:
        """Install the route anew where the guest has arrived, with the metric of that time."""
        self.metrics.stamp_arrival(now, binding)
        self._emit_desired(now, binding)

    def damped_until(self, binding: Binding) -> float | None:
        """Return until when the route of a binding is held back, since its port flaps; None if it is not."""
        port = self._ports.get(binding.anchor.port or 0)
        return None if port is None else self._damping.damped_until(port.name)

    def review_damping(self, now: float, binding: Binding) -> None:
        """Hold back the route of a binding whose port is damped, or install it if the port is damped no more."""
        if self._is_damped(binding) is not (binding.refused is Reason.DAMPED):
            self._emit_desired(now, binding)

    def count_inferred(self, port: int, size: int) -> int:
        """Return how many adopted addresses of `size` bytes are on a port that is only inferred."""
        return sum(
            found.port_inferred and len(found.key.address) == size for found in self._table.on_port(port)
        )

    def forget_port(self, binding: Binding) -> None:
        """Drop the inferred port of an adopted binding, since a challenger disputes it: all ports are probed."""
        self._table.set_anchor(binding, Anchor(None, binding.anchor.mac))
        binding.port_inferred = False

    def infer_port(self, now: float, binding: Binding, anchor: Anchor) -> None:
        """Complete the anchor of an adopted binding from the first frame with its MAC.

        A frame may be forged, so it never has the route held back; but a route that was held back is installed, if the
        port of this frame is not damped.
        """
        known = binding.anchor.mac == anchor.mac
        self._table.set_anchor(binding, anchor)
        binding.port_inferred = True
        if not known:
            self._emit_host(binding)
        if binding.refused is Reason.DAMPED:
            self.review_damping(now, binding)

    def dispute(self, now: float, binding: Binding | None) -> None:
        """Keep an adopted binding for which several guests have answered; the next probes may tell them apart."""
        assert binding is not None
        binding.disputed = True
        binding.last_seen = now  # somebody has it
        self.emit_decision(now, binding, Verb.KEPT, Reason.SEVERAL_ANSWERS)

    def emit_decision(self, now: float, binding: Binding, verb: Verb, reason: Reason) -> None:
        """Emit a decision about a binding whose state does not change."""
        self._emit_row(now, binding, Transition(binding.state, verb, reason), None)

    def kernel_refused(self, now: float, key: Key, reason: Reason) -> None:
        """Record and tell that the kernel does not accept the host of a key."""
        binding = self._table.get(key)
        if (
            binding is not None
            and binding.state in WITH_ROUTE
            and binding.refused not in (reason, Reason.DAMPED)
        ):
            binding.refused = reason
            self.emit_decision(now, binding, Verb.REFUSED, reason)

    def kernel_accepted(self, now: float, key: Key) -> None:
        """Record and tell that the kernel holds the host of a key now, which it had refused."""
        binding = self._table.get(key)
        if binding is not None and binding.refused not in (None, Reason.DAMPED):
            reason, binding.refused = binding.refused, None
            self.emit_decision(now, binding, Verb.INSTALLED, reason)

    def name_anchor(self, anchor: Anchor) -> Challenger:
        """Return the MAC and the port name of an anchor, as decisions have them."""
        port = self._ports.get(anchor.port or 0)
        return Challenger(None if anchor.mac == ZERO_MAC else anchor.mac, port.name if port else None)

    def probe_unsent(self, now: float, key: Key, anchor: Anchor) -> None:
        """Handle that a probe could not be sent to an anchor; that of a challenger counts as lost on the wire."""
        binding = self._table.get(key)
        if binding is not None and binding.anchor == anchor:
            self.timers.probe_unsent(now, binding)

    def renew_stamp(self, now: float, binding: Binding) -> bool:
        """Renew the stamp of a binding whose guest announces itself, and may come from another node.

        Returns:
            Whether the stamp was renewed: only with `mobility = "newest-wins"`, and at a limited rate.
        """
        if not self.may_renew_stamp(now, binding):
            return False
        self.metrics.renew(now, binding)
        if binding.refused is not Reason.DAMPED:
            self._emit_host(binding)
            self.emit_decision(now, binding, Verb.INSTALLED, Reason.RENEWED)
        return True

    def may_renew_stamp(self, now: float, binding: Binding) -> bool:
        """Tell whether `renew_stamp` would renew the stamp."""
        return binding.state in WITH_ROUTE and self.metrics.may_renew(now, binding)

    def review_metrics(self, now: float) -> None:
        """Change the metric of routes that should have another one; a route that is held back gets it later."""
        for binding in self.metrics.run_review(now):
            if binding.refused is not Reason.DAMPED:
                self._emit_host(binding)

    def quarantine_challenger(self, now: float, binding: Binding, seconds: float, *, defends: bool) -> None:
        """Ignore a challenger that lost, and all else on its port; but never the port of the incumbent itself."""
        challenger = binding.challenger
        assert challenger is not None
        source = challenger if challenger.port == binding.anchor.port else challenger.port
        self._quarantine.add(now, binding.key, source, seconds, defends=defends)

    def _record_evidence(self, now: float, binding: Binding, *, answered: bool) -> None:
        """Record that the anchor shows that it has the address; `answered`: by the answer to a probe."""
        binding.last_seen = now
        binding.probing_since = None
        binding.disputed = False
        if binding.state is State.FROZEN:
            binding.probes_sent = 0
        if answered:
            binding.answered = True
            self._quarantine.release(binding.key, binding.anchor)
        # While all ports are probed, the anchor that answers may be the challenger itself.
        if binding.state is State.CHALLENGED and binding.challenger not in (None, binding.anchor):
            self.quarantine_challenger(now, binding, self.timers.settings.quarantine, defends=True)

    def _set_anchor(self, now: float, binding: Binding, to: NewAnchor) -> None:
        if binding.state is State.DEPARTED:
            anchor = NewAnchor(
                binding.anchor, binding.segment, binding.source, binding.rule, binding.physical_mac
            )
            binding.memory = Memory(anchor, binding.since, binding.last_seen)
        binding.disputed = False
        # A port that goes and returns does not make an inferred port certain.
        binding.port_inferred &= binding.anchor.mac == to.anchor.mac
        if to.physical_mac is not None or binding.anchor != to.anchor:
            binding.physical_mac = to.physical_mac
        self._table.set_anchor(binding, to.anchor)
        self._table.set_challenger(binding, None)
        binding.segment, binding.source, binding.rule = to.segment, to.source, to.rule
        binding.since = binding.last_seen = now
        binding.probing_since = None

    def _forget(self, now: float, binding: Binding, before: State | None, row: Transition) -> None:
        if before in WITH_ROUTE or before is None:
            self._emit(DesiredHost(binding.key, None))
        if before is not None:
            self._departed.discard(binding)
            self._unproved.state_changed(binding, None)
            self.timers.cancel(binding.key)
            self._table.remove(binding.key)
            self._quarantine.lose_incumbent(binding.key)
        self._emit_row(now, binding, row, None)

    def _heir(self, binding: Binding) -> NewAnchor | None:
        """Return the challenger that takes over when the port of the incumbent goes; None if there is none."""
        challenger = binding.challenger
        if challenger is None or binding.state not in WITH_ROUTE:
            return None
        if challenger.port == binding.anchor.port or challenger.port not in self._ports:
            return None
        return NewAnchor(challenger, binding.challenger_segment, binding.source, binding.rule)

    def _after_port_loss(
        self, now: float, binding: Binding, event: BindingEvent, heir: NewAnchor | None
    ) -> None:
        if heir is not None:
            self.apply(now, binding, BindingEvent.CHALLENGER_INHERITS, to=heir)
        elif binding.port_inferred and event is BindingEvent.PORT_GONE and not is_static(binding.rule):
            # The first frame with the MAC may have been forged, and the forger's link taken down. All ports are probed.
            self.timers.probe(now, binding)
        else:
            binding.port_inferred = False

    def _set_state(self, binding: Binding, state: State) -> None:
        before = binding.state
        self._table.set_state(binding, state)
        self._unproved.state_changed(binding, state)
        if state is State.DEPARTED:
            self._quarantine.lose_incumbent(binding.key)
        elif before is State.DEPARTED:
            self._departed.discard(binding)

    def _enter_state(self, now: float, binding: Binding, event: BindingEvent) -> None:
        """Start the timers of the state that a binding has entered with an event."""
        binding.state_since = now
        binding.probes_sent = 0
        binding.wait_until = now
        binding.unsent = None
        if binding.challenger is not None and binding.state is not State.CHALLENGED:
            self._table.set_challenger(binding, None)
        if binding.state is not State.TENTATIVE:
            binding.memory = None
        match binding.state:
            case State.TENTATIVE | State.PROBING:
                self.timers.restart_probes(now, binding, after_dad=event is BindingEvent.DAD)
            case State.VALID | State.FROZEN:
                self.timers.schedule_reprobe(binding)
            case State.CHALLENGED:
                self.timers.probe(now, binding)
            case State.ADOPTED:
                self.timers.schedule_adoption(binding)
            case State.STATIC:
                self.timers.cancel(binding.key)
            case State.DEPARTED:
                binding.refused = None
                dropped = self._departed.add(now, binding, silent=event not in _PORT_LOSSES)
                if dropped is not None:
                    self.apply(now, dropped, BindingEvent.RETENTION_OVER)

    def _begin_route(self, now: float, binding: Binding, row: Transition) -> None:
        if binding.state is State.ADOPTED:
            self._emit_host(binding)  # as it was found
        else:
            self.route_arrival(now, binding)
        if row.verb not in (Verb.INSTALLED, Verb.ADOPTED) and binding.refused is not Reason.DAMPED:
            self.emit_decision(now, binding, Verb.INSTALLED, row.reason)

    def _is_damped(self, binding: Binding) -> bool:
        return self.damped_until(binding) is not None

    def _emit_desired(self, now: float, binding: Binding) -> None:
        """Emit the host of a binding; none while its port is damped."""
        was_held = binding.refused is Reason.DAMPED
        if self._is_damped(binding):
            if not was_held:
                binding.refused = Reason.DAMPED
                self._emit(DesiredHost(binding.key, None))
                self.emit_decision(now, binding, Verb.HELD, Reason.DAMPED)
            return
        if was_held:
            binding.refused = None
        self._emit_host(binding)
        if was_held:
            self.emit_decision(now, binding, Verb.INSTALLED, Reason.DAMPED)

    def _emit_host(self, binding: Binding) -> None:
        key = binding.key
        mac = None if binding.anchor.mac == ZERO_MAC else binding.anchor.mac
        self._emit(DesiredHost(key, Host(key, binding.segment, mac, binding.metric)))

    def _emit_row(self, now: float, binding: Binding, row: Transition, challenger: Challenger | None) -> None:
        """Emit the decision of a row, if it has one; it names the binding's challenger, or `challenger`."""
        if row.verb is None:
            return
        if challenger is None and binding.challenger is not None:
            challenger = self.name_anchor(binding.challenger)
        port = self._ports.get(binding.anchor.port or 0)
        self._emit(
            Decision(
                now,
                row.verb,
                row.reason,
                binding.key.address,
                binding.anchor.mac,
                port.name if port else None,
                row.state,
                binding.rule.where if binding.rule else None,
                challenger,
            )
        )
