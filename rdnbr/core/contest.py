"""Contests: two anchors claim one address, and perhaps it passes from one to the other.

The incumbent is asked before its rival, and who moves too often is frozen (rules 5 and 6 of `machine`). An address
whose rule says `vip` passes without a question, to whoever announces it.
"""

from rdnbr.core import schedule
from rdnbr.core.binding import Anchor, Binding
from rdnbr.core.claim import Source
from rdnbr.core.decision import Rival, State, Verb
from rdnbr.core.lifecycle import Lifecycle
from rdnbr.core.machine import WITH_ROUTE, Stimulus, Turn
from rdnbr.core.reason import Reason
from rdnbr.core.rule import Rule
from rdnbr.core.settings import Settings
from rdnbr.core.topology import Port

MOVES, MOVES_WINDOW = 5, 180.0
"""So many moves in so many seconds are too many (RFC 7432 §15.1)."""

LONGEST_FREEZE = 3600.0
"""Seconds; doubling ends here."""

FOLLOWED_APART = 1.0
"""Seconds between two moves of an address whose rule says `vip`."""


class Contests:
    """Who contends for what, and who gets it."""

    def __init__(self, settings: Settings, life: Lifecycle) -> None:
        self._life = life
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Freeze for as long as these settings say from now on."""
        self._freeze = settings.timers.freeze

    def contend(self, now: float, binding: Binding, rival: Anchor, segment: int) -> Turn:
        """Another anchor claims the address of a binding."""
        if binding.state is State.TENTATIVE and binding.rival is not None:
            return Turn(State.TENTATIVE, Verb.REFUSED, Reason.BEING_DECIDED)
        if binding.state not in (State.CHALLENGED, State.FROZEN):
            binding.rival, binding.rival_segment = rival, segment
            if binding.surmised:
                self._life.unplace(binding)
            # What its question waits for is the pace of its own port, not of the rival's.
            self._life.agenda.hurry(now, binding)
        return self._life.turn(now, binding, Stimulus.RIVAL)

    def awaits(self, binding: Binding, anchor: Anchor) -> bool:
        """Tell whether an answer of `anchor` would give it the address."""
        if binding.rival != anchor or binding.asked == 0:
            return False
        if binding.state is State.TENTATIVE:
            return True
        return binding.state is State.CHALLENGED and binding.asked > schedule.CHALLENGES

    def win(self, now: float, binding: Binding, source: Source, rule: Rule | None) -> Turn:
        """The rival answered where the incumbent was silent: the address is the rival's."""
        assert binding.rival is not None
        return self._hand_over(
            now, binding, binding.rival, binding.rival_segment, source, rule, Stimulus.RIVAL_ANSWER
        )

    def follow(
        self, now: float, binding: Binding, anchor: Anchor, segment: int, source: Source, rule: Rule
    ) -> Turn:
        """An address that fails over was announced by another anchor."""
        if binding.moves and now - binding.moves[-1] < FOLLOWED_APART:
            return Turn(binding.state, Verb.REFUSED, Reason.MOVED_TOO_OFTEN)
        if binding.state is State.FROZEN:
            return self._life.turn(now, binding, Stimulus.ANNOUNCEMENT)
        return self._hand_over(now, binding, anchor, segment, source, rule, Stimulus.ANNOUNCEMENT)

    def close(self, now: float, port: Port) -> None:
        """A port is gone: nobody on it contends for anything any more."""
        for binding in self._life.bindings:
            if binding.rival is not None and binding.rival.port == port.index:
                gone = Rival(binding.rival.mac, port.name)
                binding.rival = None
                if binding.state is State.CHALLENGED:
                    self._life.turn(now, binding, Stimulus.RIVAL_GONE, rival=gone)

    def _hand_over(
        self,
        now: float,
        binding: Binding,
        anchor: Anchor,
        segment: int,
        source: Source,
        rule: Rule | None,
        stimulus: Stimulus,
    ) -> Turn:
        routed = binding.state in WITH_ROUTE
        loser = self._life.named(binding.anchor)
        self._life.relocate(now, binding, anchor, segment)
        binding.source, binding.rule = source, rule
        binding.answered = stimulus is Stimulus.RIVAL_ANSWER
        came = self._life.turn(now, binding, stimulus, rival=loser)
        if routed:
            self._life.arrive(now, binding)
            self._count_move(now, binding, loser)
        if binding.state is State.VALID and not binding.answered:
            self._life.turn(now, binding, Stimulus.DUE)
        return came

    def _count_move(self, now: float, binding: Binding, loser: Rival) -> None:
        binding.moves = (*binding.moves, now)[-MOVES:]
        if len(binding.moves) == MOVES and now - binding.moves[0] <= MOVES_WINDOW:
            binding.frozen_until = now + min(self._freeze * 2**binding.freezes, LONGEST_FREEZE)
            binding.freezes += 1
            binding.moves = ()
            self._life.turn(now, binding, Stimulus.MOVES, rival=loser)
