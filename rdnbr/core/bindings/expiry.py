"""Handles the timers of bindings that are due: probes that go on, silence, the end of a freeze, forgetting."""

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.departed import DepartedBindings
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.bindings.unproved_adoptions import UnprovedAdoptions
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import is_static
from rdnbr.core.policy.quarantine import Quarantine

AT_ONCE = 150
"""Timers handled in one call. After a stall all of them are due; the rest must not keep frames and routes waiting."""

RETRY = 60.0
"""Seconds after which a timer whose handling has failed expires again. Without it its binding would stay for ever."""


class Expiry:
    """Turns due timers into events."""

    def __init__(
        self,
        table: BindingTable,
        transitions: Transitions,
        departed: DepartedBindings,
        quarantine: Quarantine,
        unproved: UnprovedAdoptions,
    ) -> None:
        self._table = table
        self._transitions = transitions
        self._departed = departed
        self._timers = transitions.timers
        self._quarantine = quarantine
        self._unproved = unproved

    def expire_timers(self, now: float, *, unread: bool) -> None:
        """Handle up to `AT_ONCE` timers that are due; while frames are `unread`, no binding counts as silent."""
        for _ in range(AT_ONCE):
            due = self._timers.pop_due(now)
            if due is None:
                return
            key, late = due
            binding = self._table.get(key)
            assert binding is not None
            try:
                self._expire_binding(now, binding, answers_lost=late or unread)
            except Exception:
                self._timers.retry(key, now + RETRY)
                raise

    def _expire_binding(self, now: float, binding: Binding, *, answers_lost: bool) -> None:
        match binding.state:
            case State.DEPARTED if binding.port_inferred:
                self._probe_departed(now, binding)
                return
            case State.DEPARTED if binding.probed_on is not None:
                self._departed.probe(now, binding)
                return
            case State.DEPARTED:
                self._transitions.apply(now, binding, BindingEvent.RETENTION_OVER)
                return
            case State.FROZEN if now >= binding.frozen_until and is_static(binding.rule):
                self._transitions.apply(now, binding, BindingEvent.STATIC, reason=Reason.THAWED)
                return
            case State.FROZEN if now >= binding.frozen_until:
                self._transitions.apply(now, binding, BindingEvent.FREEZE_OVER)
                return
            case State.VALID | State.FROZEN if binding.probes_sent == 0:
                self._expire_quiet(now, binding)
                return
            case _:
                pass
        if answers_lost and binding.probes_sent:
            # The probe sequence starts again: an answer may be lost, or waiting to be read.
            binding.probes_sent = 0
            binding.probing_since = None
        self._unproved.resume(now, binding)
        if self._timers.all_probes_sent(binding):
            self._expire_silent(now, binding)
            return
        before = binding.probes_sent
        self._timers.probe(now, binding)
        if binding.probes_sent > before:
            self._unproved.probe_sent(now, binding)

    def _probe_departed(self, now: float, binding: Binding) -> None:
        """Go on probing all ports for a binding that was lost with a port that was only inferred."""
        if self._timers.all_probes_sent(binding):
            binding.port_inferred = False
            self._timers.schedule_forget(now, binding)
        else:
            self._timers.probe(now, binding)

    def _expire_quiet(self, now: float, binding: Binding) -> None:
        if not self._timers.is_quiet(now, binding):
            self._timers.schedule_reprobe(binding)
            return
        binding.cycle += 1
        if binding.state is State.FROZEN:
            self._timers.probe(now, binding)
        else:
            self._transitions.apply(now, binding, BindingEvent.DUE)

    def _expire_silent(self, now: float, binding: Binding) -> None:
        unproven = self._timers.settings.unproven
        if binding.state is State.CHALLENGED:
            self._transitions.quarantine_challenger(now, binding, unproven, defends=False)
            abandoned = self._timers.is_abandoned(now, binding)
            self._transitions.apply(
                now, binding, BindingEvent.ABANDONED if abandoned else BindingEvent.SILENCE
            )
            return
        if binding.disputed:
            binding.disputed = False
            self._timers.probe_again_later(now, binding)
            return
        returning = binding.memory is not None and binding.memory.anchor.anchor == binding.anchor
        if not binding.answered and not returning:
            for port in {anchor.port: None for anchor in (binding.anchor, binding.challenger) if anchor}:
                self._quarantine.add(now, binding.key, port, unproven)
        binding.port_inferred = False  # all ports were probed
        self._transitions.apply(now, binding, BindingEvent.SILENCE)
