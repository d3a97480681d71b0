"""Asks the guests of a segment that was not served before which multicast groups they listen to (RFC 3810 §5.1).

A guest that is there, says nothing, and has no entry in the kernel's tables cannot be probed: neither its MAC nor its
address is known. Every host that has IPv6 answers a general query with a report, within the time that the query says.
The report shows its MAC and its port (`signs_of_life`). Nothing else depends on it.
"""

from collections.abc import Mapping

from rdnbr.core.model.engine_outputs import Announcement, Emit
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.wire import presence

PORTS_AT_ONCE, BATCH_APART = 5, 0.1
"""So many ports get the query at a time, and after so many seconds the next ones: a bridge floods each report."""


class ListenerQuerier:
    """The ports that are still to be asked."""

    def __init__(self, segments: Mapping[int, Segment], ports: Mapping[int, Port], emit: Emit) -> None:
        self._segments = segments
        self._ports = ports
        self._emit = emit
        self._pending: dict[int, None] = {}
        self._next_batch = 0.0

    def start(self, segment: int) -> None:
        """Ask on all ports of a segment (ifindex), in batches."""
        self._pending |= {port.index: None for port in self._ports.values() if port.segment == segment}

    def expire_timers(self, now: float) -> None:
        """Ask on the next ports, if their time has come."""
        if not self._pending or now < self._next_batch:
            return
        self._next_batch = now + BATCH_APART
        for index in list(self._pending)[:PORTS_AT_ONCE]:
            del self._pending[index]
            segment = self._segments[self._ports[index].segment]
            if segment.gateway6 is not None:
                self._emit(Announcement(index, presence.listener_query(segment.mac, segment.gateway6)))

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return self._next_batch if self._pending else None

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex)."""
        self._pending.pop(port, None)
