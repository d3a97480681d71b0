"""Defends the gateway: a guest that claims its address has misled all who heard that, so they are told better."""

from collections.abc import Mapping

from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Announcement
from rdnbr.core.wire import arp, ndp

DEFEND_INTERVAL = 10.0
"""Seconds between two corrections (RFC 5227 §2.4): a guest must not make us flood its neighbours."""


class GatewayDefence:
    """Corrects what was said of a segment's gateway addresses, and once more when it went on being said."""

    def __init__(self, segments: Mapping[int, Segment], ports: Mapping[int, Port]) -> None:
        self._segments = segments
        self._ports = ports
        self._corrected: dict[tuple[int, IP], float] = {}
        """When each gateway was last announced."""
        self._claimed_since: dict[tuple[int, IP], float] = {}
        """Gateways claimed again after that, and when to announce them."""

    def defend(self, now: float, index: int, address: IP) -> list[Announcement]:
        """Announce `address` on every port of a segment, if it is one of its gateways: now, or as soon as may be."""
        segment = self._segments[index]
        if address not in (segment.gateway4, segment.gateway6):
            return []
        last = self._corrected.get((index, address))
        if last is not None and now < last + DEFEND_INTERVAL:
            # The guests that heard this one after our correction would believe it for good.
            self._claimed_since[index, address] = last + DEFEND_INTERVAL
            return []
        return self._announce(now, index, address)

    def expire(self, now: float) -> list[Announcement]:
        """Make the corrections that are due."""
        due = [key for key, at in self._claimed_since.items() if at <= now]
        return [announcement for key in due for announcement in self._announce(now, *key)]

    def next_deadline(self) -> float | None:
        """Tell when `judge` is wanted next."""
        return min(self._claimed_since.values(), default=None)

    def segment_gone(self, index: int) -> None:
        """A segment is gone."""
        self._corrected = {key: at for key, at in self._corrected.items() if key[0] != index}
        self._claimed_since = {key: at for key, at in self._claimed_since.items() if key[0] != index}

    def _announce(self, now: float, index: int, address: IP) -> list[Announcement]:
        self._corrected[index, address] = now
        self._claimed_since.pop((index, address), None)
        segment = self._segments[index]
        if address == segment.gateway4:
            frame = arp.announcement(segment.mac, address)
        elif address == segment.gateway6:
            frame = ndp.router_announcement(segment.mac, address)
        else:
            return []  # it was the gateway then
        # The frame goes out of each port by itself: the bridge would not flood what it did not forward.
        return [Announcement(port.index, frame) for port in self._ports.values() if port.segment == index]
