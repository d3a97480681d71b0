"""Figures for `rdnbr metrics`: how long the turns of the loop take, and which decisions were made.

To record one costs a turn about a microsecond; nothing else is done unless somebody asks.
"""

from bisect import bisect_left
from collections import Counter

from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.reason import Reason

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the histogram of turns, in seconds. A turn that is longer counts in one more bucket."""

WINDOW = 60.0
"""Seconds. The longest turn is that of the last one to two windows: long enough for every interval of scraping."""


class TurnTimes:
    """The durations of turns: a histogram since the start, and the longest of late. Times are in seconds."""

    def __init__(self, now: float) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        """Turns by bucket, each turn in one."""
        self.total = 0.0
        self._longest = self._longest_before = 0.0
        self._window_ends = now + WINDOW

    def record(self, now: float, duration: float) -> None:
        """Record a turn that ends at `now`."""
        self.counts[bisect_left(BOUNDS, duration)] += 1
        self.total += duration
        if now >= self._window_ends:
            late = now >= self._window_ends + WINDOW
            self._longest_before, self._longest = 0.0 if late else self._longest, 0.0
            self._window_ends = now + WINDOW
        self._longest = max(self._longest, duration)

    @property
    def longest(self) -> float:
        """The longest turn of the last one to two minutes in which there were turns."""
        return max(self._longest, self._longest_before)


class Figures:
    """What the loop records of itself."""

    def __init__(self, now: float) -> None:
        self.turns = TurnTimes(now)
        self.decisions: Counter[tuple[Verb, Reason]] = Counter()

    def count_decision(self, decision: Decision, _frame: bytes | None) -> None:
        """Be an observer of all decisions."""
        self.decisions[decision.verb, decision.reason] += 1
