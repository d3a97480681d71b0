"""A pace for each port, which outlives the port: a guest sets its own carrier, and must gain no burst by it."""

from collections import OrderedDict
from collections.abc import Iterator

from rdnbr.core.primitives.token_bucket import TokenBucket

REMEMBERED = 1024
"""Paces of ports that are gone; the one whose port went first goes first. By then it is most likely full again."""

PORT_SHARE = 0.25
"""Part of a pace of questions that one port may take up: whatever is claimed there delays nobody elsewhere."""


class PortBuckets:
    """Paces by ifindex; None is for all adopted bindings whose port is not known yet."""

    def __init__(self) -> None:
        self._there: dict[int | None, TokenBucket] = {}
        self._gone: OrderedDict[int, TokenBucket] = OrderedDict()

    def bucket(self, port: int | None, rate: float, burst: float) -> TokenBucket:
        """Return the pace of a port; a new one if it has none yet, or has one of another rate or burst."""
        pace = self._there.get(port)
        if pace is None and port is not None:
            pace = self._gone.pop(port, None)
        if pace is None or (pace.rate, pace.burst) != (rate, burst):
            pace = TokenBucket(rate, burst)
        self._there[port] = pace
        return pace

    def probe_share(self, port: int | None, rate: float) -> TokenBucket:
        """Return a port's pace of questions, of which `rate` may be put a second on all ports together."""
        return self.bucket(port, rate * PORT_SHARE, max(1.0, rate * PORT_SHARE))

    def port_gone(self, port: int) -> None:
        """A port is gone; should it return, it has what it had left, and what it gained since."""
        pace = self._there.pop(port, None)
        if pace is None:
            return
        self._gone[port] = pace
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def __getitem__(self, port: int) -> TokenBucket:
        """Return the pace of a port that has one."""
        return self._there[port]

    def __iter__(self) -> Iterator[int | None]:
        return iter(self._there)
