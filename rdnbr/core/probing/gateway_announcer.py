"""Tells guests where their gateway is.

A guest that arrives from another node holds that node's MAC for it, and would send into nowhere until its neighbour
unreachability detection has ended, which takes up to a minute. Those that are there hold a dead one when the bridge
changes its own.

A guest has arrived when its MAC is first heard on a port, and again when it announces itself (RARP, gratuitous ARP,
unsolicited advertisement) some seconds later: it may have been away, and its port left behind.
"""

from collections import OrderedDict
from collections.abc import Mapping

from rdnbr.core.model.address import MAC
from rdnbr.core.model.claim import ANNOUNCEMENTS, Claim
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Announcement
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.wire import arp, ndp

APART = 5.0
"""Seconds in which announcements belong to the same arrival: QEMU makes five within one (net/announce.c)."""

KNOWN = 64
"""MACs remembered of a port; the one that was told longest ago goes first, and is told once more when it speaks."""

PORTS_AT_ONCE, BATCH_APART = 50, 0.1
"""So many ports are told of another MAC of their bridge, and then that many seconds nobody is."""


class GatewayAnnouncer:
    """Knows who was told, and tells those who were not."""

    def __init__(
        self, segments: Mapping[int, Segment], ports: Mapping[int, Port], limits: PortLimits
    ) -> None:
        self._segments = segments
        self._ports = ports
        self._limits = limits
        self._told: dict[int, OrderedDict[MAC, float]] = {}
        self._to_tell: dict[int, None] = {}
        """Ports whose bridge has changed its MAC."""
        self._next_batch = 0.0

    def record_arrival(self, now: float, port: int, claim: Claim) -> bool:
        """Tell whether the sender of a frame has just arrived on a port, and take note of that."""
        known = self._told.get(port)
        if known is None:
            known = self._told[port] = OrderedDict()
        told = known.get(claim.mac)
        if told is not None and (claim.source not in ANNOUNCEMENTS or now < told + APART):
            return False
        # With another MAC in each frame a guest arrives without end.
        if not self._limits.take_announcement(now, port):
            return False
        known.pop(claim.mac, None)
        known[claim.mac] = now
        if len(known) > KNOWN:
            known.popitem(last=False)
        return True

    def announce_to(self, port: Port, mac: MAC) -> list[Announcement]:
        """Tell one guest, by unicast: nobody else needs to hear of it."""
        segment = self._segments[port.segment]
        frames = []
        if segment.gateway4 is not None:
            # Gratuitous, and a reply: Linux believes that at once, whereas any other reply does not displace an entry
            # that is younger than its `locktime`, a second (net/ipv4/arp.c, arp_process and arp_is_garp).
            frames.append(arp.gratuitous_reply(segment.mac, segment.gateway4, mac))
        if segment.gateway6 is not None:
            frames.append(ndp.router_announcement(segment.mac, segment.gateway6, to=mac))
        return [Announcement(port.index, frame) for frame in frames]

    def announce_to_all(self, segment: int) -> None:
        """A bridge has another MAC now; its guests are told in batches."""
        self._to_tell |= {port.index: None for port in self._ports.values() if port.segment == segment}

    def expire(self, now: float) -> list[Announcement]:
        """Tell the next batch, if it is time to."""
        if not self._to_tell or now < self._next_batch:
            return []
        self._next_batch = now + BATCH_APART
        batch = list(self._to_tell)[:PORTS_AT_ONCE]
        for index in batch:
            del self._to_tell[index]
        return [announcement for index in batch for announcement in self._announce(self._ports[index])]

    def next_deadline(self) -> float | None:
        """Tell when `judge` is wanted next."""
        return self._next_batch if self._to_tell else None

    def port_gone(self, port: int) -> None:
        """A port is gone; who returns to it arrives again."""
        self._told.pop(port, None)
        self._to_tell.pop(port, None)

    def _announce(self, port: Port) -> list[Announcement]:
        segment = self._segments[port.segment]
        frames = []
        if segment.gateway4 is not None:
            frames.append(arp.announcement(segment.mac, segment.gateway4))
        if segment.gateway6 is not None:
            frames.append(ndp.router_announcement(segment.mac, segment.gateway6))
        return [Announcement(port.index, frame) for frame in frames]
