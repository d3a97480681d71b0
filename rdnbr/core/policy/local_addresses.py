"""The node's own addresses, connected prefixes and next hops, which no guest may claim."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.interfaces import InterfaceAddress, Link, NextHop, Segment
from rdnbr.core.model.reason import Reason


@dataclass(frozen=True, slots=True)
class LocalAddresses:
    """The addresses and MACs of the node, and what else a guest route must not shadow.

    A host route to a guest for one of these would cut the node off from its own services, neighbours or routers.
    """

    addresses: frozenset[IP] = frozenset()
    macs: frozenset[tuple[int, MAC]] = frozenset()
    """The node's own MACs, each with the ifindex of the segment that it is on. On another segment, a guest may have the
    same MAC: VRRP and HSRP use the same MACs everywhere."""
    connected: tuple[IPv4Network | IPv6Network, ...] = ()
    """Prefixes of the interfaces that are not segments."""
    next_hops: frozenset[IP] = frozenset()
    """Routers that are next hops of the node's routes, and no guests."""
    _masks: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)
    """`connected` as address length in bytes, netmask, network: for a fast comparison."""

    def refusal(self, address: IP) -> Reason | None:
        """Return the reason why no guest may have `address`; None if the node does not need it."""
        if address in self.addresses:
            return Reason.OWN_ADDRESS
        if address in self.next_hops:
            return Reason.NEXT_HOP
        return None if self._find_connected(address) is None else Reason.CONNECTED_PREFIX

    def have_more_than(self, other: "LocalAddresses") -> bool:
        """Return whether these have an address or a connected prefix that `other` has not.

        Next hops are left out: a routing daemon may change them every second.
        """
        return not (self.addresses <= other.addresses and set(self.connected) <= set(other.connected))

    def enclosing_prefix(self, address: IP) -> str | None:
        """Return the connected prefix that contains `address`, or None."""
        found = self._find_connected(address)
        return None if found is None else str(self.connected[found])

    def _find_connected(self, address: IP) -> int | None:
        """Return the index in `connected` of the first prefix that contains `address`, or None."""
        size, value = len(address), int.from_bytes(address)
        for index, (length, mask, network) in enumerate(self._masks):
            if size == length and value & mask == network:
                return index
        return None


def node_local_addresses(
    links: Iterable[Link],
    addresses: Iterable[InterfaceAddress],
    segments: Iterable[Segment],
    next_hops: Iterable[NextHop] = (),
) -> LocalAddresses:
    """Compute the local addresses of a node.

    The prefixes of a segment are left out, since they belong to its guests. Loopback, link-local and host prefixes are
    left out, since they contain no neighbour that a guest could impersonate.

    A next hop over a segment is a guest, such as a firewall or a BGP speaker, and is left out. But if the bridge has a
    port that leads elsewhere, such as a physical NIC, the next hop may be a router behind that port, and is kept.
    """
    addresses, links = tuple(addresses), tuple(links)
    served = {segment.index for segment in segments}
    guests_only = served - {link.master for link in links if link.leads_elsewhere}
    networks = {
        _network(entry.address, entry.length)
        for entry in addresses
        if entry.index not in served and entry.length < len(entry.address) * 8
    }
    connected = tuple(
        sorted(
            (network for network in networks if not network.is_loopback and not network.is_link_local),
            key=lambda network: (network.version, network),
        )
    )
    return LocalAddresses(
        frozenset(entry.address for entry in addresses),
        frozenset(place for link in links for place in places_of_mac(link)),
        connected,
        frozenset(hop.address for hop in next_hops if hop.device not in guests_only),
        tuple(
            (network.max_prefixlen // 8, int(network.netmask), int(network.network_address))
            for network in connected
        ),
    )


def places_of_mac(link: Link) -> Iterator[tuple[int, MAC]]:
    """Yield the ifindexes of the segments on which the MAC of a link is the node's own, each with the MAC.

    These are the bridge itself, the bridge of a port, and the bridge under a macvlan, which has a MAC of its own there.
    """
    if not any(link.mac):
        return
    if link.kind == "bridge":
        yield link.index, link.mac
    for place in (link.master, link.lower):
        if place is not None:
            yield place, link.mac


@lru_cache(maxsize=4096)
def _network(address: IP, length: int) -> IPv4Network | IPv6Network:
    return ip_network((address, length), strict=False)
