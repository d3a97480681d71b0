"""The attributes of a netlink message: length, type, value, each padded to four bytes (linux/netlink.h, nlattr)."""

import struct

_HEADER = struct.Struct("=HH")
_TYPE = 0x3FFF
"""Mask of the type. The other two bits are flags: NLA_F_NESTED, NLA_F_NET_BYTEORDER."""


def attributes(message: bytes, start: int = 0) -> dict[int, bytes]:
    """Return the attributes after the first `start` bytes: the value of each by its type.

    If a type occurs twice, the last value counts. An attribute that is cut short is left out.
    """
    found: dict[int, bytes] = {}
    while start + _HEADER.size <= len(message):
        length, kind = _HEADER.unpack_from(message, start)
        if length < _HEADER.size or start + length > len(message):
            break
        found[kind & _TYPE] = message[start + _HEADER.size : start + length]
        start += (length + 3) & ~3
    return found
