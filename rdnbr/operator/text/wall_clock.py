"""The time of day of what the daemon, whose own clock only counts seconds, has seen."""

import time
from datetime import UTC, datetime

_SETTLED = 0.1
"""Seconds by which the two clocks may drift apart unnoticed."""


class SinceBoot:
    """Turns a time of `time.monotonic` into a time of day, as the wall clock has it now.

    A node whose clock is set after boot shows right times from then on, also for what came before. As long as
    nobody sets it, the same moment is shown alike each time.
    """

    def __init__(self) -> None:
        self._boot = time.time() - time.monotonic()

    def __call__(self, at: float) -> datetime:
        """Return the time of day, in UTC, of `at` seconds."""
        boot = time.time() - time.monotonic()
        if abs(boot - self._boot) > _SETTLED:
            self._boot = boot
        return datetime.fromtimestamp(self._boot + at, UTC)
