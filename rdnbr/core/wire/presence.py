"""Frames that show that a MAC is on a port, and claim no address; and the query that has all guests send one.

A router solicitation (RFC 4861 §4.1) and a multicast listener report (RFC 2710, RFC 3810) usually come from a
link-local address. A running Linux guest may send no other IPv6 frame that rdnbr reads, since it confirms its gateway
from its link-local address too.
"""

from struct import Struct

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.wire.icmp6 import HEADER, HOP_BY_HOP, ICMP6, ICMPV6, IP6, remainder

_ROUTER_SOLICITATION = 133
_REPORT, _DONE, _REPORT_V2 = 131, 132, 143
_SHORTEST = {_ROUTER_SOLICITATION: 8, _REPORT: 24, _DONE: 24, _REPORT_V2: 8}
"""Bytes of the shortest message of each type."""

_NEVER = 1 << 16
"""More bytes than a message can have."""

_ROUTER_ALERT = b"\x05\x02\x00\x00"
"""The hop-by-hop option of every multicast listener message (RFC 2711 §2.1)."""

_MULTICAST = 0xFF

# Type, code, checksum; maximum response delay in milliseconds; group; S flag and QRV, QQIC; number of sources.
_QUERY = Struct("!BBHHxx16sBBH")
_LISTENER_QUERY, _RESPONSE_TIME, _SUPPRESS_AND_QRV, _QQIC = 130, 1000, 0x0A, 125
_ALL_NODES, _ALL_NODES_MAC = b"\xff\x02" + bytes(13) + b"\x01", MAC(b"\x33\x33\x00\x00\x00\x01")
_ETHERTYPE = b"\x86\xdd"


def claim_of(frame: bytes, *, cut: bool = False) -> Claim | None:
    """Return the claim of a frame with the ethertype of IPv6; None for all but valid messages of these kinds.

    With `cut`, the capture holds only the beginning of the frame, and its checksum is not known. A guest with many
    groups sends reports that are longer than what is captured.
    """
    if len(frame) < ICMP6 + 8:
        return None
    _, size, following, hop_limit, source, destination = HEADER.unpack_from(frame, IP6)
    at, end = ICMP6, ICMP6 + size
    if following == HOP_BY_HOP:
        # Eight bytes: the router alert, and two bytes of padding before or after it.
        following, length = frame[at], frame[at + 1]
        if length or hop_limit != 1 or _ROUTER_ALERT not in frame[at + 2 : at + 8]:
            return None
        at += 8
    elif hop_limit != 255:
        return None
    message = frame[at:end]
    if following != ICMPV6 or source[0] == _MULTICAST or not message:
        return None
    if len(message) < _SHORTEST.get(message[0], _NEVER) or (message[0] == _ROUTER_SOLICITATION) is not (
        at == ICMP6
    ):
        return None
    if message[1] or (not cut and (end > len(frame) or remainder(source + destination, message))):
        return None
    mac = MAC(frame[6:12])
    return Claim(Source.PRESENCE, Proof.PRESENCE, None, mac, mac, None)


def listener_query(sender: MAC, source: IP) -> bytes:
    """Write the general query of MLDv2 (RFC 3810 §5.1), which every host answers with a report within a second.

    Its S flag tells routers to leave their timers alone. A query of MLDv1 would have hosts use that version for some
    time.
    """
    query = (_LISTENER_QUERY, 0, 0, _RESPONSE_TIME, bytes(16), _SUPPRESS_AND_QRV, _QQIC, 0)
    checksum = -remainder(source + _ALL_NODES, _QUERY.pack(*query)) % 0xFFFF
    message = bytes((ICMPV6, 0)) + _ROUTER_ALERT + b"\x01\x00" + _QUERY.pack(*query[:2], checksum, *query[3:])
    header = HEADER.pack(6 << 28, len(message), HOP_BY_HOP, 1, source, _ALL_NODES)
    return _ALL_NODES_MAC + sender + _ETHERTYPE + header + message
