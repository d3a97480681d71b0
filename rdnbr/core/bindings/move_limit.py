"""The limit of moves: a binding that moves too often is frozen (rule 6 of `state_machine`).

RFC 7432 §15.1 calls this duplicate MAC detection: so many moves in so many seconds are no mobility but a conflict.
"""

from rdnbr.core.model.binding import Binding
from rdnbr.core.model.settings import Settings

MOVES, MOVES_WINDOW = 5, 180.0
"""A binding that moves this often in this many seconds is frozen."""

LONGEST_FREEZE = 3600.0
"""Seconds; doubling ends here."""

VIP_MOVES_APART = 1.0
"""Seconds between two moves of an address whose rule says `vip`."""


class MoveLimit:
    """Counts the moves of bindings."""

    def __init__(self, settings: Settings) -> None:
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Use another length for the next freeze."""
        self._freeze = settings.timers.freeze

    def count_move(self, now: float, binding: Binding) -> bool:
        """Count a move; return whether the binding has moved too often, and set how long it is frozen then."""
        binding.moves = (*binding.moves, now)[-MOVES:]
        if len(binding.moves) < MOVES or now - binding.moves[0] > MOVES_WINDOW:
            return False
        binding.frozen_until = now + min(self._freeze * 2**binding.freezes, LONGEST_FREEZE)
        binding.freezes += 1
        binding.moves = ()
        return True


def moved_just_now(now: float, binding: Binding) -> bool:
    """Tell whether the address of a `vip` rule has moved so recently that another announcement is refused."""
    return bool(binding.moves) and now - binding.moves[-1] < VIP_MOVES_APART
