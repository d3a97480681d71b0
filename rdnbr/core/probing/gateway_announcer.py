"""Announces the gateway's MAC to guests.

A bridge may have several addresses, and each of them may be the gateway of some guests. All of them are announced.

A guest that arrives from another node has that node's MAC in its neighbour cache for the gateway. It would send to that
MAC until its neighbour unreachability detection has ended, which takes up to a minute. When a bridge changes its own
MAC, all guests of the bridge have the old MAC in their caches.

A guest has arrived when its MAC is first seen on a port, and again when the guest announces itself (RARP, gratuitous
ARP, unsolicited advertisement) some seconds later: the guest may have been on another node while its port stayed.
"""

from collections.abc import Mapping

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.claim import ANNOUNCEMENTS, Claim
from rdnbr.core.model.engine_outputs import Announcement, Emit
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.primitives.bounded_map import BoundedMap
from rdnbr.core.wire.announcement_frames import announcement_frame

APART = 5.0
"""Seconds in which announcements belong to one arrival: QEMU sends five within one second (net/announce.c)."""

KNOWN = 64
"""MACs remembered for a port. The MAC that arrived longest ago is forgotten first, and arrives anew when it is seen."""

MOST = 16
"""Addresses that are announced on one port at a time. The gateway addresses that probes are sent from come first."""

FRAMES_AT_ONCE, BATCH_APART = 100, 0.1
"""When a bridge has changed its MAC, about so many announcements are sent, and after so many seconds the next ones."""


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

    def is_known(self, port: int, mac: MAC) -> bool:
        """Tell whether a MAC has arrived on a port (ifindex)."""
        known = self._arrived.get(port)
        return known is not None and mac in known

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

    def announce(self, port: Port, to: MAC | None = None) -> int:
        """Announce the addresses of a port's segment to one guest, or to all on the port; return how many."""
        segment = self._segments[port.segment]
        addresses = list(_addresses(segment))[:MOST]
        for address in addresses:
            self._emit(Announcement(port.index, announcement_frame(segment, address, to)))
        return len(addresses)

    def announce_to_all(self, segment: int) -> None:
        """Announce the gateway on all ports of a segment (ifindex), in batches."""
        self._pending |= {port.index: None for port in self._ports.values() if port.segment == segment}

    def expire_timers(self, now: float) -> None:
        """Send the next batch, if its time has come."""
        if not self._pending or now < self._next_batch:
            return
        self._next_batch = now + BATCH_APART
        frames = 0
        while self._pending and frames < FRAMES_AT_ONCE:
            index = next(iter(self._pending))
            del self._pending[index]
            frames += self.announce(self._ports[index])

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return self._next_batch if self._pending else None

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex); a guest that returns to the port arrives anew."""
        self._arrived.pop(port, None)
        self._pending.pop(port, None)


def _addresses(segment: Segment) -> dict[IP, None]:
    """Return the addresses of a segment, each once, beginning with the sources of probes."""
    sources = (segment.gateway4, segment.gateway6)
    own = (entry.address for entry in segment.addresses)
    return dict.fromkeys([address for address in sources if address is not None] + list(own))
