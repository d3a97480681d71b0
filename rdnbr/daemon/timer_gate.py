"""When deadlines are judged."""

LONGEST = 2.0
"""Seconds without a judgement, while there is more to read than can be read."""


class TimerGate:
    """Deadlines wait until all that arrived was read, but not for ever.

    Ports that send within their rates can together send more than is read in time. Without a judgement no guest that
    is gone would be asked for, and none that has come be verified, for as long as they like.
    """

    def __init__(self, now: float) -> None:
        self._last = now

    def open(self, now: float, *, unread: bool) -> bool:
        """Tell whether deadlines are to be judged now, while there are `unread` frames or not; if so they were."""
        if unread and now - self._last < LONGEST:
            return False
        self._last = now
        return True
