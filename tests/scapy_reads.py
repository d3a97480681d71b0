"""Decodes a frame with scapy to a claim, as an oracle for the decoder."""

from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrHopByHop,
    RouterAlert,
    _ICMPv6NDGuessPayload,
    in6_chksum,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils6 import in6_ismaddr

from rdnbr.core.model.address import MAC, parse_ip, parse_mac
from rdnbr.core.model.claim import Claim, Proof, Source


class LostError(Exception):
    """scapy cannot decode the frame: it assumes a fixed length for some options, and then misreads what follows."""


def scapy_reads(data: bytes) -> Claim:
    """Decode the claim of a frame with scapy, and assert that no rule refuses the frame.

    Raises:
        LostError: scapy cannot decode the frame.
        AssertionError: a rule refuses the frame.
    """
    below = packet = Ether(data)
    while isinstance(below.payload, Dot1Q):
        below = below.payload
        assert below.vlan == 0
    ether = parse_mac(packet.src)
    if below.type != 0x86DD:  # scapy knows the format of RARP, but not its ethertype
        return _arp_claim(ARP(bytes(below.payload)), ether, reverse=below.type == 0x8035)
    ip = packet[IPv6]
    if not isinstance(ip.payload, ICMPv6ND_NS | ICMPv6ND_NA):
        return _presence(ip, ether)
    assert (ip.version, ip.nh, ip.hlim, ip.payload.code) == (6, 58, 255, 0)
    assert not in6_ismaddr(ip.payload.tgt)
    assert in6_chksum(58, ip, ip.original[40 : 40 + ip.plen]) == 0
    for option in list(ip.payload.iterpayloads())[1:]:
        if isinstance(option, Raw):
            raise LostError
        if isinstance(option, _ICMPv6NDGuessPayload) and len(option) - len(option.payload) != option.len * 8:
            raise LostError
    return _ndp_claim(ip, ether)


def _presence(ip: IPv6, ether: MAC) -> Claim:
    at = 40
    assert ip.version == 6
    assert not in6_ismaddr(ip.src)
    if ip.nh == 0:
        hop_by_hop = IPv6ExtHdrHopByHop(ip.original[40:])
        assert (ip.hlim, hop_by_hop.nh, hop_by_hop.len) == (1, 58, 0)
        assert any(isinstance(option, RouterAlert) and option.value == 0 for option in hop_by_hop.options)
        message = ICMPv6Unknown(ip.original[48 : 40 + ip.plen])
        assert message.type in (131, 132, 143)
        at = 48
    else:
        message = ICMPv6Unknown(ip.original[40 : 40 + ip.plen])
        assert (ip.nh, ip.hlim, message.type) == (58, 255, 133)
    assert message.code == 0
    assert ip.plen - (at - 40) >= (24 if message.type in (131, 132) else 8)
    pseudo = IPv6(src=ip.src, dst=ip.dst, nh=58)
    assert in6_chksum(58, pseudo, ip.original[at : 40 + ip.plen]) == 0
    return Claim(Source.PRESENCE, Proof.PRESENCE, None, ether, ether, None)


def _arp_claim(arp: ARP, ether: MAC, *, reverse: bool) -> Claim:
    assert (arp.hwtype, arp.ptype, arp.hwlen, arp.plen) == (1, 0x0800, 6, 4)
    mac, spa, tpa = parse_mac(arp.hwsrc), parse_ip(arp.psrc), parse_ip(arp.pdst)
    match reverse, arp.op, arp.psrc:
        case True, 3, _:
            return Claim(Source.RARP, Proof.PRESENCE, None, mac, ether, None)
        case False, 1, "0.0.0.0":
            return Claim(Source.ARP_PROBE, Proof.INTENT, tpa, mac, ether, None, tpa)
        case False, 1 | 2, arp.pdst:
            return Claim(Source.ARP_ANNOUNCEMENT, Proof.USE, spa, mac, ether, None, tpa)
        case False, 1, _:
            return Claim(Source.ARP_REQUEST, Proof.USE, spa, mac, ether, None, tpa)
        case False, 2, _:
            return Claim(Source.ARP_REPLY, Proof.USE, spa, mac, ether, None, tpa)
    raise AssertionError(f"no claim in {arp!r}")


def _ndp_claim(ip: IPv6, ether: MAC) -> Claim:
    source, target = parse_ip(ip.src), parse_ip(ip.payload.tgt)
    if ICMPv6ND_NA in ip:
        said = ip[ICMPv6ND_NA]
        mac = parse_mac(ip[ICMPv6NDOptDstLLAddr].lladdr) if ICMPv6NDOptDstLLAddr in ip else ether
        if said.S:
            return Claim(Source.NA, Proof.USE, target, mac, ether, None, parse_ip(ip.dst), bool(said.O))
        return Claim(Source.NA_UNSOLICITED, Proof.USE, target, mac, ether, None, None, bool(said.O))
    if ip.src == "::":
        unknown = [layer for layer in ip.iterpayloads() if isinstance(layer, ICMPv6NDOptUnknown)]
        nonce = next((option.data for option in unknown if option.type == 14), b"")
        return Claim(Source.NS_DAD, Proof.INTENT, target, ether, ether, None, target, nonce=nonce)
    if ICMPv6NDOptSrcLLAddr in ip:
        mac = parse_mac(ip[ICMPv6NDOptSrcLLAddr].lladdr)
        return Claim(Source.NS, Proof.USE, source, mac, ether, None, target)
    return Claim(Source.NS, Proof.INTENT, source, ether, ether, None, target)


def with_checksum(data: bytearray) -> bytes:
    """Set the right ICMPv6 checksum in an untagged frame, computed word by word as in RFC 1071."""
    size = int.from_bytes(data[18:20], "big")
    if data[12:14] != b"\x86\xdd" or size < 4 or len(data) < 54 + size:
        return bytes(data)
    data[56:58] = bytes(2)
    summed = bytes(data[22 : 54 + size]) + bytes(size % 2) + size.to_bytes(4, "big") + bytes([0, 0, 0, 58])
    total = sum(int.from_bytes(summed[at : at + 2], "big") for at in range(0, len(summed), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    data[56:58] = (total ^ 0xFFFF).to_bytes(2, "big")
    return bytes(data)
