"""What the kernel holds for one host, whoever put it there: for `explain` and `resync`, not for the daemon.

Linux cannot list the routes of one prefix. So three questions stand in for that one: which route a packet to the host
takes, which routes lead nowhere (blackhole and the like), and which routes lead over the devices that a route of ours
would lead over, in whatever table.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import ENODEV
from socket import AF_INET, AF_INET6
from typing import NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.fib_entries import Neighbour
from rdnbr.linux.netlink.attributes import attributes
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import (
    RTA_DST,
    RTA_GATEWAY,
    RTA_OIF,
    RTA_PRIORITY,
    RTA_TABLE,
    RTMSG,
    Entry,
    Request,
    dump_routes,
    family_of,
    get_neighbour,
    match_route,
    read_neighbour,
)

_KINDS = (
    "unspec",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
)
"""RTN_* by number (linux/rtnetlink.h), as ip(8) names them."""
_NOWHERE = tuple(_KINDS.index(kind) for kind in ("blackhole", "unreachable", "prohibit"))
_BITS = {AF_INET: 32, AF_INET6: 128}
_NO_MAC = MAC(bytes(6))
_FAR = {4: IP(bytes((9, 9, 9, 9))), 6: IP(bytes.fromhex("2620 00fe") + bytes(10) + bytes.fromhex("00fe"))}
"""An address of the Internet in each version, to look up. Nothing is sent to it."""


class HostRoute(NamedTuple):
    """A /32 or /128, whoever made it."""

    table: int
    device: int | None
    """ifindex; None for a route that leads nowhere, or to several next hops."""
    metric: int
    protocol: int
    kind: str
    """The name that ip(8) prints: unicast, blackhole, local …"""
    gateway: IP | None


def routes(address: IP, devices: Iterable[int]) -> list[HostRoute]:
    """Return the host routes of `address`: the matching one, those that lead nowhere, those over `devices`, and ours.

    Args:
        address: of the host.
        devices: ifindexes.

    Raises:
        OSError: netlink does not answer.
    """
    family = family_of(address)
    dumps = [
        dump_routes(family, protocol=PROTOCOL),
        *(dump_routes(family, kind=kind) for kind in _NOWHERE),
        *(dump_routes(family, device=device) for device in devices),
    ]
    with _netlink() as netlink:
        (matching,) = netlink.request([match_route(address)])
        # An error means that no route matches, or one that leads nowhere.
        bodies = [] if matching.code or not matching.body else [matching.body]
        for request in dumps:
            bodies += _dump(netlink, request)
    found = {_read_route(body) for body in bodies if _host(body) == address}
    return sorted(found, key=lambda route: (route.table, route.metric, route.protocol))


def uplink(version: int) -> int | None:
    """Return the ifindex of the device that packets to the Internet leave over; None if there is none, or several.

    Args:
        version: 4 or 6.

    Raises:
        OSError: netlink does not answer.
    """
    with _netlink() as netlink:
        (matching,) = netlink.request([match_route(_FAR[version])])
    if matching.code or not matching.body:
        return None
    found = attributes(matching.body, RTMSG.size).get(RTA_OIF)
    return None if found is None else int.from_bytes(found, sys.byteorder)


def hosts_over(device: int) -> frozenset[IP]:
    """Return the addresses that have a host route over a device, whoever made the route, in whatever table.

    A device that is gone has none.

    Raises:
        OSError: netlink does not answer.
    """
    with _netlink() as netlink:
        bodies = [
            body
            for family in (AF_INET, AF_INET6)
            for body in _dump(netlink, dump_routes(family, device=device))
        ]
    return frozenset(host for body in bodies if (host := _host(body)) is not None)


def neighbours(address: IP, devices: Iterable[int]) -> list[Entry]:
    """Return the neighbour entries of `address` on `devices`.

    Raises:
        OSError: netlink does not answer.
    """
    requests = [get_neighbour(Neighbour(device, address, _NO_MAC)) for device in devices]
    with _netlink() as netlink:
        entries = [read_neighbour(answer.body) for answer in netlink.request(requests) if answer.body]
    return [entry for entry in entries if entry is not None]


@contextmanager
def _netlink() -> Iterator[NetlinkSocket]:
    netlink = NetlinkSocket()
    try:
        yield netlink
    finally:
        netlink.close()


def _dump(netlink: NetlinkSocket, request: Request) -> list[bytes]:
    try:
        return [message.body for message in netlink.dump(request)]
    except OSError as error:
        if error.errno == ENODEV:  # the device that the dump names went away
            return []
        raise


def _host(body: bytes) -> IP | None:
    """Return the destination of a route, or None when that is a wider prefix."""
    family, length, *_ = RTMSG.unpack_from(body)
    if length != _BITS.get(family):
        return None
    return IP(attributes(body, RTMSG.size)[RTA_DST])


def _read_route(body: bytes) -> HostRoute:
    _, _, _, _, table, protocol, _, kind, _ = RTMSG.unpack_from(body)
    found = attributes(body, RTMSG.size)

    def number(attribute: int) -> int | None:
        value = found.get(attribute)
        return None if value is None else int.from_bytes(value, sys.byteorder)

    gateway = found.get(RTA_GATEWAY)
    return HostRoute(
        number(RTA_TABLE) or table,
        number(RTA_OIF),
        number(RTA_PRIORITY) or 0,
        protocol,
        _KINDS[kind] if kind < len(_KINDS) else f"type {kind}",
        None if gateway is None else IP(gateway),
    )
