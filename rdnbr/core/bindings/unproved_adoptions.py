"""What the next run has to know of adopted bindings, should this run end before their guests have shown themselves.

Without that a daemon that is killed again and again would begin the grace anew at each start, and route a guest that
left for ever. So the grace and the probe sequence go on in the next run where they stopped.

1. A note begins with the adoption, and ends when the binding has been proved, or has lost its route.
2. An unanswered probe counts once this run has waited for the answer: `probe_retrans` seconds, and without a stall.
3. In the next run a probe comes before the verdict, whatever the note says. So a note that is wrong, or that somebody
   forged, withdraws no route of a guest that answers.
"""

from collections import deque

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Emit, NoteForNextRun
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.probing.timers import LATE, BindingTimers

_UNPROVED = frozenset({State.ADOPTED, State.CHALLENGED, State.PROBING})
"""States of a binding that was adopted and has shown nothing. It passes through VALID before any other state that has
a route, except for STATIC, which needs no proof."""


class UnprovedAdoptions:
    """The notes of the adopted bindings that are not proved yet."""

    def __init__(self, table: BindingTable, timers: BindingTimers, emit: Emit) -> None:
        self._table = table
        self._timers = timers
        self._emit = emit
        self._noted: dict[Key, None] = {}
        self._to_resume: dict[Key, AdoptionNote] = {}
        """Notes of an earlier run whose probe sequence was not resumed yet."""
        self._listening: deque[tuple[float, Key, int]] = deque()
        """When a probe has been listened for long enough, its key, and how many probes of the sequence were sent."""

    def begin(self, now: float, binding: Binding, earlier: AdoptionNote | None) -> None:
        """Note a binding that was adopted, and probe it soon if an earlier run has probed it already."""
        if binding.state is not State.ADOPTED:
            return
        self._noted[binding.key] = None
        if earlier is not None and earlier.probes_sent:
            self._to_resume[binding.key] = earlier
            self._timers.probe_adopted_by(now, binding)
            self._emit(NoteForNextRun(binding.key, earlier))
        else:
            self._emit_note(binding)

    def resume(self, now: float, binding: Binding) -> None:
        """Let the next probe of a binding be the one that would have come next in the earlier run."""
        earlier = self._to_resume.pop(binding.key, None)
        if earlier is not None and earlier.probing_since is not None and binding.state is State.ADOPTED:
            self._timers.resume_probes(now, binding, earlier.probes_sent, earlier.probing_since)

    def probe_sent(self, now: float, binding: Binding) -> None:
        """Note the latest probe of a binding once it has been listened for."""
        if binding.state is State.ADOPTED and binding.key in self._noted:
            at = now + self._timers.settings.probe_retrans
            self._listening.append((at, binding.key, binding.probes_sent))

    def state_changed(self, binding: Binding, state: State | None) -> None:
        """Handle that a binding is in another state now; None: it is forgotten."""
        if state not in _UNPROVED and binding.key in self._noted:
            del self._noted[binding.key]
            self._to_resume.pop(binding.key, None)
            self._emit(NoteForNextRun(binding.key, None))

    def expire_timers(self, now: float, *, unread: bool) -> None:
        """Note the probes that have been listened for; with frames `unread`, their answers may be among these."""
        while self._listening and self._listening[0][0] <= now:
            at, key, probes_sent = self._listening.popleft()
            binding = self._table.get(key)
            if (
                binding is not None
                and binding.state is State.ADOPTED
                and binding.probes_sent == probes_sent
                and key in self._noted
                and not unread
                and now - at <= LATE
            ):
                self._emit_note(binding)

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return self._listening[0][0] if self._listening else None

    def _emit_note(self, binding: Binding) -> None:
        key, mac, since = binding.key, binding.anchor.mac, binding.since
        note = AdoptionNote(key, mac, since, binding.probes_sent, binding.probing_since)
        self._emit(NoteForNextRun(key, note))
