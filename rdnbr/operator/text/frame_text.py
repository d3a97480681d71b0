"""A frame in one line, in the words of the field: the frame behind a decision.

scapy reads the frame, and is imported with this module only, since its import takes half a second. The line is for
people: what rdnbr decides about a frame is decided in `core.wire`.
"""

from scapy.error import Scapy_Exception
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

_RARP = 0x8035
_REQUEST, _REPLY = 1, 2
_FLAGS = (("R", "router"), ("S", "solicited"), ("O", "override"))


def frame_text(frame: bytes) -> str:
    """Return one line about an Ethernet frame, which may be cut short or malformed.

    ARP and neighbour discovery are spelled out (RFC 826, RFC 4861 §4); of other frames scapy's summary is returned.
    """
    if len(frame) < 14:
        return f"{len(frame)} bytes, too short for an Ethernet frame"
    packet = Ether(frame)
    addresses = f"{packet.src} > {packet.dst}"
    try:
        if packet.type == _RARP and len(frame) >= 42:
            return f"{addresses}, {_rarp(frame)}"
        return f"{addresses}, {_layer(packet)}"
    except (Scapy_Exception, AttributeError, ValueError) as error:
        return f"{addresses}, ethertype {packet.type:#06x}, not readable ({error})"


def _rarp(frame: bytes) -> str:
    packet = ARP(frame[14:])
    return f"RARP operation {packet.op}, who has an address for {packet.hwdst}, sender {packet.hwsrc}"


def _layer(packet: Packet) -> str:
    if ARP in packet:
        return _arp(packet[ARP])
    for kind in (ICMPv6ND_NS, ICMPv6ND_NA):
        if kind in packet and IPv6 in packet:
            return _ndp(packet[IPv6], packet[kind])
    return str(packet.summary()).removeprefix("Ether / ")


def _arp(arp: Packet) -> str:
    sender = f"{arp.psrc} ({arp.hwsrc})"
    if arp.op == _REQUEST and arp.psrc == "0.0.0.0":  # noqa: S104 (an address in a frame, not to bind to)
        return f"ARP probe, who has {arp.pdst}, sender {arp.hwsrc}"
    if arp.psrc == arp.pdst and arp.op in (_REQUEST, _REPLY):
        return f"ARP announcement, {sender}"
    if arp.op == _REQUEST:
        return f"ARP request, who has {arp.pdst}, tell {sender}"
    if arp.op == _REPLY:
        return f"ARP reply, {arp.psrc} is at {arp.hwsrc}, to {arp.pdst}"
    return f"ARP operation {arp.op}, sender {sender}, target {arp.pdst}"


def _ndp(ip: Packet, message: Packet) -> str:
    if isinstance(message, ICMPv6ND_NA):
        flags = ", ".join(name for flag, name in _FLAGS if message.getfieldval(flag))
        option = _link_layer(message, ICMPv6NDOptDstLLAddr, "target link-layer address")
        return f"NA, {ip.src} > {ip.dst}, target {message.tgt}, flags [{flags}]{option}"
    option = _link_layer(message, ICMPv6NDOptSrcLLAddr, "source link-layer address")
    name = "NS (DAD)" if ip.src == "::" else "NS"
    return f"{name}, {ip.src} > {ip.dst}, who has {message.tgt}{option}"


def _link_layer(message: Packet, option: type[Packet], name: str) -> str:
    return f", {name} {message[option].lladdr}" if option in message else ""
