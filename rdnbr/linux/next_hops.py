"""The next hops of the node's own routes: routers that a guest must not be able to impersonate.

Read from the routes that people, DHCP and router advertisements made, and from the nexthop objects that routing
daemons share between their routes (zebra does), of which there are few where there may be a million routes.
Routes of routing daemons themselves are not read: their next hops are neighbours on connected prefixes, which are
refused anyway.
"""

import struct
from collections.abc import Iterator
from socket import AF_INET, AF_INET6

from rdnbr.core.address import IP
from rdnbr.linux.netlink import NetlinkSocket
from rdnbr.linux.rtnetlink import RTM_GETROUTE, Request

ORIGINS = (3, 4, 9, 16)
"""RTPROT_BOOT (a bare `ip route add`), _STATIC, _RA, _DHCP: linux/rtnetlink.h."""

_RTM_GETNEXTHOP = 106
_RTMSG = struct.Struct("=BBBBBBBBI")
_NHMSG = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_RTNEXTHOP = struct.Struct("=HBBi")
_RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA = 5, 9, 18
_NHA_GATEWAY = 6
_NESTED = 0x3FFF


def next_hops() -> frozenset[IP]:
    """Read the next hops there are now.

    Raises:
        OSError: netlink does not answer.
    """
    netlink = NetlinkSocket()
    found: set[IP] = set()
    try:
        for family in (AF_INET, AF_INET6):
            for origin in ORIGINS:
                request = Request(RTM_GETROUTE, 0, _RTMSG.pack(family, 0, 0, 0, 0, origin, 0, 0, 0))
                for message in netlink.dump(request):
                    found.update(_of_route(message.body[_RTMSG.size :]))
        for message in netlink.dump(Request(_RTM_GETNEXTHOP, 0, _NHMSG.pack(0, 0, 0, 0, 0))):
            attributes = message.body[_NHMSG.size :]
            found.update(IP(value) for kind, value in _attributes(attributes) if kind == _NHA_GATEWAY)
    finally:
        netlink.close()
    return frozenset(found)


def _of_route(attributes: bytes) -> Iterator[IP]:
    for kind, value in _attributes(attributes):
        if kind == _RTA_GATEWAY:
            yield IP(value)
        elif kind == _RTA_VIA:  # an IPv6 next hop of an IPv4 route: family, address (RFC 8950)
            yield IP(value[2:])
        elif kind == _RTA_MULTIPATH:
            while len(value) >= _RTNEXTHOP.size:
                length = _RTNEXTHOP.unpack_from(value)[0]
                yield from _of_route(value[_RTNEXTHOP.size : length])
                value = value[max(length, _RTNEXTHOP.size) :]  # noqa: PLW2901 (walks along the list)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & _NESTED, data[_ATTRIBUTE.size : length]
        data = data[max((length + 3) & ~3, _ATTRIBUTE.size) :]
