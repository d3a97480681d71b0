"""Turns times of the daemon's monotonic clock into times of day."""

import time
from datetime import UTC, datetime

_SETTLED = 0.1
"""Seconds. If the offset between the two clocks changes by more, somebody has set the wall clock."""


class SinceBoot:
    """Turns a time of `time.monotonic` into a time of day, as the wall clock has it now.

    If the wall clock is set after boot, all times are right from then on, those of earlier events too. While nobody
    sets the wall clock, the same moment always gives the same time of day.
    """

    def __init__(self) -> None:
        self._boot = time.time() - time.monotonic()

    def __call__(self, at: float) -> datetime:
        """Return the time of day, in UTC, of `at` seconds."""
        boot = time.time() - time.monotonic()
        if abs(boot - self._boot) > _SETTLED:
            self._boot = boot
        return datetime.fromtimestamp(self._boot + at, UTC)
