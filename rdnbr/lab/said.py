"""What guests say, and hypervisors for them: finished Ethernet frames."""

from ipaddress import IPv4Address, IPv6Address

_EVERYBODY = b"\xff" * 6
_ALL_NODES = IPv6Address("ff02::1").packed
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ICMP6 = 58


def arp_request(mac: str, sender: str, target: str) -> bytes:
    """Ask for `target`; for the sender's own address that is a gratuitous ARP (RFC 5227 §3)."""
    who = _octets(mac) + IPv4Address(sender).packed
    asked = bytes(6) + IPv4Address(target).packed
    return _EVERYBODY + _octets(mac) + bytes.fromhex("0806 0001 0800 06 04 0001") + who + asked + bytes(18)


def rarp(mac: str) -> bytes:
    """Name a MAC and no address, as QEMU does for a guest that has moved (its net/announce.c)."""
    who = _octets(mac) + bytes(4)
    return _EVERYBODY + _octets(mac) + bytes.fromhex("8035 0001 0800 06 04 0003") + who + who + bytes(18)


def advertisement(mac: str, address: str) -> bytes:
    """Tell all nodes that `address` is at `mac`: a neighbour advertisement nobody asked for (RFC 4861 §7.2.6)."""
    source = IPv6Address(address).packed
    override, target_link_layer = 0x20, bytes([2, 1])
    body = bytes([override, 0, 0, 0]) + source + target_link_layer + _octets(mac)
    checksum = _sum16(
        source + _ALL_NODES + bytes([0, 0, 0, 4 + len(body), 0, 0, 0, _ICMP6, 136, 0, 0, 0]) + body
    )
    message = bytes([136, 0]) + checksum + body
    head = bytes.fromhex("60000000") + len(message).to_bytes(2, "big") + bytes([_ICMP6, 255])
    return _ALL_NODES_MAC + _octets(mac) + bytes.fromhex("86dd") + head + source + _ALL_NODES + message


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _sum16(words: bytes) -> bytes:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")
