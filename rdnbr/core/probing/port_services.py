"""What rdnbr does for a port besides its bindings.

Gateway announcements, gateway defence, discovery, data snooping, and the query of multicast listeners.
"""

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.claim import Claim
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.timer_queue import earliest
from rdnbr.core.probing.dad_times import DadTimes
from rdnbr.core.probing.data_snooping import DataSnooping
from rdnbr.core.probing.discovery import Discovery
from rdnbr.core.probing.gateway_announcer import GatewayAnnouncer
from rdnbr.core.probing.gateway_defence import GatewayDefence
from rdnbr.core.probing.listener_querier import ListenerQuerier
from rdnbr.core.wire.ip_source import claim_from_packet


class PortServices:
    """The services, and their timers."""

    def __init__(
        self,
        announcer: GatewayAnnouncer,
        defence: GatewayDefence,
        discovery: Discovery,
        snooping: DataSnooping,
        querier: ListenerQuerier,
        dad_times: DadTimes,
    ) -> None:
        self._announcer = announcer
        self._defence = defence
        self._discovery = discovery
        self._snooping = snooping
        self._querier = querier
        self._dad_times = dad_times

    def port_up(self, now: float, port: int) -> None:
        """Handle a port (ifindex) that has appeared: its guest may do DAD, or use addresses that it never names."""
        self._dad_times.port_up(now, port)
        self.snoop_data(now, port)

    def record_dad(self, now: float, port: int, address: IP) -> None:
        """Record that a guest on a port (ifindex) does IPv4 duplicate address detection for an address."""
        self._dad_times.record(now, port, address)

    def configure(self, settings: Settings) -> None:
        """Use other settings from the next probe and the next window on."""
        self._discovery.configure(settings)
        self._snooping.configure(settings)

    def sender_seen(self, now: float, port: Port, claim: Claim) -> bool:
        """Handle the sender of a valid frame: a guest that has arrived hears of its gateway and is searched for.

        Returns:
            Whether it has arrived.
        """
        is_new = not self._announcer.is_known(port.index, claim.mac)
        arrived = self._announcer.record_arrival(now, port.index, claim)
        if arrived:
            self._announcer.announce(port, claim.mac)
            self._discovery.start(now, port, claim.mac)
            if is_new:
                self._snooping.start(now, port.index)
        return arrived

    def discover(self, now: float, port: Port, mac: MAC | None) -> None:
        """Probe the addresses that the allowlist names for a guest on a port; without a MAC, for the port."""
        self._discovery.start(now, port, mac)

    def search(self, now: float, address: IP) -> None:
        """Probe an address that nobody has on every port that may have it."""
        self._discovery.search(now, address)

    def probe_remembered(self, now: float, port: Port, mac: MAC, address: IP, *, after: float = 0.0) -> None:
        """Probe an address that a guest on a port had, at once or `after` some seconds."""
        self._discovery.probe_remembered(now, port, mac, address, after=after)

    def waiting(self, port: int, mac: MAC) -> list[IP]:
        """Return the remembered addresses of a MAC on a port (ifindex) that were not probed yet."""
        return self._discovery.waiting(port, mac)

    def query_listeners(self, segment: int) -> None:
        """Have all guests of a segment (ifindex) show that they are there."""
        self._querier.start(segment)

    def searched_ports(self, address: IP) -> list[int]:
        """Return the ports (ifindex) on which an address is searched for."""
        return self._discovery.searched_ports(address)

    def is_discovering(self, port: int, mac: MAC) -> bool:
        """Tell whether a discovery probe is under way on a port (ifindex) that a guest with this MAC may answer."""
        return self._discovery.is_probing(port, mac)

    def defend_gateway(self, now: float, segment: int, address: IP) -> None:
        """Correct what a guest said of a gateway address of a segment (ifindex)."""
        self._defence.defend(now, segment, address)

    def segment_changed(self, before: Segment | None, segment: Segment) -> None:
        """Announce the gateways with a new MAC, and look at IP packets of the families that have a gateway now."""
        if before is not None and before.mac != segment.mac:
            self._announcer.announce_to_all(segment.index)
        if before is not None and before.families != segment.families:
            self._snooping.families_changed(segment.index)

    def snoop_data(self, now: float, port: int) -> None:
        """Look at the IP packets of a port (ifindex) for a while."""
        self._snooping.start(now, port)

    def is_snooping(self, port: int) -> bool:
        """Tell whether the IP packets of a port (ifindex) are looked at."""
        return self._snooping.is_active(port)

    def snoop_source(self, now: float, port: int, frame: bytes) -> Claim | None:
        """Return the claim of an IP packet whose source is new, or awaited, on a port (ifindex); else None."""
        claim = claim_from_packet(frame) if self._snooping.hears_packets(port) else None
        if claim is None or claim.address is None:
            return None
        return claim if self._snooping.record_source(now, port, claim.address) else None

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex) that is gone."""
        self._announcer.port_gone(port)
        self._querier.port_gone(port)
        self._discovery.port_gone(port)
        self._snooping.port_gone(port)
        self._dad_times.port_gone(port)

    def segment_gone(self, segment: int) -> None:
        """Forget a segment (ifindex) that is gone."""
        self._defence.segment_gone(segment)

    def expire_timers(self, now: float) -> None:
        """Do what is due."""
        self._defence.expire_timers(now)
        self._announcer.expire_timers(now)
        self._querier.expire_timers(now)
        self._discovery.expire_timers(now)
        self._snooping.expire_timers(now)

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return earliest(
            self._defence.next_deadline(),
            self._announcer.next_deadline(),
            self._querier.next_deadline(),
            self._discovery.next_deadline(),
            self._snooping.next_deadline(),
        )
