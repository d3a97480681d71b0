"""A token bucket."""

_SHORTEST = 0.001
"""Seconds. A rounding error short of a token would else be waited for without end: `now + 1e-18 == now`."""

_NEARLY = 0.001
"""Tokens. Who comes in time for a token is not sent away again for a rounding error."""


class TokenBucket:
    """Lets `rate` things a second pass, and `burst` at once after a rest."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None
        self._last_turn = 0.0
        """When the last of those who wait has its turn."""

    def has(self, now: float, count: int = 1) -> bool:
        """Tell whether `count` are there."""
        if self._at is not None and now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now if self._at is None else max(now, self._at)
        if self._tokens >= self.burst:
            self._last_turn = now  # it had a rest: nobody waits any more
        return self._tokens >= count - _NEARLY

    def take(self, now: float, count: int = 1) -> bool:
        """Take `count` if so many are there, else none."""
        if not self.has(now, count):
            return False
        self._tokens -= count
        return True

    def wait(self, now: float, count: int = 1) -> float:
        """Tell in how many seconds to come back for `count`, enough that a clock moves on in spite of rounding.

        Each who asks has a turn of its own: thousands who all came back for the next one would keep the node busy.
        """
        soonest = now + (count - self._tokens) / self.rate
        self._last_turn = max(soonest, self._last_turn + count / self.rate)
        return max(_SHORTEST, self._last_turn - now)
