"""Every BGP update that the upstream receives, from bgpd's own dump (MRT, RFC 6396)."""

import struct
from ipaddress import IPv4Address, IPv6Address

from rdnbr.lab import wait_for

_BGP4MP, _MESSAGES = 16, {1: 2, 4: 4}
"""Type of the records with messages; its subtypes, and the bytes of an AS number in each."""
_UPDATE = 2
_MP_REACH, _MP_UNREACH = 14, 15
_EXTENDED = 0x10
_DUMP = "/run/frr/updates.mrt"


class Updates:
    """The updates since this object was made, in order: `("announced" or "withdrawn", address)`."""

    def __init__(self, upstream):
        self._path = upstream.path(_DUMP)
        upstream.run("vtysh", "-c", "configure terminal", "-c", f"dump bgp updates {_DUMP}")
        wait_for(self._path.exists, 5, "bgpd to open its dump")

    def heard(self):
        """Return all changes so far."""
        return list(changes(self._path.read_bytes()))


def changes(dump):
    """Yield announced and withdrawn addresses of a dump's UPDATE messages; a truncated record is not complete yet."""
    at = 0
    while at + 12 <= len(dump):
        _, kind, subtype, length = struct.unpack_from(">IHHI", dump, at)
        record = dump[at + 12 : at + 12 + length]
        if len(record) < length:
            return
        at += 12 + length
        if kind == _BGP4MP and subtype in _MESSAGES:
            start = 2 * _MESSAGES[subtype]
            family = struct.unpack_from(">H", record, start + 2)[0]
            message = record[start + 4 + 2 * (4 if family == 1 else 16) :]
            if message[18] == _UPDATE:
                yield from _update(message[19:])


def _update(body):
    size = struct.unpack_from(">H", body)[0]
    yield from (("withdrawn", one) for one in _addresses(body[2 : 2 + size], 4))
    rest = body[2 + size :]
    size = struct.unpack_from(">H", rest)[0]
    attributes, announced = rest[2 : 2 + size], rest[2 + size :]
    while attributes:
        flags, name = attributes[:2]
        wide = 2 if flags & _EXTENDED else 1
        length = int.from_bytes(attributes[2 : 2 + wide], "big")
        value, attributes = attributes[2 + wide :][:length], attributes[2 + wide + length :]
        if name == _MP_REACH:
            assert value[:3] == b"\0\2\1", "IPv6 unicast"
            yield from (("announced", one) for one in _addresses(value[4 + value[3] + 1 :], 16))
        elif name == _MP_UNREACH:
            assert value[:3] == b"\0\2\1", "IPv6 unicast"
            yield from (("withdrawn", one) for one in _addresses(value[3:], 16))
    yield from (("announced", one) for one in _addresses(announced, 4))


def _addresses(prefixes, size):
    """Yield the addresses of a sequence of host prefixes."""
    while prefixes:
        assert prefixes[0] == 8 * size, "the node announces hosts only"
        packed, prefixes = prefixes[1 : 1 + size], prefixes[1 + size :]
        yield str(IPv4Address(packed) if size == 4 else IPv6Address(packed))
