"""A token bucket."""

_SHORTEST = 0.001
"""Seconds. A rounding error short of a token would else be waited for without end: `now + 1e-18 == now`."""


class Pace:
    """Lets `rate` things a second pass, and `burst` at once after a rest."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float, count: int = 1) -> bool:
        """Take `count` if so many are there, else none."""
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now if self._at is None else max(now, self._at)
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    @property
    def wait(self) -> float:
        """Seconds until the next one is there; enough of them that a clock moves on in spite of rounding."""
        return max(_SHORTEST, (1 - self._tokens) / self._rate)
