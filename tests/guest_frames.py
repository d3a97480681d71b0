"""The frames that guests send, built by scapy. It shares no code with the decoder under test."""

from functools import cache
from ipaddress import ip_address

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrHopByHop,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Ether
from scapy.utils6 import in6_getnsma, in6_getnsmac, in6_mactoifaceid, in6_ptop

EVERYBODY = "ff:ff:ff:ff:ff:ff"
ALL_NODES = "33:33:00:00:00:01"
NODE = "02:00:00:00:00:01"


def request(mac: str, address: str, target: str) -> bytes:
    """Return an ARP request or a solicitation for `target`, sent from `address`."""
    if ":" not in address:
        return _arp(mac, EVERYBODY, op=1, psrc=address, pdst=target)
    group, to = _group(target)
    return _ip6(mac, to, address, group, ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=mac))


def unconfirmed(mac: str, address: str, target: str) -> bytes:
    """Return a solicitation from an optimistic address: without a link-layer option (RFC 4429)."""
    group, to = _group(target)
    return _ip6(mac, to, address, group, ICMPv6ND_NS(tgt=target))


def reply(mac: str, address: str, asker: str, *, override: bool = True) -> bytes:
    """Return the answer to a probe of the node, whose address is `asker`."""
    if ":" not in address:
        return _arp(mac, NODE, op=2, psrc=address, pdst=asker, hwdst=NODE)
    answer = ICMPv6ND_NA(R=0, S=1, O=int(override), tgt=address)
    return _ip6(mac, NODE, address, asker, answer / ICMPv6NDOptDstLLAddr(lladdr=mac))


def announcement(mac: str, address: str, *, override: bool = True) -> bytes:
    """Return a gratuitous ARP or an unsolicited advertisement for `address`."""
    if ":" not in address:
        return _arp(mac, EVERYBODY, op=1, psrc=address, pdst=address)
    news = ICMPv6ND_NA(R=0, S=0, O=int(override), tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    return _ip6(mac, ALL_NODES, address, "ff02::1", news)


def packet(mac: str, source: str) -> bytes:
    """Return an IP packet from `source` to a host outside the network."""
    if ":" not in source:
        return bytes(Ether(src=mac, dst=NODE) / IP(src=source, dst="192.0.2.1") / UDP())
    return bytes(Ether(src=mac, dst=NODE) / IPv6(src=source, dst="2001:db8::1") / UDP())


def intent(mac: str, address: str, nonce: bytes = b"") -> bytes:
    """Return the frame that a guest sends before it takes `address`: an ARP probe, or a DAD solicitation."""
    if ":" not in address:
        return _arp(mac, EVERYBODY, op=1, psrc="0.0.0.0", pdst=address)
    group, to = _group(address)
    question = ICMPv6ND_NS(tgt=address)
    if nonce:
        question /= ICMPv6NDOptUnknown(type=14, len=(len(nonce) + 2) // 8, data=nonce)
    return _ip6(mac, to, "::", group, question)


def rarp(mac: str) -> bytes:
    """Return the RARP that QEMU sends for a migrated guest."""
    return _arp(mac, EVERYBODY, 0x8035, op=3, hwdst=mac, psrc="0.0.0.0", pdst="0.0.0.0")


def link_local(mac: str) -> str:
    """Return the link-local address of a MAC (RFC 4291, appendix A)."""
    return in6_ptop(f"fe80::{in6_mactoifaceid(mac)}")


def router_solicitation(mac: str) -> bytes:
    """Return a router solicitation from the link-local address."""
    return _ip6(mac, "33:33:00:00:00:02", link_local(mac), "ff02::2", ICMPv6ND_RS())


def listener_report(mac: str, *addresses: str) -> bytes:
    """Return an MLDv2 report of the solicited-node groups of `addresses`, from the link-local address."""
    records = [ICMPv6MLDMultAddrRec(rtype=4, dst=_group(address)[0]) for address in addresses]
    ip = IPv6(src=link_local(mac), dst="ff02::16", hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()])
    return bytes(Ether(src=mac, dst="33:33:00:00:00:16") / ip / ICMPv6MLReport2(records=records))


@cache
def _arp(mac: str, to: str, ethertype: int = 0x0806, **fields: object) -> bytes:
    return bytes(Ether(src=mac, dst=to, type=ethertype) / ARP(hwsrc=mac, **fields)).ljust(60, b"\0")


_built: dict[tuple[object, ...], bytes] = {}


def _ip6(mac: str, to: str, source: str, destination: str, message: object) -> bytes:
    key = (mac, to, source, destination, message.command())
    if key not in _built:
        _built[key] = bytes(Ether(src=mac, dst=to) / IPv6(src=source, dst=destination, hlim=255) / message)
    return _built[key]


def _group(target: str) -> tuple[str, str]:
    group = in6_getnsma(ip_address(target).packed)
    return in6_ptop(str(ip_address(group))), in6_getnsmac(group)
