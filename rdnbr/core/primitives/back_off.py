"""An exponential back-off: what fails again and again is tried ever more seldom."""


class BackOff:
    """Plans the next try of one thing that may fail.

    The first failure is followed by a wait of `first` seconds. Each further failure doubles the wait, up to `last`
    seconds. A success ends the series.
    """

    __slots__ = ("_first", "_last", "_wait", "retry_at")

    def __init__(self, first: float, last: float) -> None:
        self._first = first
        self._last = last
        self._wait = 0.0
        self.retry_at: float | None = None
        """When to try again, on the clock of `now`. None while nothing has failed."""

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self.retry_at is not None

    def is_due(self, now: float) -> bool:
        """Return whether a try is permitted at `now`: nothing has failed, or the wait is over."""
        return self.retry_at is None or self.retry_at <= now

    def record_failure(self, now: float) -> float:
        """Plan the next try after a failure at `now`, and return the wait until then in seconds."""
        return self.hold_down(now, min(self._wait * 2, self._last) if self._wait else self._first)

    def hold_down(self, now: float, wait: float) -> float:
        """Permit no try for `wait` seconds, also without a failure. Return the wait, which a failure then doubles."""
        self._wait = wait
        self.retry_at = now + wait
        return wait

    def record_success(self) -> None:
        """Forget the failures: the next one is followed by the shortest wait again."""
        self._wait = 0.0
        self.retry_at = None
