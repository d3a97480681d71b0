"""Conflicts: two anchors claim one address, and the address may pass from one to the other.

The incumbent is probed before its challenger (rule 5 of `state_machine`). An address whose rule says `vip` passes
without a probe to the anchor that announces it.
"""

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.move_limit import MoveLimit
from rdnbr.core.bindings.state_machine import BindingEvent, Transition
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.binding import Anchor, Binding, NewAnchor
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.engine_outputs import Challenger
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.settings import Settings
from rdnbr.core.probing import intervals


class Conflicts:
    """Decides which of two anchors gets an address."""

    def __init__(self, settings: Settings, table: BindingTable, transitions: Transitions) -> None:
        self._table = table
        self._transitions = transitions
        self._move_limit = MoveLimit(settings)

    def configure(self, settings: Settings) -> None:
        """Use other settings for the next freeze."""
        self._move_limit.configure(settings)

    def challenge(self, now: float, binding: Binding, challenger: Anchor, segment: int) -> Transition:
        """Let another anchor, on `segment` (ifindex), claim the address of a binding."""
        if binding.state is State.CHALLENGED or (
            binding.state is State.TENTATIVE and binding.challenger is not None
        ):
            return self._transitions.apply(now, binding, BindingEvent.THIRD_CLAIM)
        if binding.state not in (State.FROZEN, State.STATIC):
            self._table.set_challenger(binding, challenger, segment)
            if binding.port_inferred:
                self._transitions.forget_port(binding)
            # The wait of its probe was for the tokens of its own port; the tokens of the challenger's port count now.
            self._transitions.timers.end_wait(now, binding)
        return self._transitions.apply(now, binding, BindingEvent.CHALLENGER_CLAIM)

    def is_awaited(self, binding: Binding, anchor: Anchor) -> bool:
        """Tell whether an answer of `anchor` gives it the address."""
        if binding.challenger != anchor or binding.probes_sent == 0:
            return False
        if binding.state is State.TENTATIVE:
            return True
        return binding.state is State.CHALLENGED and binding.probes_sent > intervals.CHALLENGE_PROBES

    def hand_over(self, now: float, binding: Binding, event: BindingEvent, to: NewAnchor) -> Transition:
        """Pass an address to another anchor, which answered (CHALLENGER_ANSWER) or announced it (ANNOUNCEMENT)."""
        if binding.state is State.FROZEN:
            return self._transitions.apply(now, binding, event)
        had_route = binding.state in WITH_ROUTE
        loser = self._transitions.name_anchor(binding.anchor)
        row = self._transitions.apply(now, binding, event, to=to)
        if had_route:
            self._transitions.route_arrival(now, binding)
            if self._move_limit.count_move(now, binding):
                self._transitions.apply(now, binding, BindingEvent.MOVED_TOO_OFTEN, challenger=loser)
        if binding.state is State.VALID and not binding.answered:
            self._transitions.apply(now, binding, BindingEvent.DUE)
        return row

    def port_gone(self, now: float, port: Port) -> None:
        """End the conflicts whose challenger is on a port that is gone."""
        for binding in self._table.challenged_from(port.index):
            assert binding.challenger is not None
            gone = Challenger(binding.challenger.mac, port.name)
            self._table.set_challenger(binding, None)
            if binding.state is State.CHALLENGED:
                self._transitions.apply(now, binding, BindingEvent.CHALLENGER_GONE, challenger=gone)
