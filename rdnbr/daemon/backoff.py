"""The kernel does not answer for now: netlink is busy, or file descriptors or memory have run out."""

from structlog.typing import FilteringBoundLogger

_FIRST_WAIT, _LAST_WAIT = 1.0, 30.0
"""Seconds until the kernel is asked again; doubles each time."""


class Setback:
    """Keeps the daemon from asking in every turn, and from telling of it each time."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._wait = 0.0
        self.until = 0.0
        """When to ask again."""

    def met(self, now: float, error: OSError) -> None:
        """Something could not be asked."""
        if not self._wait:
            self._log.error(
                "the kernel does not answer; everything is looked at again when it does",
                why=str(error),
                cure="see ulimit -n, free memory and journalctl -k",
            )
        self._wait = min(max(self._wait * 2, _FIRST_WAIT), _LAST_WAIT)
        self.until = now + self._wait

    def over(self) -> None:
        """All that was asked was answered."""
        if self._wait:
            self._log.info("the kernel answers again")
        self._wait = self.until = 0.0
