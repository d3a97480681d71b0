"""The node's devices and addresses, and what their changes mean for the engine.

Netlink tells of devices and addresses one at a time; the engine wants to hear of segments, ports and the node.
"""

from collections.abc import Iterable, Sequence

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Port, Segment, guest_ports, ports, segments
from rdnbr.core.model.outputs import Output
from rdnbr.core.policy.local_addresses import node


class InterfaceInventory:
    """What is there now, kept current by whoever hears of changes."""

    def __init__(self, globs: Sequence[str] = ()) -> None:
        self._globs = tuple(globs)
        self._links: dict[int, Link] = {}
        self._addresses: dict[InterfaceAddress, None] = {}
        self._next_hops: frozenset[IP] = frozenset()

    def set_globs(self, globs: Sequence[str]) -> None:
        """Serve the bridges of these names or globs; none: those that own a gateway address."""
        self._globs = tuple(globs)

    def replace_all(self, links: Iterable[Link], addresses: Iterable[InterfaceAddress]) -> None:
        """Everything was looked at anew."""
        self._links = {link.index: link for link in links}
        self._addresses = dict.fromkeys(addresses)

    def link_changed(self, link: Link) -> None:
        """A device is there, new or changed."""
        self._links[link.index] = link

    def link_gone(self, index: int) -> None:
        """A device is gone, and its addresses with it."""
        self._links.pop(index, None)
        self._addresses = {entry: None for entry in self._addresses if entry.index != index}

    def address_changed(self, address: InterfaceAddress) -> None:
        """The node has an address, new or changed."""
        self._addresses[address] = None

    def address_gone(self, address: InterfaceAddress) -> None:
        """The node lost an address."""
        self._addresses.pop(address, None)

    def set_next_hops(self, next_hops: frozenset[IP]) -> None:
        """These are the routers that the node's routes lead to."""
        self._next_hops = next_hops

    def segments(self) -> list[Segment]:
        """Return the segments there are to serve."""
        return segments(list(self._links.values()), list(self._addresses), self._globs)

    def guest_ports(self) -> list[str]:
        """Return the names of all ports meant for guests, those without carrier too: it is the guest that sets it."""
        return [port.name for port in guest_ports(list(self._links.values()), self.segments())]

    def own_addresses(self) -> list[IP]:
        """Return all addresses of the node."""
        return [entry.address for entry in self._addresses]

    def update_engine(self, now: float, engine: Engine) -> list[Output]:
        """Tell the engine of all that differs from what it knows; what goes, goes first."""
        served = self.segments()
        leading: dict[int, Port] = {port.index: port for port in ports(list(self._links.values()), served)}
        outputs: list[Output] = []
        for index in [index for index in engine.ports if index not in leading]:
            outputs += engine.port_gone(now, index)
        # In another table, or under a name that other rules are about, it is another segment.
        kept = {(segment.index, segment.name, segment.table) for segment in served}
        for known in list(engine.segments.values()):
            if (known.index, known.name, known.table) not in kept:
                outputs += engine.segment_gone(now, known.index)
        outputs += engine.local_addresses_changed(
            now, node(self._links.values(), self._addresses, served, self._next_hops)
        )
        for segment in served:
            if engine.segments.get(segment.index) != segment:
                engine.segment_changed(segment)
        for port in leading.values():
            if engine.ports.get(port.index) != port:
                outputs += engine.port_changed(now, port)
        return outputs
