"""Defends the gateway addresses: after a guest has claimed one, its neighbours get a correct announcement."""

from collections.abc import Mapping

from rdnbr.core.model.address import IP
from rdnbr.core.model.engine_outputs import Announcement, Emit
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.wire import arp, ndp

DEFEND_INTERVAL = 10.0
"""Seconds between two announcements of one gateway address (RFC 5227 §2.4): a guest must not be able to make rdnbr
flood the guest's neighbours."""


class GatewayDefence:
    """Announces a gateway address after a guest has claimed it, and once more if the claims went on."""

    def __init__(self, segments: Mapping[int, Segment], ports: Mapping[int, Port], emit: Emit) -> None:
        self._segments = segments
        self._ports = ports
        self._emit = emit
        self._announced: dict[tuple[int, IP], float] = {}
        """When each gateway address was last announced, by segment and address."""
        self._due: dict[tuple[int, IP], float] = {}
        """Gateway addresses that were claimed again since, and when to announce them."""

    def defend(self, now: float, index: int, address: IP) -> None:
        """Announce `address` on all ports of a segment (ifindex), if it is a gateway address of the segment.

        The announcement is sent at once, or when the interval since the last one has passed.
        """
        segment = self._segments[index]
        if address not in (segment.gateway4, segment.gateway6):
            return
        last = self._announced.get((index, address))
        if last is not None and now < last + DEFEND_INTERVAL:
            # Guests that received this claim after our announcement would keep the wrong MAC.
            self._due[index, address] = last + DEFEND_INTERVAL
        else:
            self._announce(now, index, address)

    def expire_timers(self, now: float) -> None:
        """Send the announcements that are due."""
        for index, address in [key for key, at in self._due.items() if at <= now]:
            self._announce(now, index, address)

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return min(self._due.values(), default=None)

    def segment_gone(self, index: int) -> None:
        """Forget a segment (ifindex)."""
        self._announced = {key: at for key, at in self._announced.items() if key[0] != index}
        self._due = {key: at for key, at in self._due.items() if key[0] != index}

    def _announce(self, now: float, index: int, address: IP) -> None:
        self._announced[index, address] = now
        self._due.pop((index, address), None)
        segment = self._segments[index]
        if address == segment.gateway4:
            frame = arp.announcement(segment.mac, address)
        elif address == segment.gateway6:
            frame = ndp.router_announcement(segment.mac, address)
        else:
            return  # the segment has another gateway address now
        # One frame for each port: the bridge does not flood a frame that it did not forward itself.
        for port in self._ports.values():
            if port.segment == index:
                self._emit(Announcement(port.index, frame))
