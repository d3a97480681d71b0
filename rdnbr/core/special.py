"""Addresses that no guest may have a route for, whoever permits it (rules A7 and N11)."""

from rdnbr.core.address import IP
from rdnbr.core.reason import Reason

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 §2.5.5.2
_NOWHERE_OR_LOOPBACK = (bytes(16), bytes(15) + b"\x01")


def special(address: IP) -> Reason | None:
    """Tell why `address` cannot be anybody's host route, or None.

    zebra refuses most of these too, so a route to them would never be advertised (zebra/zebra_rib.c,
    `zebra_check_addr`). The node's own addresses come first in the engine, for its gateways are link-local.
    """
    if len(address) == 4:
        first = address[0]
        # 0/8, 127/8, 224/4, 240/4 with the limited broadcast (RFC 6890), and 169.254/16 (RFC 3927 §2.7)
        if first in (0, 127) or first >= 224 or address.startswith(b"\xa9\xfe"):
            return Reason.SPECIAL_ADDRESS
        return None
    if address[0] == 0xFE and address[1] & 0xC0 == 0x80:  # fe80::/10, of which every guest has one
        return Reason.LINK_LOCAL
    if address[0] == 0xFF or address in _NOWHERE_OR_LOOPBACK or address.startswith(_MAPPED):
        return Reason.SPECIAL_ADDRESS
    return None
