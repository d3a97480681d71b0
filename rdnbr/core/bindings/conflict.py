"""Contests: two anchors claim one address, and perhaps it passes from one to the other.

The incumbent is asked before its rival, and who moves too often is frozen (rules 5 and 6 of `machine`). An address
whose rule says `vip` passes without a question, to whoever announces it.
"""

from rdnbr.core.bindings.state_machine import BindingEvent, Transition
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.outputs import Challenger, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule
from rdnbr.core.model.settings import Settings
from rdnbr.core.probing import intervals

MOVES, MOVES_WINDOW = 5, 180.0
"""So many moves in so many seconds are too many (RFC 7432 §15.1)."""

LONGEST_FREEZE = 3600.0
"""Seconds; doubling ends here."""

FOLLOWED_APART = 1.0
"""Seconds between two moves of an address whose rule says `vip`."""


class Conflicts:
    """Who contends for what, and who gets it."""

    def __init__(self, settings: Settings, life: Transitions) -> None:
        self._transitions = life
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Freeze for as long as these settings say from now on."""
        self._freeze = settings.timers.freeze

    def challenge(self, now: float, binding: Binding, challenger: Anchor, segment: int) -> Transition:
        """Another anchor claims the address of a binding."""
        if binding.state is State.TENTATIVE and binding.challenger is not None:
            return Transition(State.TENTATIVE, Verb.REFUSED, Reason.BEING_DECIDED)
        if binding.state not in (State.CHALLENGED, State.FROZEN):
            binding.challenger, binding.challenger_segment = challenger, segment
            if binding.port_inferred:
                self._transitions.forget_port(binding)
            # What its question waits for is the pace of its own port, not of the rival's.
            self._transitions.timers.end_wait(now, binding)
        return self._transitions.apply(now, binding, BindingEvent.CHALLENGER_CLAIM)

    def is_awaited(self, binding: Binding, anchor: Anchor) -> bool:
        """Tell whether an answer of `anchor` would give it the address."""
        if binding.challenger != anchor or binding.probes_sent == 0:
            return False
        if binding.state is State.TENTATIVE:
            return True
        return binding.state is State.CHALLENGED and binding.probes_sent > intervals.CHALLENGES

    def challenger_wins(self, now: float, binding: Binding, source: Source, rule: Rule | None) -> Transition:
        """The rival answered where the incumbent was silent: the address is the rival's."""
        assert binding.challenger is not None
        return self._hand_over(
            now,
            binding,
            binding.challenger,
            binding.challenger_segment,
            source,
            rule,
            BindingEvent.CHALLENGER_ANSWER,
        )

    def move_announced(
        self, now: float, binding: Binding, anchor: Anchor, segment: int, source: Source, rule: Rule
    ) -> Transition:
        """An address that fails over was announced by another anchor."""
        if binding.moves and now - binding.moves[-1] < FOLLOWED_APART:
            return Transition(binding.state, Verb.REFUSED, Reason.MOVED_TOO_OFTEN)
        if binding.state is State.FROZEN:
            return self._transitions.apply(now, binding, BindingEvent.ANNOUNCEMENT)
        return self._hand_over(now, binding, anchor, segment, source, rule, BindingEvent.ANNOUNCEMENT)

    def port_gone(self, now: float, port: Port) -> None:
        """A port is gone: nobody on it contends for anything any more."""
        for binding in self._transitions.bindings:
            if binding.challenger is not None and binding.challenger.port == port.index:
                gone = Challenger(binding.challenger.mac, port.name)
                binding.challenger = None
                if binding.state is State.CHALLENGED:
                    self._transitions.apply(now, binding, BindingEvent.CHALLENGER_GONE, challenger=gone)

    def _hand_over(
        self,
        now: float,
        binding: Binding,
        anchor: Anchor,
        segment: int,
        source: Source,
        rule: Rule | None,
        stimulus: BindingEvent,
    ) -> Transition:
        routed = binding.state in WITH_ROUTE
        loser = self._transitions.name_anchor(binding.anchor)
        self._transitions.relocate(now, binding, anchor, segment)
        binding.source, binding.rule = source, rule
        binding.answered = stimulus is BindingEvent.CHALLENGER_ANSWER
        came = self._transitions.apply(now, binding, stimulus, challenger=loser)
        if routed:
            self._transitions.route_arrival(now, binding)
            self._count_move(now, binding, loser)
        if binding.state is State.VALID and not binding.answered:
            self._transitions.apply(now, binding, BindingEvent.DUE)
        return came

    def _count_move(self, now: float, binding: Binding, loser: Challenger) -> None:
        binding.moves = (*binding.moves, now)[-MOVES:]
        if len(binding.moves) == MOVES and now - binding.moves[0] <= MOVES_WINDOW:
            binding.frozen_until = now + min(self._freeze * 2**binding.freezes, LONGEST_FREEZE)
            binding.freezes += 1
            binding.moves = ()
            self._transitions.apply(now, binding, BindingEvent.MOVES, challenger=loser)
