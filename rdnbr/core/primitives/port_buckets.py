"""A token bucket for each port.

A guest sets the carrier of its own port, so the port can go and return at any time. A bucket outlives its port, since a
guest would gain a new burst each time otherwise.
"""

from collections.abc import Iterator

from rdnbr.core.primitives.bounded_map import BoundedMap
from rdnbr.core.primitives.token_bucket import TokenBucket

MAX_GONE = 1024
"""Buckets of ports that are gone. Beyond that, the bucket of the port that went first is dropped; by then it is most
likely full again."""

PORT_SHARE = 0.25
"""The part of the rate of all probes that one port may use, so that claims on one port do not delay the probes of
other ports."""


class PortBuckets:
    """Token buckets by ifindex. The key None is for all adopted bindings whose port is not known yet."""

    def __init__(self) -> None:
        self._present: dict[int | None, TokenBucket] = {}
        self._gone: BoundedMap[int, TokenBucket] = BoundedMap(MAX_GONE)

    def bucket(self, port: int | None, rate: float, burst: float) -> TokenBucket:
        """Return the bucket of a port; a new and full one if it has none with this rate and burst."""
        bucket = self._present.get(port)
        if bucket is None and port is not None:
            bucket = self._gone.pop(port)
        if bucket is None or (bucket.rate, bucket.burst) != (rate, burst):
            bucket = TokenBucket(rate, burst)
        self._present[port] = bucket
        return bucket

    def probe_share(self, port: int | None, rate: float) -> TokenBucket:
        """Return the bucket for the probes that a port causes.

        Args:
            port: its ifindex; None stands for adopted bindings whose port is not known.
            rate: probes a second on all ports together.
        """
        return self.bucket(port, rate * PORT_SHARE, max(1.0, rate * PORT_SHARE))

    def port_gone(self, port: int) -> None:
        """Record that a port is gone. If it returns, it has the tokens it had left and those added since."""
        bucket = self._present.pop(port, None)
        if bucket is not None:
            self._gone.put(port, bucket)

    def __getitem__(self, port: int) -> TokenBucket:
        """Return the bucket of a port that has one.

        Raises:
            KeyError: the port has none.
        """
        return self._present[port]

    def __iter__(self) -> Iterator[int | None]:
        return iter(self._present)
