"""Decode an Ethernet frame: the result is a claim, or the one reason why the frame is no claim.

The decoder reads only the frame. Rules that depend on the node's state are in the engine: F1, F2, F6, F8, A8, A12, and
the policy for a MAC that is not the Ethernet source (A5, S4, V5). The addresses that no guest may claim (A7, N11) are
in `special_purpose`. A number such as F3 beside a check names its rule.
"""

from rdnbr.core.model.address import ZERO_MAC
from rdnbr.core.model.claim import Claim
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire import arp, ndp, presence

_ARP = (arp.ETHERTYPE, arp.ETHERTYPE_RARP)
_TAG = (b"\x81\x00", b"\x88\xa8")  # IEEE 802.1Q customer tag, service tag


def decode(data: bytes, vlan: int | None = None, length: int | None = None) -> Claim | Reason:
    """Decode one frame. Every byte string has a result; none raises.

    Args:
        data: the frame from its destination MAC on, without frame check sequence.
        vlan: VLAN ID of the tag that the kernel removed (PACKET_AUXDATA); None without a tag, and for VID 0.
        length: bytes of the frame on the wire; greater than `len(data)` if the capture cut the frame.
    """
    cut = length is not None and length > len(data)
    if len(data) < 14:  # F3
        return Reason.TRUNCATED if cut else Reason.SHORT_FRAME
    if vlan:  # F4
        return Reason.TAGGED
    ethertype = data[12:14]
    if ethertype in _TAG:
        untagged = _without_priority_tag(data)
        if isinstance(untagged, Reason):
            return Reason.TRUNCATED if cut and untagged is Reason.SHORT_FRAME else untagged
        data = untagged
        ethertype = data[12:14]
    is_arp = ethertype in _ARP
    if not is_arp and ethertype != ndp.ETHERTYPE:  # F3
        return Reason.NOT_ARP_OR_NDP
    if data[6] & 1 or data[6:12] == ZERO_MAC:  # F5; the group bit covers broadcast
        return Reason.BAD_SOURCE_MAC
    if not is_arp:
        read = ndp.decode(data, cut=cut)
        return presence.claim_of(data, cut=cut) or read if read is Reason.NOT_NDP else read
    return Reason.TRUNCATED if cut else arp.decode(data)  # F7


def _without_priority_tag(data: bytes) -> bytes | Reason:
    """Remove all tags with VID 0, as the kernel does (net/core/dev.c)."""
    at = 12
    while data[at : at + 2] in _TAG:
        if len(data) < at + 6:
            return Reason.SHORT_FRAME
        if int.from_bytes(data[at + 2 : at + 4], "big") & 0xFFF:  # F4
            return Reason.TAGGED
        at += 4
    return data[:12] + data[at:]
