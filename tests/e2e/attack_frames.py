"""An attacker's frames, made with scapy: each kind of claim, and each kind of malformed frame."""

from collections.abc import Callable
from ipaddress import IPv6Address

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

GATEWAY4, GATEWAY6 = "169.254.0.1", "fe80::1"
NODE_MAC = "02:52:44:4e:42:52"
BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES = "ff02::1"
ALL_NODES_MAC = "33:33:00:00:00:01"
GROUP_MAC = "03:00:00:00:00:01"
OTHER_MAC = "02:00:00:00:00:99"

Build = Callable[[str], Packet]
"""Makes the frame of an attacker whose MAC is given."""


def arp(mac: str, sender: str, target: str = GATEWAY4, **fields: object) -> Packet:
    """Return a request for `target`, or another frame by `fields` of the ARP header and `to`."""
    to = fields.pop("to", BROADCAST)
    return Ether(src=mac, dst=to) / ARP(**{"op": 1, "hwsrc": mac, "psrc": sender, "pdst": target, **fields})


def ns(mac: str, source: str, target: str = GATEWAY6, *options: Packet, **header: object) -> Packet:
    """Return a solicitation to the target's solicited-node group."""
    group = solicited_node(target)
    ether = Ether(src=mac, dst="33:33:" + IPv6Address(group).packed[-4:].hex(":"))
    return ip6(ether, source, group, ICMPv6ND_NS(tgt=target), *options, **header)


def na(mac: str, target: str, *options: Packet, to: str = ALL_NODES, flags: str = "O", **header) -> Packet:
    """Return an advertisement of `target` to `to`."""
    ether = Ether(src=mac, dst=ALL_NODES_MAC if to == ALL_NODES else NODE_MAC)
    message = ICMPv6ND_NA(tgt=target, R=0, S=int("S" in flags), O=int("O" in flags))
    return ip6(ether, header.pop("source", target), to, message, *options, **header)


def ip6(ether: Packet, source: str, destination: str, message: Packet, *options: Packet, **header) -> Packet:
    """Put `message` and its options behind an IPv6 header, `behind` after extension headers."""
    behind = header.pop("behind", None)
    packet = ether / IPv6(**{"src": source, "dst": destination, "hlim": 255, **header})
    packet = packet / behind if behind is not None else packet
    for part in (message, *options):
        packet = packet / part
    return packet


def sllao(mac: str) -> Packet:
    """Make a source link-layer address option."""
    return ICMPv6NDOptSrcLLAddr(lladdr=mac)


def tllao(mac: str) -> Packet:
    """Make a target link-layer address option."""
    return ICMPv6NDOptDstLLAddr(lladdr=mac)


def solicited_node(address: str) -> str:
    """Return the solicited-node group of an address."""
    return str(IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + IPv6Address(address).packed[-3:]))


def kinds4(address: str) -> dict[str, Build]:
    """Return every kind of claim to an IPv4 address."""
    return {
        "ARP request": lambda mac: arp(mac, address),
        "ARP reply": lambda mac: arp(mac, address, op=2, to=NODE_MAC, hwdst=NODE_MAC),
        "ARP announcement": lambda mac: arp(mac, address, address),
        "ARP announcement as reply": lambda mac: arp(mac, address, address, op=2, hwdst=BROADCAST),
        "ARP probe": lambda mac: arp(mac, "0.0.0.0", address),
    }


def kinds6(address: str) -> dict[str, Build]:
    """Return every kind of claim to an IPv6 address, except the NA without the Override flag."""
    return {
        "NS": lambda mac: ns(mac, address, GATEWAY6, sllao(mac)),
        "NS without link-layer option": lambda mac: ns(mac, address),
        "DAD": lambda mac: ns(mac, "::", address),
        "solicited NA": lambda mac: na(mac, address, tllao(mac), to=GATEWAY6, flags="SO"),
        "unsolicited NA": lambda mac: na(mac, address, tllao(mac)),
    }


def without_override(address: str) -> dict[str, Build]:
    """Return the claim to an IPv6 address without the Override flag."""
    return {"NA without override": lambda mac: na(mac, address, tllao(mac), flags="")}


def rarp(mac: str) -> Packet:
    """Return the RARP that a hypervisor sends after a migration; it names only a MAC."""
    packet = arp(mac, "0.0.0.0", "0.0.0.0", op=3, hwdst=mac)
    packet.type = 0x8035
    return packet


def data4(mac: str, source: str) -> Packet:
    """Return a datagram from another guest's IPv4 address."""
    return Ether(src=mac, dst=NODE_MAC) / IP(src=source, dst="198.51.100.0") / UDP(sport=9, dport=9)


def data6(mac: str, source: str) -> Packet:
    """Return a datagram from another guest's IPv6 address."""
    return Ether(src=mac, dst=NODE_MAC) / IPv6(src=source, dst="2001:db8:ffff::") / UDP(sport=9, dport=9)


def tagged(packet: Packet, *tags: Packet) -> Packet:
    """Return the packet with VLAN tags after its Ethernet header, outermost first."""
    payload, kind = packet.payload, packet.type
    ether = Ether(src=packet.src, dst=packet.dst)
    for tag in tags:
        ether = ether / tag
    ether.lastlayer().type = kind
    return ether / payload


def malformed4(address: str) -> dict[str, tuple[str, Build]]:
    """Return malformed claims to an IPv4 address, each with the reason of its refusal."""
    return {
        "Tagged with VLAN 100": ("tagged", lambda mac: tagged(arp(mac, address), Dot1Q(vlan=100))),
        "Tagged twice (QinQ)": (
            "tagged",
            lambda mac: tagged(arp(mac, address), Dot1AD(vlan=7, type=0x8100), Dot1Q(vlan=100)),
        ),
        "VLAN 100 inside a priority tag": (
            "tagged",
            lambda mac: tagged(arp(mac, address), Dot1Q(vlan=0, prio=6, type=0x8100), Dot1Q(vlan=100)),
        ),
        "Ethernet source is a group": ("bad-source-mac", lambda _: arp(GROUP_MAC, address)),
        "Ethernet source is zero": ("bad-source-mac", lambda _: arp("00:00:00:00:00:00", address)),
        "Ethernet source is the node's": ("own-mac", lambda _: arp(NODE_MAC, address)),
        "ARP sender is the node's MAC": ("own-mac", lambda mac: arp(mac, address, hwsrc=NODE_MAC)),
        "ARP sender differs from the Ethernet source": (
            "mac-mismatch",
            lambda mac: arp(mac, address, hwsrc=OTHER_MAC),
        ),
        "ARP sender is a group": ("arp-sender-mac", lambda mac: arp(mac, address, hwsrc=GROUP_MAC)),
        "ARP sender is zero": ("arp-sender-mac", lambda mac: arp(mac, address, hwsrc="00:00:00:00:00:00")),
        "ARP reply from 0.0.0.0": ("arp-reply-from-zero", lambda mac: arp(mac, "0.0.0.0", address, op=2)),
        "ARP cut short": ("arp-short", lambda mac: Ether(bytes(arp(mac, address))[:34])),
        "ARP for token ring": ("arp-format", lambda mac: arp(mac, address, hwtype=4)),
        "ARP for another protocol": ("arp-format", lambda mac: arp(mac, address, ptype=0x86DD)),
        "InARP": ("arp-operation", lambda mac: arp(mac, address, op=8)),
    }


def malformed6(address: str) -> dict[str, tuple[str, Build]]:
    """Return malformed claims to an IPv6 address, each with the reason of its refusal."""
    return {
        "NS tagged with VLAN 100": (
            "tagged",
            lambda mac: tagged(ns(mac, address, GATEWAY6, sllao(mac)), Dot1Q(vlan=100)),
        ),
        "Hop limit of an NS is not 255": (
            "hop-limit",
            lambda mac: ns(mac, address, GATEWAY6, sllao(mac), hlim=254),
        ),
        "Hop limit of an NA is not 255": ("hop-limit", lambda mac: na(mac, address, tllao(mac), hlim=64)),
        "Checksum is wrong": (
            "checksum",
            lambda mac: _with_fields(na(mac, address, tllao(mac)), ICMPv6ND_NA, cksum=0x1234),
        ),
        "Code is not 0": (
            "code",
            lambda mac: _with_fields(na(mac, address, tllao(mac)), ICMPv6ND_NA, code=1),
        ),
        "Fragmented": (
            "fragment",
            lambda mac: ns(mac, address, GATEWAY6, sllao(mac), behind=IPv6ExtHdrFragment()),
        ),
        "Behind hop-by-hop options": (
            "extension-header",
            lambda mac: ns(mac, address, GATEWAY6, sllao(mac), behind=IPv6ExtHdrHopByHop()),
        ),
        "Behind destination options": (
            "extension-header",
            lambda mac: na(mac, address, tllao(mac), behind=IPv6ExtHdrDestOpt()),
        ),
        "Behind a routing header": (
            "extension-header",
            lambda mac: na(mac, address, tllao(mac), behind=IPv6ExtHdrRouting(addresses=[])),
        ),
        "IP version is not 6": ("ip6-version", lambda mac: na(mac, address, tllao(mac), version=4)),
        "Payload longer than the frame": ("ip6-short", lambda mac: na(mac, address, tllao(mac), plen=200)),
        "Message cut short": ("ndp-short", lambda mac: na(mac, address, plen=20)),
        "DAD with a link-layer option": (
            "dad-with-link-layer",
            lambda mac: ns(mac, "::", address, sllao(mac)),
        ),
        "DAD to all nodes": ("dad-destination", lambda mac: ns(mac, "::", address, dst=ALL_NODES)),
        "Solicited NA to all nodes": (
            "solicited-multicast",
            lambda mac: na(mac, address, tllao(mac), flags="SO"),
        ),
        "NA to all nodes without link-layer option": (
            "no-target-link-layer",
            lambda mac: na(mac, address),
        ),
        "Target link-layer address differs from the Ethernet source": (
            "mac-mismatch",
            lambda mac: na(mac, address, tllao(OTHER_MAC)),
        ),
        "Source link-layer address differs from the Ethernet source": (
            "mac-mismatch",
            lambda mac: ns(mac, address, GATEWAY6, sllao(OTHER_MAC)),
        ),
        "Link-layer option is a group": (
            "link-layer-option",
            lambda mac: na(mac, address, tllao(GROUP_MAC)),
        ),
        "Two link-layer options that differ": (
            "option-conflict",
            lambda mac: na(mac, address, tllao(mac), tllao(OTHER_MAC)),
        ),
        "Option of length 0": (
            "option",
            lambda mac: na(mac, address, tllao(mac), Raw(bytes((14, 0)) + bytes(6))),
        ),
        "Option that reaches past the message": (
            "option",
            lambda mac: na(mac, address, ICMPv6NDOptUnknown(type=2, len=4, data=bytes(6))),
        ),
        "Target is a group": (
            "multicast-target",
            lambda mac: na(mac, "ff02::2", tllao(mac), source=address),
        ),
        "IPv6 source is a group": (
            "multicast-source",
            lambda mac: ns(mac, "ff02::2", GATEWAY6, sllao(mac)),
        ),
        "Router advertisement": (
            "rogue-ra",
            lambda mac: ip6(Ether(src=mac, dst=ALL_NODES_MAC), GATEWAY6, ALL_NODES, ICMPv6ND_RA()),
        ),
        "Redirect": (
            "rogue-redirect",
            lambda mac: ip6(
                Ether(src=mac, dst=ALL_NODES_MAC),
                GATEWAY6,
                ALL_NODES,
                ICMPv6ND_Redirect(tgt=address, dst="2001:db8::1"),
            ),
        ),
    }


def _with_fields(packet: Packet, layer: type[Packet], **fields: int) -> Packet:
    for name, value in fields.items():
        setattr(packet[layer], name, value)
    return packet
