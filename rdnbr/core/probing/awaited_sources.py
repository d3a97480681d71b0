"""Awaited sources: guests that answer no probe, and may still send IP packets from their address (RFC 6620 §3.2.2).

A guest whose filter drops ARP requests or neighbour solicitations uses its address for as long as it sends packets.
Before such a guest counts as silent, one packet from its address on its own port is awaited, from one probe to the
next. The port's filter lets through the packets of awaited sources alone, and one packet ends the wait: a guest that
answers its probes costs nothing, and one that sends a million packets costs one of them for each probe.
"""

from itertools import islice

from rdnbr.core.model.address import IP
from rdnbr.core.primitives.timer_queue import TimerQueue

AT_ONCE = 8
"""Sources in the filter of a port. Further ones wait until one of these was seen, or its wait is over."""


class AwaitedSources:
    """The awaited sources of all ports, in the order in which they began to be awaited."""

    def __init__(self) -> None:
        self._sources: dict[int, dict[IP, None]] = {}
        self._ends: TimerQueue[tuple[int, IP]] = TimerQueue()

    def on_port(self, port: int) -> tuple[IP, ...]:
        """Return the sources that the filter of a port (ifindex) lets through."""
        return tuple(islice(self._sources.get(port, ()), AT_ONCE))

    def add(self, port: int, source: IP, until: float) -> None:
        """Await a source on a port (ifindex), or await it for longer."""
        self._sources.setdefault(port, {})[source] = None
        self._ends.set((port, source), until)

    def discard(self, port: int, source: IP) -> bool:
        """Await a source on a port no more; tell whether it was awaited."""
        found = self._sources.get(port, {})
        if source not in found:
            return False
        del found[source]
        if not found:
            del self._sources[port]
        self._ends.discard((port, source))
        return True

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex)."""
        for source in list(self._sources.get(port, ())):
            self.discard(port, source)

    def end_waits(self, now: float) -> set[int]:
        """End the waits that are over, and return the ports whose filter has to change."""
        ports: set[int] = set()
        while (due := self._ends.pop(now)) is not None:
            port, source = due[1]
            if source in self.on_port(port):
                ports.add(port)
            self.discard(port, source)
        return ports

    def next_deadline(self) -> float | None:
        """Return when the next wait is over; None: nothing is awaited."""
        return self._ends.next_deadline()
