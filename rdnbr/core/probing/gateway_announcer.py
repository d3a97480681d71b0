"""Announces the gateway's MAC to guests.

A guest that arrives from another node has that node's MAC in its neighbour cache for the gateway. It would send to that
MAC until its neighbour unreachability detection has ended, which takes up to a minute. When a bridge changes its own
MAC, all guests of the bridge have the old MAC in their caches.

A guest has arrived when its MAC is first seen on a port, and again when the guest announces itself (RARP, gratuitous
ARP, unsolicited advertisement) some seconds later: the guest may have been on another node while its port stayed.
"""

from collections.abc import Mapping

from rdnbr.core.model.address import MAC
from rdnbr.core.model.claim import ANNOUNCEMENTS, Claim
from rdnbr.core.model.engine_outputs import Announcement, Emit
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.primitives.bounded_map import BoundedMap
from rdnbr.core.wire import arp, ndp

APART = 5.0
"""Seconds in which announcements belong to one arrival: QEMU sends five within one second (net/announce.c)."""

KNOWN = 64
"""MACs remembered for a port. The MAC that arrived longest ago is forgotten first, and arrives anew when it is seen."""

PORTS_AT_ONCE, BATCH_APART = 50, 0.1
"""When a bridge has changed its MAC, so many ports get the announcement, and after so many seconds the next ports."""


class GatewayAnnouncer:
    """Remembers the MACs that have arrived on each port, and announces the gateway to new ones."""

    def __init__(
        self, segments: Mapping[int, Segment], ports: Mapping[int, Port], limits: PortLimits, emit: Emit
    ) -> None:
        self._segments = segments
        self._ports = ports
        self._limits = limits
        self._emit = emit
        self._arrived: dict[int, BoundedMap[MAC, float]] = {}
        """When each MAC last arrived, by port."""
        self._pending: dict[int, None] = {}
        """Ports whose bridge has changed its MAC, and that have no announcement yet."""
        self._next_batch = 0.0

    def record_arrival(self, now: float, port: int, claim: Claim) -> bool:
        """Tell whether the sender of a frame has just arrived on a port (ifindex), and remember the arrival."""
        known = self._arrived.get(port)
        if known is None:
            known = self._arrived[port] = BoundedMap(KNOWN)
        arrived = known.get(claim.mac)
        if arrived is not None and (claim.source not in ANNOUNCEMENTS or now < arrived + APART):
            return False
        # A guest that uses another MAC in each frame would arrive without end.
        if not self._limits.take_announcement(now, port):
            return False
        known.put(claim.mac, now)
        return True

    def announce_to(self, port: Port, mac: MAC) -> None:
        """Announce the gateway to one guest, by unicast."""
        segment = self._segments[port.segment]
        if segment.gateway4 is not None:
            # A gratuitous reply: Linux accepts it at once. Any other reply does not replace an entry that is younger
            # than `locktime`, one second (net/ipv4/arp.c, arp_process and arp_is_garp).
            self._emit(Announcement(port.index, arp.gratuitous_reply(segment.mac, segment.gateway4, mac)))
        if segment.gateway6 is not None:
            self._emit(
                Announcement(port.index, ndp.router_announcement(segment.mac, segment.gateway6, to=mac))
            )

    def announce_to_all(self, segment: int) -> None:
        """Announce the gateway on all ports of a segment (ifindex), in batches."""
        self._pending |= {port.index: None for port in self._ports.values() if port.segment == segment}

    def expire_timers(self, now: float) -> None:
        """Send the next batch, if its time has come."""
        if not self._pending or now < self._next_batch:
            return
        self._next_batch = now + BATCH_APART
        for index in list(self._pending)[:PORTS_AT_ONCE]:
            del self._pending[index]
            self._announce(self._ports[index])

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return self._next_batch if self._pending else None

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex); a guest that returns to the port arrives anew."""
        self._arrived.pop(port, None)
        self._pending.pop(port, None)

    def _announce(self, port: Port) -> None:
        segment = self._segments[port.segment]
        if segment.gateway4 is not None:
            self._emit(Announcement(port.index, arp.announcement(segment.mac, segment.gateway4)))
        if segment.gateway6 is not None:
            self._emit(Announcement(port.index, ndp.router_announcement(segment.mac, segment.gateway6)))
