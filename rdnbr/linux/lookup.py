"""What the kernel holds for one host, whoever put it there.

Linux cannot be asked for all routes of one prefix. So it is asked which route of the main table it would take, for
those that lead nowhere, and for all over the devices that ours would lead over, in whatever table.
"""

import struct
from collections.abc import Iterable, Iterator
from socket import AF_INET, AF_INET6
from typing import NamedTuple

from rdnbr.core.address import IP, MAC
from rdnbr.core.plan import Neighbour
from rdnbr.linux.attributes import attributes
from rdnbr.linux.netlink import NetlinkSocket
from rdnbr.linux.rtnetlink import (
    RTM_GETROUTE,
    Entry,
    Request,
    dump_routes,
    get_neighbour,
    read_neighbour,
    read_place,
)

_RTMSG = struct.Struct("=8BI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_U32 = struct.Struct("=I")
_U32_ATTRIBUTE = struct.Struct("=HHI")
_ATTRIBUTE = struct.Struct("=HH")
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 5, 6, 15
_RTM_F_CLONED, _RTM_F_LOOKUP_TABLE, _RTM_F_FIB_MATCH = 0x200, 0x1000, 0x2000
_KINDS = {1: "unicast", 2: "local", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
_NOWHERE = (6, 7, 8)
_NO_MAC = MAC(bytes(6))


class HostRoute(NamedTuple):
    """A /32 or /128, whoever made it."""

    table: int
    device: int | None
    """ifindex; None for one that leads nowhere, or to several."""
    metric: int
    protocol: int
    kind: str
    """As ip(8) calls it: unicast, blackhole, local …"""
    gateway: IP | None


def routes(address: IP, devices: Iterable[int]) -> list[HostRoute]:
    """Return the host routes of `address`: the one taken, those that lead nowhere, over `devices`, and ours.

    Raises:
        OSError: netlink does not answer.
    """
    family = AF_INET if len(address) == 4 else AF_INET6
    netlink = NetlinkSocket()
    found: set[HostRoute] = set()
    try:
        for answer in netlink.ask([_lookup(family, address)]):
            found.update(_read(answer.body, address))  # no answer: no route at all, or one that leads nowhere
        dumps = [
            dump_routes(family),
            *(_dump(family, kind=kind) for kind in _NOWHERE),
            *(_dump(family, device) for device in devices),
        ]
        for dump in dumps:
            for message in netlink.dump(dump):
                found.update(_read(message.body, address))
    finally:
        netlink.close()
    return sorted(found, key=lambda route: (route.table, route.metric, route.protocol))


def hosts_over(device: int) -> frozenset[IP]:
    """Return the addresses that have a host route over a device, whoever made it, in whatever table.

    Raises:
        OSError: netlink does not answer.
    """
    netlink = NetlinkSocket()
    try:
        messages = [
            message for family in (AF_INET, AF_INET6) for message in netlink.dump(_dump(family, device))
        ]
    finally:
        netlink.close()
    places = (read_place(message.body) for message in messages)
    return frozenset(place.address for place in places if place is not None)


def neighbours(address: IP, devices: Iterable[int]) -> list[Entry]:
    """Return the neighbour entries of `address` on `devices`.

    Raises:
        OSError: netlink does not answer.
    """
    netlink = NetlinkSocket()
    try:
        asked = [get_neighbour(Neighbour(device, address, _NO_MAC)) for device in devices]
        entries = [read_neighbour(answer.body) for answer in netlink.ask(asked) if answer.body]
    finally:
        netlink.close()
    return [entry for entry in entries if entry is not None]


def _lookup(family: int, address: IP) -> Request:
    # IPv6 tells the table anyway, and refuses what it does not know (net/ipv6/route.c).
    flags = _RTM_F_FIB_MATCH | (_RTM_F_LOOKUP_TABLE if family == AF_INET else 0)
    body = _RTMSG.pack(family, 8 * len(address), 0, 0, 0, 0, 0, 0, flags)
    return Request(RTM_GETROUTE, 0, body + _ATTRIBUTE.pack(4 + len(address), _RTA_DST) + address)


def _dump(family: int, device: int | None = None, *, kind: int = 0) -> Request:
    """Ask for all routes over a device, or of a kind; the kernel leaves out the others (Linux 4.20)."""
    body = _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, kind, 0)
    return Request(
        RTM_GETROUTE, 0, body if device is None else body + _U32_ATTRIBUTE.pack(8, _RTA_OIF, device)
    )


def _read(body: bytes, address: IP) -> Iterator[HostRoute]:
    if len(body) < _RTMSG.size:
        return
    _, length, _, _, small, protocol, _, kind, flags = _RTMSG.unpack_from(body)
    found = attributes(body, _RTMSG.size)
    if flags & _RTM_F_CLONED or length != 8 * len(address) or found.get(_RTA_DST) != address:
        return
    gateway = found.get(_RTA_GATEWAY)
    yield HostRoute(
        small if (table := _number(found.get(_RTA_TABLE))) is None else table,
        _number(found.get(_RTA_OIF)),
        _number(found.get(_RTA_PRIORITY)) or 0,
        protocol,
        _KINDS.get(kind, f"type {kind}"),
        None if gateway is None else IP(gateway),
    )


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(_U32.unpack(value)[0])
