"""The next hops of the node's own routes: routers that a guest must not impersonate, or guests themselves.

Each next hop has the device that it is behind. A next hop that a routing daemon resolves over another route has the
device of that route.

They are read from the routes that people, DHCP and router advertisements added, and from the nexthop objects that a
routing daemon such as zebra shares between its routes. There are few nexthop objects even for a million routes. The
routes of routing daemons are not read: their next hops are in connected prefixes, which are refused to guests anyway.
"""

import struct
import sys
from collections.abc import Iterator
from socket import AF_INET, AF_INET6

from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import NextHop
from rdnbr.linux.netlink.attributes import attributes
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import (
    RTA_GATEWAY,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_VIA,
    RTMSG,
    Request,
    dump_routes,
)

ORIGINS = (3, 4, 9, 16)
"""RTPROT_BOOT (a bare `ip route add`), _STATIC, _RA, _DHCP: linux/rtnetlink.h."""

_RTM_GETNEXTHOP = 106
_NHMSG = struct.Struct("=BBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")
_NHA_OIF, _NHA_GATEWAY = 5, 6


def next_hops() -> frozenset[NextHop]:
    """Read the present next hops.

    Raises:
        OSError: netlink does not answer.
    """
    netlink = NetlinkSocket()
    found: set[NextHop] = set()
    try:
        for family in (AF_INET, AF_INET6):
            for origin in ORIGINS:
                for message in netlink.dump(dump_routes(family, protocol=origin)):
                    found.update(_of_route(attributes(message.body, RTMSG.size)))
        for message in netlink.dump(Request(_RTM_GETNEXTHOP, 0, _NHMSG.pack(0, 0, 0, 0, 0))):
            about = attributes(message.body, _NHMSG.size)
            if _NHA_GATEWAY in about:
                found.add(NextHop(IP(about[_NHA_GATEWAY]), _device(about.get(_NHA_OIF))))
    finally:
        netlink.close()
    return frozenset(found)


def _of_route(found: dict[int, bytes]) -> Iterator[NextHop]:
    yield from _gateways(found, _device(found.get(RTA_OIF)))
    several = found.get(RTA_MULTIPATH, b"")
    while len(several) >= _RTNEXTHOP.size:
        length, _, _, device = _RTNEXTHOP.unpack_from(several)
        length = max(length, _RTNEXTHOP.size)
        yield from _gateways(attributes(several[:length], _RTNEXTHOP.size), device or None)
        several = several[length:]


def _gateways(found: dict[int, bytes], device: int | None) -> Iterator[NextHop]:
    if RTA_GATEWAY in found:
        yield NextHop(IP(found[RTA_GATEWAY]), device)
    if RTA_VIA in found:  # an IPv6 next hop of an IPv4 route: family, address (RFC 8950)
        yield NextHop(IP(found[RTA_VIA][2:]), device)


def _device(value: bytes | None) -> int | None:
    return int.from_bytes(value, sys.byteorder) or None if value is not None else None
