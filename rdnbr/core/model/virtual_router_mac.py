"""MACs of virtual routers: several hosts share one, and the host that is active answers for it.

Such a host may send ARP and NDP from the MAC of its own card, its physical MAC, and name the virtual MAC in the ARP
sender or in the link-layer option. CARP of FreeBSD does that for IPv4.

GLBP (00:07:b4) is left out: its hosts answer for one address with several MACs in turn, and a neighbour has one.
"""

from rdnbr.core.model.address import MAC

_PREFIXES = (
    b"\x00\x00\x5e\x00\x01",  # VRRP for IPv4 (RFC 9568 §7.3), CARP
    b"\x00\x00\x5e\x00\x02",  # VRRP for IPv6
    b"\x00\x00\x0c\x07\xac",  # HSRP version 1 (RFC 2281 §5.3)
    *(b"\x00\x00\x0c\x9f" + bytes((0xF0 + high,)) for high in range(16)),  # HSRP version 2
    *(b"\x00\x05\x73\xa0" + bytes((high,)) for high in range(16)),  # HSRP version 2 for IPv6
)


def is_virtual_router_mac(mac: MAC) -> bool:
    """Tell whether a MAC is one that virtual routers share."""
    return mac.startswith(_PREFIXES)
