"""Frames that guests of the lab send, made with scapy."""

from ipaddress import IPv6Address

from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether

BROADCAST = "ff:ff:ff:ff:ff:ff"


def arp_request(mac, sender, target="169.254.0.1"):
    """Ask for `target`; by default what a guest sends before its first packet."""
    return bytes(Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc=sender, pdst=target) / bytes(18))


def arp_probe(mac, address):
    """Ask whether anybody has `address` (RFC 5227 §1.1)."""
    return arp_request(mac, "0.0.0.0", address)


def arp_announcement(mac, address):
    """Say that `address` is here (RFC 5227 §1.1)."""
    return arp_request(mac, address, address)


def dad(mac, address):
    """Ask whether anybody has `address` (RFC 4862 §5.4.2)."""
    low = IPv6Address(address).packed[-3:].hex(":")
    group = IPv6Address("ff02::1:ff00:0").packed[:13] + IPv6Address(address).packed[-3:]
    ether = Ether(src=mac, dst=f"33:33:ff:{low}")
    return bytes(ether / IPv6(src="::", dst=str(IPv6Address(group)), hlim=255) / ICMPv6ND_NS(tgt=address))


def solicitations(seen, address):
    """Return those of the frames seen that ask for `address`."""
    asked = []
    for one in seen:
        frame = Ether(one.frame)
        if ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == address:
            asked.append(one)
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == address:
            asked.append(one)
    return asked
