"""A token bucket."""

_MIN_RETRY = 0.001
"""Seconds. The shortest delay until a retry. A rounding error can leave less than 1e-18 tokens missing, and
`now + 1e-18 == now`: with that delay the caller would retry at the same time for ever."""

_ROUNDING = 0.001
"""Tokens that may be missing because of rounding errors, so that a caller at its reserved time is not refused."""


class TokenBucket:
    """Permits `rate` events a second, and up to `burst` events at once after an idle time.

    All times are seconds on one monotonic clock.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None
        self._last_reserved = 0.0
        """The latest time that `reserve_retry` has given to a caller."""

    def has(self, now: float, count: int = 1) -> bool:
        """Return whether the bucket holds `count` tokens at `now`."""
        if self._at is not None and now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now if self._at is None else max(now, self._at)
        if self._tokens >= self.burst:
            self._last_reserved = now  # a full bucket: no caller is waiting any more
        return self._tokens >= count - _ROUNDING

    def consume(self, now: float, count: int = 1) -> bool:
        """Remove `count` tokens if the bucket holds so many, else none; return whether they were removed."""
        if not self.has(now, count):
            return False
        self._tokens -= count
        return True

    def reserve_retry(self, now: float, count: int = 1) -> float:
        """Return the seconds until the caller may retry for `count` tokens; at least 1 ms.

        Each call reserves a time of its own. If thousands of callers retried at the time of the next token, all but
        one of them would be refused again, and the retries would keep the node busy.
        """
        soonest = now + (count - self._tokens) / self.rate
        self._last_reserved = max(soonest, self._last_reserved + count / self.rate)
        return max(_MIN_RETRY, self._last_reserved - now)
