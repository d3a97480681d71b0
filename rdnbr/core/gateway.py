"""Defends the gateway: a guest that claims its address has misled all who heard that, so they are told better."""

from collections.abc import Mapping

from rdnbr.core import arp, ndp
from rdnbr.core.address import IP
from rdnbr.core.decision import Announcement
from rdnbr.core.topology import Port, Segment

DEFEND_INTERVAL = 10.0
"""Seconds between two corrections (RFC 5227 §2.4): a guest must not make us flood its neighbours."""


class Defence:
    """Corrects what was said of a segment's gateway addresses."""

    def __init__(self, segments: Mapping[int, Segment], ports: Mapping[int, Port]) -> None:
        self._segments = segments
        self._ports = ports
        self._corrected: dict[tuple[int, IP], float] = {}

    def correct(self, now: float, index: int, address: IP) -> list[Announcement]:
        """Announce `address` on every port of a segment, if it is one of its gateways and the last time is past."""
        segment = self._segments[index]
        if address == segment.gateway4:
            frame = arp.announcement(segment.mac, address)
        elif address == segment.gateway6:
            frame = ndp.router_announcement(segment.mac, address)
        else:
            return []
        last = self._corrected.get((index, address))
        if last is not None and now < last + DEFEND_INTERVAL:
            return []
        self._corrected[index, address] = now
        # The frame goes out of each port by itself: the bridge would not flood what it did not forward.
        return [Announcement(port.index, frame) for port in self._ports.values() if port.segment == index]

    def forget(self, index: int) -> None:
        """A segment is gone."""
        self._corrected = {key: at for key, at in self._corrected.items() if key[0] != index}
