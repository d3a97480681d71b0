"""Frames that a guest sends to its neighbours on the bridge: those that enforcement drops and those that it passes."""

from collections.abc import Callable
from typing import NamedTuple

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

EVERYBODY = "ff:ff:ff:ff:ff:ff"
ALL_NODES = "33:33:00:00:00:01"
GATEWAY4, GATEWAY6 = "169.254.0.1", "fe80::1"


class Identity(NamedTuple):
    """A guest, as frames name it."""

    mac: str
    four: str
    six: str
    local: str
    """Its link-local address."""


Frame = Callable[[Identity, Identity, Identity], Packet]
"""Builds a frame from the sender, the victim, and the guest whose address is forged."""


def _arp(me: Identity, to: str = EVERYBODY, ether: str | None = None, **fields: object) -> Packet:
    return Ether(src=ether or me.mac, dst=to) / ARP(**{"hwsrc": me.mac, **fields}) / Raw(bytes(18))


def _nd(
    me: Identity, source: str, to: str, destination: str, message: Packet, ether: str | None = None
) -> Packet:
    return Ether(src=ether or me.mac, dst=to) / IPv6(src=source, dst=destination, hlim=255) / message


def _na(target: str, mac: str) -> Packet:
    return ICMPv6ND_NA(R=0, S=0, O=1, tgt=target) / ICMPv6NDOptDstLLAddr(lladdr=mac)


def _ns(target: str, mac: str) -> Packet:
    return ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=mac)


def _tagged(frame: Packet, vlan: int = 0) -> Packet:
    return Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=vlan, prio=6) / frame.payload


SPOOFS: dict[str, Frame] = {
    # Forged sender addresses
    "arp request": lambda b, a, c: _arp(b, op=1, psrc=c.four, pdst=a.four),
    "arp request, unicast": lambda b, a, c: _arp(b, a.mac, op=1, psrc=c.four, pdst=a.four),
    "arp reply": lambda b, a, c: _arp(b, a.mac, op=2, psrc=c.four, pdst=a.four, hwdst=a.mac),
    "arp announcement": lambda b, a, c: _arp(b, op=1, psrc=c.four, pdst=c.four),
    "arp announcement as a reply": lambda b, a, c: _arp(b, op=2, psrc=c.four, pdst=c.four),
    "arp announcement in the ethernet name of its owner": lambda b, a, c: _arp(
        b, op=1, ether=c.mac, psrc=c.four, pdst=c.four
    ),
    "arp announcement in the whole name of its owner": lambda b, a, c: _arp(
        b, op=1, ether=c.mac, hwsrc=c.mac, psrc=c.four, pdst=c.four
    ),
    "arp announcement with its owner's mac inside": lambda b, a, c: _arp(
        b, op=1, hwsrc=c.mac, psrc=c.four, pdst=c.four
    ),
    "arp announcement of its own address at another's mac": lambda b, a, c: _arp(
        b, op=1, hwsrc=c.mac, psrc=b.four, pdst=b.four
    ),
    "arp reply from nowhere": lambda b, a, c: _arp(b, a.mac, op=2, psrc="0.0.0.0", pdst=a.four),
    "arp request of an address that nobody has": lambda b, a, c: _arp(
        b, op=1, psrc="2.57.57.99", pdst=a.four
    ),
    "ns": lambda b, a, c: _nd(b, c.six, a.mac, a.six, _ns(a.six, b.mac)),
    "ns without option": lambda b, a, c: _nd(b, c.six, a.mac, a.six, ICMPv6ND_NS(tgt=a.six)),
    "ns from its own address, another's mac inside": lambda b, a, c: _nd(
        b, b.six, a.mac, a.six, _ns(a.six, c.mac)
    ),
    "ns from its own address, another's mac in a second option": lambda b, a, c: _nd(
        b, b.six, a.mac, a.six, _ns(a.six, b.mac) / ICMPv6NDOptSrcLLAddr(lladdr=c.mac)
    ),
    "na": lambda b, a, c: _nd(b, c.six, ALL_NODES, "ff02::1", _na(c.six, b.mac)),
    "na, unicast": lambda b, a, c: _nd(b, c.six, a.mac, a.six, _na(c.six, b.mac)),
    "na from its own address": lambda b, a, c: _nd(b, b.six, ALL_NODES, "ff02::1", _na(c.six, b.mac)),
    "na from its link-local address": lambda b, a, c: _nd(
        b, b.local, ALL_NODES, "ff02::1", _na(c.six, b.mac)
    ),
    "na without option": lambda b, a, c: _nd(b, b.local, a.mac, a.six, ICMPv6ND_NA(R=0, S=1, O=1, tgt=c.six)),
    "na in the ethernet name of its owner": lambda b, a, c: _nd(
        b, c.six, a.mac, a.six, _na(c.six, b.mac), ether=c.mac
    ),
    "na of its own address at another's mac": lambda b, a, c: _nd(b, b.six, a.mac, a.six, _na(b.six, c.mac)),
    "na of its own address, the mac in a later option": lambda b, a, c: _nd(
        b,
        b.six,
        a.mac,
        a.six,
        ICMPv6ND_NA(R=0, S=0, O=1, tgt=b.six)
        / ICMPv6NDOptUnknown(type=14, len=1, data=bytes(6))
        / ICMPv6NDOptDstLLAddr(lladdr=c.mac),
    ),
    "na of its own address from another's": lambda b, a, c: _nd(b, c.six, a.mac, a.six, _na(b.six, b.mac)),
    "na of its own address in another's ethernet name": lambda b, a, c: _nd(
        b, b.local, a.mac, a.six, _na(b.six, b.mac), ether=c.mac
    ),
    "na behind an extension header": lambda b, a, c: _nd(
        b, b.six, a.mac, a.six, IPv6ExtHdrDestOpt() / _na(c.six, b.mac)
    ),
    # Forged gateway
    "arp request as the gateway": lambda b, a, c: _arp(b, op=1, psrc=GATEWAY4, pdst=a.four),
    "arp reply as the gateway": lambda b, a, c: _arp(b, a.mac, op=2, psrc=GATEWAY4, pdst=a.four, hwdst=a.mac),
    "arp announcement of the gateway": lambda b, a, c: _arp(b, op=1, psrc=GATEWAY4, pdst=GATEWAY4),
    "ns as the gateway": lambda b, a, c: _nd(b, GATEWAY6, a.mac, a.six, _ns(a.six, b.mac)),
    "na as the gateway": lambda b, a, c: _nd(b, GATEWAY6, a.mac, a.six, _na(GATEWAY6, b.mac)),
    "na of its own address as the gateway": lambda b, a, c: _nd(b, GATEWAY6, a.mac, a.six, _na(b.six, b.mac)),
    "na of the gateway": lambda b, a, c: _nd(b, b.local, ALL_NODES, "ff02::1", _na(GATEWAY6, b.mac)),
    "router advertisement": lambda b, a, c: _nd(
        b,
        b.local,
        ALL_NODES,
        "ff02::1",
        ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="2001:db8:bad::", prefixlen=64),
    ),
    "router advertisement behind an extension header": lambda b, a, c: _nd(
        b, b.local, ALL_NODES, "ff02::1", IPv6ExtHdrHopByHop() / ICMPv6ND_RA()
    ),
    "redirect": lambda b, a, c: _nd(
        b, GATEWAY6, a.mac, a.six, ICMPv6ND_Redirect(tgt=b.local, dst="2001:db8::1")
    ),
    "redirect from its own link-local address": lambda b, a, c: _nd(
        b, b.local, a.mac, a.six, ICMPv6ND_Redirect(tgt=b.local, dst="2001:db8::1")
    ),
    "packet from the gateway": lambda b, a, c: _nd(b, GATEWAY6, a.mac, a.six, ICMPv6EchoRequest()),
    # Forged IP packets
    "ipv4 packet": lambda b, a, c: Ether(src=b.mac, dst=a.mac) / IP(src=c.four, dst=a.four) / ICMP(),
    "ipv4 packet in the ethernet name of its owner": lambda b, a, c: (
        Ether(src=c.mac, dst=a.mac) / IP(src=c.four, dst=a.four) / ICMP()
    ),
    "ipv4 packet of its own in another's ethernet name": lambda b, a, c: (
        Ether(src=c.mac, dst=a.mac) / IP(src=b.four, dst=a.four) / ICMP()
    ),
    "ipv4 packet from an address that nobody has": lambda b, a, c: (
        Ether(src=b.mac, dst=a.mac) / IP(src="2.57.57.99", dst=a.four) / ICMP()
    ),
    "ipv4 fragment": lambda b, a, c: (
        Ether(src=b.mac, dst=a.mac) / IP(src=c.four, dst=a.four, frag=10, proto=17) / Raw(bytes(64))
    ),
    "udp from nowhere to another port than dhcp's": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=53)
    ),
    "dhcp answer": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY) / IP(src=GATEWAY4, dst="255.255.255.255") / UDP(sport=67, dport=68)
    ),
    "ipv6 packet": lambda b, a, c: _nd(b, c.six, a.mac, a.six, ICMPv6EchoRequest()),
    "ipv6 packet in the ethernet name of its owner": lambda b, a, c: _nd(
        b, c.six, a.mac, a.six, ICMPv6EchoRequest(), ether=c.mac
    ),
    "ipv6 packet from nowhere": lambda b, a, c: _nd(b, "::", a.mac, a.six, ICMPv6EchoRequest()),
    # Frames by which the bridge would learn another guest's MAC on this port
    "arp probe in another's ethernet name": lambda b, a, c: _arp(
        b, op=1, ether=c.mac, psrc="0.0.0.0", pdst="2.57.57.99"
    ),
    "dhcp discovery in another's ethernet name": lambda b, a, c: (
        Ether(src=c.mac, dst=EVERYBODY) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    ),
    "rarp in another's ethernet name": lambda b, a, c: (
        Ether(src=c.mac, dst=EVERYBODY, type=0x8035) / ARP(op=3, hwsrc=c.mac, hwdst=c.mac)
    ),
    "link-local packet in another's ethernet name": lambda b, a, c: _nd(
        b, b.local, a.mac, a.local, ICMPv6EchoRequest(), ether=c.mac
    ),
    "dad in another's ethernet name": lambda b, a, c: _nd(
        b, "::", ALL_NODES, "ff02::1", ICMPv6ND_NS(tgt="2001:db8::99"), ether=c.mac
    ),
    # Frames of protocols that are not permitted
    "tagged frame": lambda b, a, c: (
        Ether(src=b.mac, dst=a.mac) / Dot1Q(vlan=5) / IP(src=b.four, dst=a.four) / ICMP()
    ),
    "tagged spoof": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY) / Dot1Q(vlan=5) / ARP(op=1, hwsrc=b.mac, psrc=c.four, pdst=c.four)
    ),
    "spoof behind a priority tag": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY) / Dot1Q(vlan=0) / ARP(op=1, hwsrc=b.mac, psrc=c.four, pdst=c.four)
    ),
    "na from its own address behind a priority tag": lambda b, a, c: _tagged(
        SPOOFS["na from its own address"](b, a, c)
    ),
    "ns behind a priority tag": lambda b, a, c: _tagged(SPOOFS["ns"](b, a, c)),
    "ipv4 packet behind a priority tag": lambda b, a, c: _tagged(SPOOFS["ipv4 packet"](b, a, c)),
    "router advertisement behind a priority tag": lambda b, a, c: _tagged(
        SPOOFS["router advertisement"](b, a, c)
    ),
    "spoof behind two tags": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY)
        / Dot1Q(vlan=0)
        / Dot1Q(vlan=5)
        / ARP(op=1, hwsrc=b.mac, psrc=c.four, pdst=c.four)
    ),
    "provider-tagged frame": lambda b, a, c: (
        Ether(src=b.mac, dst=a.mac, type=0x88A8) / Dot1AD(vlan=0) / IP(src=b.four, dst=a.four) / ICMP()
    ),
    "frame of another type": lambda b, a, c: Ether(src=b.mac, dst=a.mac, type=0x88B5) / Raw(bytes(50)),
}
"""Dropped frames, by name. Without enforcement each of them reaches its victim."""

HONEST: dict[str, Frame] = {
    "arp request": lambda b, a, c: _arp(b, op=1, psrc=b.four, pdst=a.four),
    "arp reply": lambda b, a, c: _arp(b, a.mac, op=2, psrc=b.four, pdst=a.four, hwdst=a.mac),
    "arp announcement": lambda b, a, c: _arp(b, op=1, psrc=b.four, pdst=b.four),
    "arp probe": lambda b, a, c: _arp(b, op=1, psrc="0.0.0.0", pdst="2.57.57.99"),
    "arp request with a priority tag": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY) / Dot1Q(vlan=0) / ARP(op=1, hwsrc=b.mac, psrc=b.four, pdst=a.four)
    ),
    "na with a priority tag": lambda b, a, c: _tagged(HONEST["na"](b, a, c)),
    "ipv6 packet with a priority tag": lambda b, a, c: _tagged(HONEST["ipv6 packet"](b, a, c)),
    "rarp": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY, type=0x8035) / ARP(op=3, hwsrc=b.mac, hwdst=b.mac)
    ),
    "ipv4 packet": lambda b, a, c: Ether(src=b.mac, dst=a.mac) / IP(src=b.four, dst=a.four) / ICMP(),
    "dhcp discovery": lambda b, a, c: (
        Ether(src=b.mac, dst=EVERYBODY)
        / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=b.mac)
        / DHCP(options=[("message-type", "discover"), "end"])
    ),
    "dad": lambda b, a, c: _nd(b, "::", ALL_NODES, "ff02::1", ICMPv6ND_NS(tgt="2001:db8::99")),
    "dad with a nonce": lambda b, a, c: _nd(
        b,
        "::",
        ALL_NODES,
        "ff02::1",
        ICMPv6ND_NS(tgt="2001:db8::99") / ICMPv6NDOptUnknown(type=14, len=1, data=bytes(6)),
    ),
    "ns": lambda b, a, c: _nd(b, b.six, a.mac, a.six, _ns(a.six, b.mac)),
    "ns without option": lambda b, a, c: _nd(b, b.six, a.mac, a.six, ICMPv6ND_NS(tgt=a.six)),
    "ns from its link-local address": lambda b, a, c: _nd(b, b.local, a.mac, a.six, _ns(a.six, b.mac)),
    "na": lambda b, a, c: _nd(b, b.six, ALL_NODES, "ff02::1", _na(b.six, b.mac)),
    "na without option": lambda b, a, c: _nd(b, b.six, a.mac, a.six, ICMPv6ND_NA(R=0, S=1, O=0, tgt=b.six)),
    "na from its link-local address": lambda b, a, c: _nd(
        b, b.local, ALL_NODES, "ff02::1", _na(b.six, b.mac)
    ),
    "na of its link-local address": lambda b, a, c: _nd(
        b, b.local, ALL_NODES, "ff02::1", _na(b.local, b.mac)
    ),
    "router solicitation": lambda b, a, c: _nd(b, b.local, "33:33:00:00:00:02", "ff02::2", ICMPv6ND_RS()),
    "router solicitation from nowhere": lambda b, a, c: _nd(
        b, "::", "33:33:00:00:00:02", "ff02::2", ICMPv6ND_RS()
    ),
    "listener report from nowhere": lambda b, a, c: _nd(
        b,
        "::",
        "33:33:00:00:00:16",
        "ff02::16",
        IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6MLReport2(),
    ),
    "old listener report from nowhere": lambda b, a, c: _nd(
        b, "::", ALL_NODES, "ff02::1", IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6MLReport()
    ),
    "ipv6 packet": lambda b, a, c: _nd(b, b.six, a.mac, a.six, ICMPv6EchoRequest()),
    "link-local packet": lambda b, a, c: _nd(b, b.local, a.mac, a.local, ICMPv6EchoRequest()),
}
"""Frames that pass, by name."""
