"""Special-purpose addresses: no guest gets a route for them, whatever the allowlist says (rules A7 and N11)."""

from ipaddress import ip_network

from rdnbr.core.model.address import IP
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Prefix

SPECIAL_PURPOSE = {
    ip_network("0.0.0.0/8"): "this network's",
    ip_network("127.0.0.0/8"): "loopback",
    ip_network("169.254.0.0/16"): "link-local, which nobody routes (RFC 3927 §2.7)",
    ip_network("224.0.0.0/4"): "multicast",
    ip_network("240.0.0.0/4"): "reserved",
    ip_network("::/128"): "unspecified",
    ip_network("::1/128"): "loopback",
    ip_network("fe80::/10"): "link-local, which nobody routes (RFC 4291 §2.5.6)",
    ip_network("ff00::/8"): "multicast",
}
"""Their names. A rule that permits one of them can never take effect."""

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 §2.5.5.2
_NOWHERE_OR_LOOPBACK = (bytes(16), bytes(15) + b"\x01")


def special_purpose_of(address: IP) -> Reason | None:
    """Return why no host route for `address` is possible, or None if one is.

    zebra refuses most of these as well, so it would never advertise a route to them (zebra/zebra_rib.c,
    `zebra_check_addr`). The engine checks the node's own addresses first, because its gateways are link-local.
    """
    if len(address) == 4:
        first = address[0]
        # 0/8, 127/8, 224/4, 240/4 with the limited broadcast (RFC 6890), and 169.254/16 (RFC 3927 §2.7)
        if first in (0, 127) or first >= 224 or address.startswith(b"\xa9\xfe"):
            return Reason.SPECIAL_ADDRESS
        return None
    if address[0] == 0xFE and address[1] & 0xC0 == 0x80:  # fe80::/10; every guest has one
        return Reason.LINK_LOCAL
    if address[0] == 0xFF or address in _NOWHERE_OR_LOOPBACK or address.startswith(_MAPPED):
        return Reason.SPECIAL_ADDRESS
    return None


def special_purpose_name(prefix: Prefix) -> str | None:
    """Return the name of the special-purpose range that holds all of a prefix, or None."""
    network = ip_network((bytes(prefix.address), prefix.length))
    return next(
        (
            name
            for range_, name in SPECIAL_PURPOSE.items()
            if network.version == range_.version and network.subnet_of(range_)  # type: ignore[arg-type]
        ),
        None,
    )
