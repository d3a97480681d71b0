"""The node itself: its own addresses, which no guest may claim."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Segment
from rdnbr.core.model.reason import Reason


@dataclass(frozen=True, slots=True)
class LocalAddresses:
    """What the node owns. A route to a guest that shadows one of these would cut the node off from itself."""

    addresses: frozenset[IP] = frozenset()
    macs: frozenset[MAC] = frozenset()
    connected: tuple[IPv4Network | IPv6Network, ...] = ()
    """Prefixes of interfaces that are not segments."""
    next_hops: frozenset[IP] = frozenset()
    """Routers that the node's routes lead to."""
    _masks: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)

    def refusal(self, address: IP) -> Reason | None:
        """Tell why a guest may not have `address`, or None."""
        if address in self.addresses:
            return Reason.OWN_ADDRESS
        if address in self.next_hops:
            return Reason.NEXT_HOP
        size, value = len(address), int.from_bytes(address)
        if any(size == length and value & mask == network for length, mask, network in self._masks):
            return Reason.CONNECTED_PREFIX
        return None

    def enclosing_prefix(self, address: IP) -> str | None:
        """Return the prefix of the node's that `address` is in, or None."""
        given = ip_address(address)
        return next((str(network) for network in self.connected if given in network), None)


def node(
    links: Iterable[Link],
    addresses: Iterable[InterfaceAddress],
    segments: Iterable[Segment],
    next_hops: frozenset[IP] = frozenset(),
) -> LocalAddresses:
    """Tell what the node owns.

    Prefixes on a segment itself belong to its guests. Loopback, link-local and host prefixes enclose no neighbour
    that a guest could impersonate.
    """
    addresses = tuple(addresses)
    served = {segment.index for segment in segments}
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
        frozenset(link.mac for link in links if any(link.mac)),
        connected,
        next_hops,
        tuple(
            (network.max_prefixlen // 8, int(network.netmask), int(network.network_address))
            for network in connected
        ),
    )


@lru_cache(maxsize=4096)
def _network(address: IP, length: int) -> IPv4Network | IPv6Network:
    return ip_network((address, length), strict=False)
