"""Neighbour solicitations and advertisements (RFC 4861 §4.3, §4.4, §7.1): decoding and writing."""

from struct import Struct

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire.icmp6 import HEADER, HOP_BY_HOP, ICMP6, ICMPV6, IP6, remainder

ETHERTYPE = b"\x86\xdd"

# Type, code, checksum; flags; target. Options follow.
_MESSAGE = Struct("!BBHB3x16s")
_OPTIONS = ICMP6 + _MESSAGE.size
"""Offset of the options in the frame, in bytes."""

_ROUTING, _FRAGMENT, _DESTINATION = 43, 44, 60
_EXTENSIONS = (HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION)

_ROUTER_SOLICITATION, _ROUTER_ADVERTISEMENT, _SOLICITATION, _ADVERTISEMENT, _REDIRECT = range(133, 138)
_ROUTER, _SOLICITED, _OVERRIDE = 0x80, 0x40, 0x20

_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER, _NONCE = 1, 2, 14
_UNIT = 8
"""The unit of an option's length field, in bytes."""

_UNSPECIFIED = bytes(16)
_SOLICITED_NODE = b"\xff\x02" + bytes(9) + b"\x01\xff"  # ff02::1:ff00:0/104, RFC 4291 §2.7.1
_ALL_NODES = IP(b"\xff\x02" + bytes(13) + b"\x01")
_HOP_LIMIT = 255


def decode(frame: bytes, *, cut: bool = False) -> Claim | Reason:
    """Decode a frame with the ethertype of IPv6. Return its claim, or the reason to refuse it.

    With `cut`, the capture holds only the beginning of the frame.
    """
    if len(frame) < ICMP6:  # N1
        return Reason.TRUNCATED if cut else Reason.IP6_SHORT
    first, size, following, hop_limit, source, destination = HEADER.unpack_from(frame, IP6)
    if first >> 28 != 6:  # N1
        return Reason.IP6_VERSION
    end = ICMP6 + size
    if following in _EXTENSIONS:
        return _refuse_extensions(frame[:end], following, cut=cut)
    if following != ICMPV6:
        return Reason.NOT_NDP
    if not frame[ICMP6:end]:
        return Reason.TRUNCATED if cut else Reason.NDP_SHORT
    kind = frame[ICMP6]
    if kind == _ROUTER_ADVERTISEMENT:
        return Reason.ROGUE_RA
    if kind == _REDIRECT:
        return Reason.ROGUE_REDIRECT
    if kind not in (_SOLICITATION, _ADVERTISEMENT):
        return Reason.NOT_NDP
    if cut:  # F7
        return Reason.TRUNCATED
    if end > len(frame):  # N1
        return Reason.IP6_SHORT
    if hop_limit != _HOP_LIMIT:  # N3
        return Reason.HOP_LIMIT
    if end < _OPTIONS:  # N6
        return Reason.NDP_SHORT
    _, code, _, flags, target = _MESSAGE.unpack_from(frame, ICMP6)
    if code != 0:  # N5
        return Reason.CODE
    if target[0] == 0xFF:  # N10
        return Reason.MULTICAST_TARGET
    if source[0] == 0xFF:  # N12
        return Reason.MULTICAST_SOURCE
    if remainder(frame[IP6 + 8 : ICMP6], frame[ICMP6:end]):  # N4
        return Reason.CHECKSUM
    ether = MAC(frame[6:12])
    if kind == _SOLICITATION:
        return _solicitation(ether, source, destination, target, frame[_OPTIONS:end])
    return _advertisement(ether, destination, target, flags, frame[_OPTIONS:end])


def solicited_node(address: IP) -> IP:
    """Return the solicited-node multicast group of `address` (RFC 4291 §2.7.1)."""
    return IP(_SOLICITED_NODE + address[13:])


def multicast_mac(group: IP) -> MAC:
    """Return the destination MAC of frames to an IPv6 group (RFC 2464 §7)."""
    return MAC(b"\x33\x33" + group[12:])


def solicitation(sender: MAC, source: IP, target: IP, to: MAC | None = None) -> bytes:
    """Write "who has `target`, tell `source`".

    With `to`, the frame is unicast to that MAC and to `target`. Without, it goes to the group of `target`.
    """
    destination = target if to is not None else solicited_node(target)
    to = to if to is not None else multicast_mac(destination)
    return _write(_SOLICITATION, 0, target, _SOURCE_LINK_LAYER, sender, source, to, destination)


def advertisement(sender: MAC, target: IP, to: MAC, destination: IP) -> bytes:
    """Write the answer to a solicitation: "`target` is at `sender`", with the flags Solicited and Override."""
    flags = _SOLICITED | _OVERRIDE
    return _write(_ADVERTISEMENT, flags, target, _TARGET_LINK_LAYER, sender, target, to, destination)


def router_announcement(sender: MAC, target: IP, to: MAC | None = None) -> bytes:
    """Write "`target` is at `sender`", unsolicited, with the flags Router and Override (RFC 4861 §7.2.6).

    The packet goes to all nodes. With `to`, the frame goes to that MAC only. RFC 6085 permits a multicast packet in a
    unicast frame, so the host's address need not be known.
    """
    to = to if to is not None else multicast_mac(_ALL_NODES)
    return _write(
        _ADVERTISEMENT, _ROUTER | _OVERRIDE, target, _TARGET_LINK_LAYER, sender, target, to, _ALL_NODES
    )


def _solicitation(ether: MAC, source: IP, destination: IP, target: IP, options: bytes) -> Claim | Reason:
    read = _read_options(options, _SOURCE_LINK_LAYER)
    if isinstance(read, Reason):
        return read
    mac, nonce = read
    if source == _UNSPECIFIED:  # S3: a claim for the target
        if destination != solicited_node(target):  # S1
            return Reason.DAD_DESTINATION
        if mac is not None:  # S2
            return Reason.DAD_WITH_LINK_LAYER
        return Claim(Source.NS_DAD, Proof.INTENT, target, ether, ether, None, target, nonce=nonce)
    if mac is None:  # S5
        return Claim(Source.NS, Proof.INTENT, source, ether, ether, None, target)
    return Claim(Source.NS, Proof.USE, source, mac, ether, None, target)  # S4, S6


def _advertisement(ether: MAC, destination: IP, target: IP, flags: int, options: bytes) -> Claim | Reason:
    # V8: the sender may use any of its addresses as the source. The source is not checked.
    solicited = bool(flags & _SOLICITED)
    multicast = destination[0] == 0xFF
    if solicited and multicast:  # V1
        return Reason.SOLICITED_MULTICAST
    read = _read_options(options, _TARGET_LINK_LAYER)
    if isinstance(read, Reason):
        return read
    mac, _ = read
    if mac is None:  # V4
        if multicast:
            return Reason.NO_TARGET_LINK_LAYER
        mac = ether
    override = bool(flags & _OVERRIDE)  # V3
    if not solicited:
        return Claim(Source.NA_UNSOLICITED, Proof.USE, target, mac, ether, None, None, override)
    return Claim(Source.NA, Proof.USE, target, mac, ether, None, destination, override)  # V2


def _read_options(options: bytes, wanted: int) -> tuple[MAC | None, bytes] | Reason:
    """Return the link-layer address of the option type `wanted`, and the nonce. Other options are skipped."""
    if len(options) % _UNIT:  # N7: the last option would end after the payload
        return Reason.OPTION
    mac = None
    nonce = b""
    at = 0
    while at < len(options):
        kind = options[at]
        size = options[at + 1] * _UNIT
        if size == 0 or at + size > len(options):  # N7
            return Reason.OPTION
        if kind == wanted:
            link_layer = MAC(options[at + 2 : at + size])
            if size != _UNIT or link_layer[0] & 1 or link_layer == ZERO_MAC:  # N8
                return Reason.LINK_LAYER_OPTION
            if mac is not None and mac != link_layer:  # N9
                return Reason.OPTION_CONFLICT
            mac = link_layer
        elif kind == _NONCE and not nonce:  # S3, RFC 7527
            nonce = options[at + 2 : at + size]
        at += size
    return mac, nonce


def _refuse_extensions(frame: bytes, following: int, *, cut: bool) -> Reason:
    """Return why a packet with extension headers is no claim (N2).

    NDP needs no extension headers. NDP behind them is an attempt to evade filters (RFC 6980, RFC 7113). Multicast
    listener reports carry a hop-by-hop option and are normal.
    """
    at = ICMP6
    fragmented = False
    while following in _EXTENSIONS:
        if len(frame) < at + 8:
            return Reason.TRUNCATED if cut else Reason.IP6_SHORT
        header, following = following, frame[at]
        if header != _FRAGMENT:
            at += (frame[at + 1] + 1) * 8
            continue
        fragmented = True
        if int.from_bytes(frame[at + 2 : at + 4], "big") >> 3:
            break  # not the first fragment: no header follows
        at += 8
    if following != ICMPV6:
        return Reason.NOT_NDP
    if fragmented:
        return Reason.FRAGMENT
    if len(frame) <= at:
        return Reason.TRUNCATED if cut else Reason.IP6_SHORT
    hidden = _ROUTER_SOLICITATION <= frame[at] <= _REDIRECT
    return Reason.EXTENSION_HEADER if hidden else Reason.NOT_NDP


def _write(
    kind: int, flags: int, target: IP, option: int, mac: MAC, source: IP, to: MAC, destination: IP
) -> bytes:
    link_layer = bytes([option, 1]) + mac
    unsummed = _MESSAGE.pack(kind, 0, 0, flags, target) + link_layer
    checksum = -remainder(source + destination, unsummed) % 0xFFFF
    message = _MESSAGE.pack(kind, 0, checksum, flags, target) + link_layer
    header = HEADER.pack(6 << 28, len(message), ICMPV6, _HOP_LIMIT, source, destination)
    return to + mac + ETHERTYPE + header + message
