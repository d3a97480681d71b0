"""The IPv6 header before an ICMPv6 message, and the checksum of the message (RFC 8200, RFC 4443)."""

from struct import Struct

HEADER = Struct("!IHBB16s16s")
"""Version, traffic class and flow label; payload length, next header, hop limit; source and destination."""

IP6 = 14
ICMP6 = IP6 + HEADER.size
"""Offsets of the IPv6 header, and of what follows it, in the frame, in bytes."""

ICMPV6, HOP_BY_HOP = 58, 0
"""Next headers."""


def remainder(addresses: bytes, message: bytes) -> int:
    """Return the one's complement sum of pseudo header and message (RFC 8200 §8.1). It is 0 if the checksum is right.

    65536 is 1 modulo 65535. Therefore a number of many 16-bit digits has the same remainder as the sum of its digits.

    Args:
        addresses: source and destination of the packet.
        message: the ICMPv6 message, with its checksum.
    """
    digits = addresses + message + bytes(len(message) % 2)
    return (int.from_bytes(digits, "big") + len(message) + ICMPV6) % 0xFFFF
