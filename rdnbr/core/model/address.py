"""Addresses as the wire carries them: packed bytes in network order.

The code hashes and compares addresses for every frame, and prints them rarely. An address therefore stays bytes from
the frame to the netlink message. It becomes text only in output for people.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, NewType

IP = NewType("IP", bytes)
"""An IP address in network order: 4 bytes for IPv4, 16 bytes for IPv6."""

MAC = NewType("MAC", bytes)
"""An Ethernet address, 6 bytes."""

Family = Literal[4, 6]

ZERO_MAC = MAC(bytes(6))
BROADCAST_MAC = MAC(b"\xff" * 6)

_V4_MAPPED = bytes(10) + b"\xff\xff"

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def parse_ip(text: str) -> IP:
    """Pack an address that is written as text.

    Raises:
        ValueError: `text` is not an IPv4 or IPv6 address.
    """
    return IP(ip_address(text).packed)


def show_ip(ip: IP) -> str:
    """Write an address as text, IPv6 in the form of RFC 5952.

    An IPv4-mapped address has its last 32 bits as an IPv4 address (RFC 5952 §5). Python writes that from 3.13 on.
    """
    if len(ip) == 4:
        return str(IPv4Address(ip))
    if ip.startswith(_V4_MAPPED):
        return f"::ffff:{IPv4Address(ip[12:])}"
    return str(IPv6Address(ip))


def parse_mac(text: str) -> MAC:
    """Pack a MAC written as six hexadecimal bytes with colons or hyphens.

    Raises:
        ValueError: `text` is not a MAC.
    """
    parts = text.replace("-", ":").split(":")
    # int() also accepts a sign and the digits of other scripts.
    if len(parts) != 6 or not all(len(part) in (1, 2) and _HEXADECIMAL.issuperset(part) for part in parts):
        raise ValueError(f"{text!r} is not a MAC address (six hexadecimal bytes such as 52:02:45:76:d2:35)")
    return MAC(bytes(int(part, 16) for part in parts))


def show_mac(mac: MAC) -> str:
    """Write a MAC in lower case with colons."""
    return mac.hex(":")


def family(ip: IP) -> Family:
    """Return the IP version of an address."""
    return 4 if len(ip) == 4 else 6
