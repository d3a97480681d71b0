"""Defends the addresses of a segment: after a guest has claimed one, its neighbours get a correct announcement.

Each of them may be the gateway of some guests: 169.254.0.1 and fe80::1, a second link-local address, the address of a
metadata service, or the node's address in a prefix that the segment's guests share.
"""

from collections.abc import Mapping

from rdnbr.core.model.address import IP
from rdnbr.core.model.engine_outputs import Announcement, Emit
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.wire.announcement_frames import announcement_frame

DEFEND_INTERVAL = 10.0
"""Seconds between two announcements of one address (RFC 5227 §2.4): a guest must not be able to make rdnbr flood the
guest's neighbours."""

ROUNDS_APART = 0.2
"""Seconds between two announcements on all ports of a segment, of whatever addresses: a guest that claims all addresses
of its segment must not be able to either."""


class GatewayDefence:
    """Announces an address of a segment after a guest has claimed it, and once more if the claims went on."""

    def __init__(self, segments: Mapping[int, Segment], ports: Mapping[int, Port], emit: Emit) -> None:
        self._segments = segments
        self._ports = ports
        self._emit = emit
        self._announced: dict[tuple[int, IP], float] = {}
        """When each address was last announced, by segment and address."""
        self._next_round: dict[int, float] = {}
        """When an address may be announced again, by segment."""
        self._due: dict[tuple[int, IP], float] = {}
        """Addresses that were claimed meanwhile, and when to announce them."""

    def defend(self, now: float, index: int, address: IP) -> None:
        """Announce `address` on all ports of a segment (ifindex), if it is an address of the segment.

        The announcement is sent at once, or when the interval since the last one has passed. Guests that receive a
        claim after our announcement would else keep the wrong MAC.
        """
        if all(entry.address != address for entry in self._segments[index].addresses):
            return
        last = self._announced.get((index, address))
        earliest = max(
            now if last is None else last + DEFEND_INTERVAL,
            self._next_round.get(index, now),
        )
        if now < earliest:
            self._due[index, address] = earliest
        else:
            self._announce(now, index, address)

    def expire_timers(self, now: float) -> None:
        """Send the announcements that are due, of one address for each segment."""
        for index, address in [key for key, at in self._due.items() if at <= now]:
            del self._due[index, address]
            self.defend(now, index, address)

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return min(self._due.values()) if self._due else None

    def segment_gone(self, index: int) -> None:
        """Forget a segment (ifindex)."""
        self._announced = {key: at for key, at in self._announced.items() if key[0] != index}
        self._due = {key: at for key, at in self._due.items() if key[0] != index}
        self._next_round.pop(index, None)

    def _announce(self, now: float, index: int, address: IP) -> None:
        self._announced[index, address] = now
        self._next_round[index] = now + ROUNDS_APART
        self._due.pop((index, address), None)
        frame = announcement_frame(self._segments[index], address)
        # One frame for each port: the bridge does not flood a frame that it did not forward itself.
        for port in self._ports.values():
            if port.segment == index:
                self._emit(Announcement(port.index, frame))
