"""The next hops of the node's own routes: routers that a guest must not impersonate.

They are read from the routes that people, DHCP and router advertisements added, and from the nexthop objects that a
routing daemon such as zebra shares between its routes. There are few nexthop objects even for a million routes. The
routes of routing daemons are not read: their next hops are in connected prefixes, which are refused to guests anyway.
"""

import struct
from collections.abc import Iterator
from socket import AF_INET, AF_INET6

from rdnbr.core.model.address import IP
from rdnbr.linux.netlink.attributes import attributes
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA, RTMSG, Request, dump_routes

ORIGINS = (3, 4, 9, 16)
"""RTPROT_BOOT (a bare `ip route add`), _STATIC, _RA, _DHCP: linux/rtnetlink.h."""

_RTM_GETNEXTHOP = 106
_NHMSG = struct.Struct("=BBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")
_NHA_GATEWAY = 6


def next_hops() -> frozenset[IP]:
    """Read the present next hops.

    Raises:
        OSError: netlink does not answer.
    """
    netlink = NetlinkSocket()
    found: set[IP] = set()
    try:
        for family in (AF_INET, AF_INET6):
            for origin in ORIGINS:
                for message in netlink.dump(dump_routes(family, protocol=origin)):
                    found.update(_of_route(attributes(message.body, RTMSG.size)))
        for message in netlink.dump(Request(_RTM_GETNEXTHOP, 0, _NHMSG.pack(0, 0, 0, 0, 0))):
            gateway = attributes(message.body, _NHMSG.size).get(_NHA_GATEWAY)
            if gateway is not None:
                found.add(IP(gateway))
    finally:
        netlink.close()
    return frozenset(found)


def _of_route(found: dict[int, bytes]) -> Iterator[IP]:
    if RTA_GATEWAY in found:
        yield IP(found[RTA_GATEWAY])
    if RTA_VIA in found:  # an IPv6 next hop of an IPv4 route: family, address (RFC 8950)
        yield IP(found[RTA_VIA][2:])
    several = found.get(RTA_MULTIPATH, b"")
    while len(several) >= _RTNEXTHOP.size:
        length = max(_RTNEXTHOP.unpack_from(several)[0], _RTNEXTHOP.size)
        yield from _of_route(attributes(several[:length], _RTNEXTHOP.size))
        several = several[length:]
