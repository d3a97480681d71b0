"""Addresses as the wire carries them: network order, packed.

The per-frame path hashes and compares addresses far more often than anybody reads one, so they stay bytes from
the frame to the netlink message, and become text only where a person meets them.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, NewType

IP = NewType("IP", bytes)
"""An address in network order; its length, 4 or 16 bytes, tells its family."""

MAC = NewType("MAC", bytes)
"""An Ethernet address, 6 bytes."""

Family = Literal[4, 6]

ZERO_MAC = MAC(bytes(6))
BROADCAST_MAC = MAC(b"\xff" * 6)

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def parse_ip(text: str) -> IP:
    """Pack an address written in the usual way.

    Raises:
        ValueError: `text` is not an IPv4 or IPv6 address.
    """
    return IP(ip_address(text).packed)


def show_ip(ip: IP) -> str:
    """Write an address in the usual way (IPv6 as RFC 5952 has it)."""
    return str(IPv4Address(ip) if len(ip) == 4 else IPv6Address(ip))


def parse_mac(text: str) -> MAC:
    """Pack a MAC written as six hexadecimal bytes with colons or hyphens.

    Raises:
        ValueError: `text` is not one.
    """
    parts = text.replace("-", ":").split(":")
    # int() would also take a sign, and the digits of other scripts.
    if len(parts) != 6 or not all(len(part) in (1, 2) and _HEXADECIMAL.issuperset(part) for part in parts):
        raise ValueError(f"{text!r} is not a MAC address (six hexadecimal bytes such as 52:02:45:76:d2:35)")
    return MAC(bytes(int(part, 16) for part in parts))


def show_mac(mac: MAC) -> str:
    """Write a MAC with colons, lower case."""
    return mac.hex(":")


def family(ip: IP) -> Family:
    """Return 4 or 6."""
    return 4 if len(ip) == 4 else 6
