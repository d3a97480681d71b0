"""When the loop may expire timers although frames are unread."""

LONGEST = 2.0
"""Seconds that timers wait at most, while more frames arrive than the loop reads."""


class TimerGate:
    """Keeps timers waiting until all frames that have arrived are read, but not for ever.

    Ports that send within their rates can together send more frames than the loop reads. If timers waited for all of
    them, no silent guest would be probed and no new guest be verified for as long as these ports send.
    """

    def __init__(self, now: float) -> None:
        self._last = now

    def open(self, now: float, *, unread: bool) -> bool:
        """Return whether timers may expire at `now`, where `unread` frames wait or not."""
        return not unread or now - self._last >= LONGEST

    def restart_wait(self, now: float) -> None:
        """Start the wait anew: no timer is due at `now` any more."""
        self._last = now
