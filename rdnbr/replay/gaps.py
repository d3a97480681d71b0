"""Long gaps between two captured frames.

Merged captures, and captures whose clock was wrong, have gaps of years. A quiet binding is probed every half minute, so
a year of nothing but probes and answers is a million rounds that change nothing. Once all bindings are at rest, the
clock of the replay jumps to shortly before the next frame, as if the daemon had been stopped meanwhile. A process that
was stopped withdraws no binding: all probe sequences start again (rule 4 of `state_machine`).
"""

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.binding_state import State

LONG = 600.0
"""Seconds. In a gap that is not longer, the clock does not jump."""
AT_LEAST = 60.0
"""Seconds of a long gap before the clock jumps, and as many after the jump: every binding is probed in both."""
AT_MOST = 7200.0
"""Seconds of a long gap after which the clock jumps, at rest or not: longer than any freeze and any hold-down."""


class Gap:
    """The time between two frames, as far as the clock has to run through it."""

    def __init__(self, start: float, end: float, engine: Engine) -> None:
        """Begin a gap; `start` and `end` are seconds on the clock of the replay."""
        self._start, self._resume = start, end - AT_LEAST
        self._next_check = start + AT_LEAST if end - start > LONG else end
        self._engine = engine
        self.skipped = 0.0
        """Seconds that the clock has jumped."""

    def advance(self, at: float) -> float:
        """Return when a timer that is due at `at` is handled: at that time, or after the jump."""
        if at < self._next_check or at >= self._resume:
            return at
        self._next_check = at + AT_LEAST
        if at < self._start + AT_MOST and not self._is_at_rest():
            return at
        self.skipped = self._resume - at
        return self._resume

    def _is_at_rest(self) -> bool:
        return all(binding.state in (State.VALID, State.STATIC) for binding in self._engine.snapshot())
