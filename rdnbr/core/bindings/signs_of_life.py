"""Signs of life: any frame of a guest that may have more addresses than its bindings say.

A running Linux guest confirms its IPv6 gateway from its link-local address, and an IPv4 guest whose gateway is in its
neighbour cache sends no ARP frame. So a guest that was paused, flushed, or there before rdnbr, may speak for hours
without a frame that names its address.

Anybody can forge a frame with the MAC of another guest. So a sign of life changes no binding: it only has addresses
probed on the port it came from, the IP packets of that port looked at, and what a `static` rule gives the MAC bound.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.static_bindings import StaticBindings
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.primitives.bounded_map import BoundedMap
from rdnbr.core.probing.port_services import PortServices

APART = 30.0
"""Seconds between two signs of one MAC on one port that count. The time doubles while the guest stays incomplete."""

LONGEST = 600.0
"""Seconds; doubling ends here."""

FLUSHED_AFTER = 10.0
"""Seconds after which the guest of a flushed address is probed, if it has sent nothing; others may claim it first."""

MACS = 64
"""MACs remembered for a port."""

UNLOCATED, ADDRESSES = 4096, 16
"""MACs whose port is not known, and addresses of each that are remembered."""


@dataclass(frozen=True, slots=True)
class _Seen:
    next_at: float
    """When a sign counts again."""
    apart: float
    """Seconds that are waited for that; 0: the guest was complete."""
    departed: int
    """DEPARTED bindings of the MAC. With another number of them a sign counts at once."""


class SignsOfLife:
    """Looks for the addresses of guests that show that they are there."""

    def __init__(
        self,
        table: BindingTable,
        limits: PortLimits,
        static: StaticBindings,
        services: PortServices,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
    ) -> None:
        self._table = table
        self._limits = limits
        self._static = static
        self._services = services
        self._segments = segments
        self._ports = ports
        self._seen: dict[int, BoundedMap[MAC, _Seen]] = {}
        """What is known of each MAC, by port."""
        self._unlocated: BoundedMap[tuple[int, MAC], tuple[IP, ...]] = BoundedMap(UNLOCATED)
        """Addresses in the kernel's neighbour entries, by segment and MAC, where the port is not known."""

    def note(self, now: float, port: Port, mac: MAC) -> None:
        """Handle a frame of a MAC on a port, whatever the frame was."""
        known = self._seen.get(port.index)
        if known is None:
            known = self._seen[port.index] = BoundedMap(MACS)
        seen = known.get(mac)
        departed = self._table.count_departed(mac)
        changed = seen is None or departed != seen.departed
        if not changed and seen is not None and now < seen.next_at:
            return
        remembered, complete = self._inspect(port, mac)
        if complete:
            known.put(mac, _Seen(now + APART, 0.0, departed))
        elif self._limits.take_discovery(now, port.index):
            apart = APART if changed or seen is None else max(APART, min(2 * seen.apart, LONGEST))
            known.put(mac, _Seen(now + apart, apart, departed))
            self._look_for(now, port, mac, remembered)

    def find_guest(
        self, now: float, segment: int, port: int | None, mac: MAC, addresses: Iterable[IP]
    ) -> None:
        """Look for a guest that was there before rdnbr.

        Args:
            now: the time.
            segment: ifindex.
            port: ifindex of the port in the bridge's forwarding database. None: the guest was quiet for so long that
                its entry is gone. It is probed at its first sign of life.
            mac: of the guest.
            addresses: of its neighbour entries in the kernel. A guest can have forged them.
        """
        at = self._ports.get(port or 0)
        if at is not None and at.segment == segment:
            self._static.bind(now, at, mac)
            for address in addresses:
                self._services.probe_remembered(now, at, mac, address)
            self._services.discover(now, at, mac)
        elif addresses := tuple(addresses)[:ADDRESSES]:
            self._unlocated.put((segment, mac), addresses)

    def remember_flushed(self, now: float, binding: Binding) -> None:
        """Have the guest of a flushed binding probed soon, and at its next sign of life at once."""
        port = self._ports.get(binding.anchor.port or 0)
        if port is not None and binding.state in WITH_ROUTE:
            if binding.state is not State.STATIC:  # need not answer
                self._services.probe_remembered(
                    now, port, binding.anchor.mac, binding.key.address, after=FLUSHED_AFTER
                )
            self._seen.pop(port.index, None)

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex) that is gone."""
        self._seen.pop(port, None)

    def _look_for(self, now: float, port: Port, mac: MAC, remembered: list[IP]) -> None:
        self._static.bind(now, port, mac)
        for address in remembered:
            self._services.probe_remembered(now, port, mac, address)
        self._services.discover(now, port, mac)
        if not self._services.is_snooping(port.index):
            self._services.snoop_data(now, port.index)

    def _inspect(self, port: Port, mac: MAC) -> tuple[list[IP], bool]:
        """Return the addresses that a MAC had, and whether there is none of them and it has a route of each family."""
        segment = self._segments[port.segment]
        remembered: list[IP] = []
        families: set[int] = set()
        for binding in self._table.of_mac(mac):
            if binding.key.table != segment.table:
                continue
            if binding.state is State.DEPARTED:
                remembered.append(binding.key.address)
            elif binding.state in WITH_ROUTE and binding.anchor.port == port.index:
                families.add(len(binding.key.address))
        remembered += self._services.waiting(port.index, mac)
        remembered += [
            address
            for address in self._unlocated.get((port.segment, mac)) or ()
            if self._table.get(Key(segment.table, address)) is None
        ]
        return remembered, not remembered and families.issuperset(segment.families)
