"""Packs and reads route and neighbour messages.

Each host needs the same two messages, and a node may have a full BGP table. A general codec takes some 250 µs for each
message, this one 2 to 4 µs. The messages are those of `ip route add ADDRESS dev DEVICE` and `ip neigh add … nud
permanent`, with our protocol. Constants: linux/rtnetlink.h, linux/neighbour.h.
"""

import struct
from socket import AF_INET, AF_INET6
from typing import NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.fib_entries import Neighbour, Route
from rdnbr.linux.netlink.attributes import attributes

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30

NLM_F_REPLACE = 0x100
_NLM_F_EXCL = 0x200
_NLM_F_CREATE = 0x400

HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port"""
RTMSG = struct.Struct("=8BI")
"""rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags"""
_NDMSG = struct.Struct("=BBHiHBB")  # family, pad, pad, ifindex, state, flags, type
_ATTRIBUTE = struct.Struct("=HH")
_U32_ATTRIBUTE = struct.Struct("=HHI")
_U32 = struct.Struct("=I")

RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 9, 15, 18
_RTA_NH_ID = 30
_NOT_OUR_SHAPE = frozenset({RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA, _RTA_NH_ID})
_NDA_DST, _NDA_LLADDR, _NDA_MASTER, _NDA_PROTOCOL = 1, 2, 9, 12

_RTN_UNICAST = 1
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_ANY = 0, 253, 255
_RTM_F_CLONED, _RTM_F_LOOKUP_TABLE, _RTM_F_FIB_MATCH = 0x200, 0x1000, 0x2000

_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80
_NUD_LEARNED = 0x02 | 0x04 | 0x08 | 0x10  # REACHABLE, STALE, DELAY, PROBE
_NTF_PROXY = 0x08
_AF_BRIDGE = 7
_LENGTHS = {AF_INET: 4, AF_INET6: 16}


class Request(NamedTuple):
    """A message without its header."""

    type: int
    flags: int
    body: bytes


class Place(NamedTuple):
    """The key that at most one route can have; a new route with that key replaces the old one."""

    table: int
    address: IP
    metric: int


class Entry(NamedTuple):
    """A neighbour entry of any origin."""

    device: int
    address: IP
    mac: bytes
    """Empty while the entry is not resolved."""
    state: int
    protocol: int

    @property
    def ours(self) -> bool:
        """Whether rdnbr made the entry."""
        return self.protocol == PROTOCOL and self.state == _NUD_PERMANENT and len(self.mac) == 6

    @property
    def configured(self) -> bool:
        """Whether a program wrote the entry (`nud permanent` or `noarp`); else the kernel learned it."""
        return bool(self.state & (_NUD_PERMANENT | _NUD_NOARP))

    @property
    def learned(self) -> bool:
        """Whether the kernel has resolved the entry itself, and knows its MAC."""
        return bool(self.state & _NUD_LEARNED) and len(self.mac) == 6

    @property
    def neighbour(self) -> Neighbour:
        """The entry as a value of the core; valid only if the entry is `ours` or `learned`."""
        return Neighbour(self.device, self.address, MAC(self.mac))


class FdbEntry(NamedTuple):
    """An entry of a forwarding database: the port on which a bridge last saw a MAC as source."""

    bridge: int
    """ifindex"""
    port: int
    """ifindex"""
    mac: MAC


def place(route: Route) -> Place:
    """Return the place of a route."""
    return Place(route.table, route.address, route.metric)


def new_route(route: Route, *, replace: bool) -> Request:
    """Return the request to add a route: to an empty place, or with `replace` in place of the present route."""
    flags = _NLM_F_CREATE | (NLM_F_REPLACE if replace else _NLM_F_EXCL)
    scope = _SCOPE_LINK if len(route.address) == 4 else _SCOPE_UNIVERSE
    return Request(RTM_NEWROUTE, flags, _route(route, scope))


def drop_route(route: Route) -> Request:
    """Return the request to remove a route. It names all fields that distinguish routes; the scope is none of them.

    An IPv4 metric of 0 means any metric here (net/ipv4/fib_trie.c, fib_table_delete). The kernel tries the lowest
    metric first, so a route of ours with another metric is removed only if there is none with metric 0.
    """
    return Request(RTM_DELROUTE, 0, _route(route, _SCOPE_ANY))


def dump_routes(family: int, *, protocol: int = 0, kind: int = 0, device: int = 0) -> Request:
    """Return the request for all routes of a protocol, of a kind (RTN_*) or over a device (ifindex); 0 stands for any.

    The kernel filters, since strict checking is on (NETLINK_GET_STRICT_CHK, Linux 4.20).
    """
    body = RTMSG.pack(family, 0, 0, 0, 0, protocol, 0, kind, 0)
    return Request(RTM_GETROUTE, 0, body + (_U32_ATTRIBUTE.pack(8, RTA_OIF, device) if device else b""))


def match_route(address: IP) -> Request:
    """Return the request for the route that a packet to `address` takes by the rules of the node, as in its table."""
    # For IPv6 the kernel reports the table in any case, and refuses flags that it does not know
    # (net/ipv6/route.c, inet6_rtm_valid_getroute_req).
    flags = _RTM_F_FIB_MATCH | (_RTM_F_LOOKUP_TABLE if len(address) == 4 else 0)
    body = RTMSG.pack(family_of(address), 8 * len(address), 0, 0, 0, 0, 0, 0, flags)
    return Request(RTM_GETROUTE, 0, body + _ATTRIBUTE.pack(4 + len(address), RTA_DST) + address)


def put_neighbour(neighbour: Neighbour) -> Request:
    """Return the request to write a permanent entry; it replaces any present entry."""
    body = _neighbour(neighbour.device, neighbour.address, _NUD_PERMANENT)
    body += _ATTRIBUTE.pack(10, _NDA_LLADDR) + neighbour.mac + b"\0\0"
    return Request(RTM_NEWNEIGH, _NLM_F_CREATE | NLM_F_REPLACE, body + _PROTOCOL_ATTRIBUTE)


def drop_neighbour(neighbour: Neighbour) -> Request:
    """Return the request to remove an entry of any origin: the kernel compares only device and address."""
    return Request(RTM_DELNEIGH, 0, _neighbour(neighbour.device, neighbour.address, 0))


def get_neighbour(neighbour: Neighbour) -> Request:
    """Return the request for the entry with the device and address of `neighbour`."""
    return Request(RTM_GETNEIGH, 0, _neighbour(neighbour.device, neighbour.address, 0))


def dump_neighbours() -> Request:
    """Return the request for all neighbours of both families."""
    return Request(RTM_GETNEIGH, 0, _NDMSG.pack(0, 0, 0, 0, 0, 0, 0))


def dump_fdb() -> Request:
    """Return the request for the forwarding databases of all bridges."""
    return Request(RTM_GETNEIGH, 0, _NDMSG.pack(_AF_BRIDGE, 0, 0, 0, 0, 0, 0))


def read_route(body: bytes) -> Route | None:
    """Read a route message; None if it is not a host route of the form that rdnbr installs.

    Raises:
        struct.error: the body is shorter than a route message.
    """
    family, length, _, tos, table, protocol, _, kind, flags = RTMSG.unpack_from(body)
    if (
        protocol != PROTOCOL
        or kind != _RTN_UNICAST
        or tos
        or flags & _RTM_F_CLONED
        or not _is_host(family, length)
    ):
        return None
    found = attributes(body, RTMSG.size)
    if 8 * len(found.get(RTA_DST, b"")) != length or RTA_OIF not in found or found.keys() & _NOT_OUR_SHAPE:
        return None
    (device,) = _U32.unpack(found[RTA_OIF])
    return Route(_table(table, found), IP(found[RTA_DST]), device, _metric(found))


def read_place(body: bytes) -> Place | None:
    """Read the place of a host route of any origin; None for other routes.

    Raises:
        struct.error: the body is shorter than a route message.
    """
    family, length, _, tos, table, _, _, _, flags = RTMSG.unpack_from(body)
    if tos or flags & _RTM_F_CLONED or not _is_host(family, length):
        return None
    found = attributes(body, RTMSG.size)
    if 8 * len(found.get(RTA_DST, b"")) != length:
        return None
    return Place(_table(table, found), IP(found[RTA_DST]), _metric(found))


def read_origin(body: bytes) -> int:
    """Read the protocol of a route (rtm_protocol), which names the program that added it."""
    return int(RTMSG.unpack_from(body)[5])


def read_neighbour(body: bytes) -> Entry | None:
    """Read a neighbour message; None for another family (the bridge's), and for a proxy entry.

    Raises:
        struct.error: the body is shorter than a neighbour message.
    """
    family, _, _, device, state, flags, _ = _NDMSG.unpack_from(body)
    found = attributes(body, _NDMSG.size)
    address = found.get(_NDA_DST, b"")
    if len(address) != _LENGTHS.get(family) or flags & _NTF_PROXY:
        return None
    protocol = int.from_bytes(found.get(_NDA_PROTOCOL, b"")[:1])
    return Entry(device, IP(address), found.get(_NDA_LLADDR, b""), state, protocol)


def read_fdb_entry(body: bytes) -> FdbEntry | None:
    """Read an entry of a forwarding database; None for the port's own MAC, and for an entry outside of a bridge."""
    family, _, _, port, state, _, _ = _NDMSG.unpack_from(body)
    found = attributes(body, _NDMSG.size)
    mac = found.get(_NDA_LLADDR, b"")
    if family != _AF_BRIDGE or state & _NUD_PERMANENT or _NDA_MASTER not in found or len(mac) != 6:
        return None
    (bridge,) = _U32.unpack(found[_NDA_MASTER])
    return FdbEntry(bridge, port, MAC(mac))


_PROTOCOL_ATTRIBUTE = _ATTRIBUTE.pack(5, _NDA_PROTOCOL) + bytes((PROTOCOL, 0, 0, 0))


def _is_host(family: int, length: int) -> bool:
    return (family == AF_INET and length == 32) or (family == AF_INET6 and length == 128)


def family_of(address: IP) -> int:
    """Return the address family (AF_INET or AF_INET6) of an address."""
    return AF_INET if len(address) == 4 else AF_INET6


def _route(route: Route, scope: int) -> bytes:
    table = route.table
    small = table if table < 256 else 0
    body = RTMSG.pack(
        family_of(route.address), 8 * len(route.address), 0, 0, small, PROTOCOL, scope, _RTN_UNICAST, 0
    )
    body += _ATTRIBUTE.pack(4 + len(route.address), RTA_DST) + route.address
    body += _U32_ATTRIBUTE.pack(8, RTA_OIF, route.device)
    if route.metric:
        body += _U32_ATTRIBUTE.pack(8, RTA_PRIORITY, route.metric)
    if table > 255:
        body += _U32_ATTRIBUTE.pack(8, RTA_TABLE, table)
    return body


def _neighbour(device: int, address: IP, state: int) -> bytes:
    body = _NDMSG.pack(family_of(address), 0, 0, device, state, 0, 0)
    return body + _ATTRIBUTE.pack(4 + len(address), _NDA_DST) + address


def _table(small: int, found: dict[int, bytes]) -> int:
    value: int = _U32.unpack(found[RTA_TABLE])[0] if RTA_TABLE in found else small
    return value


def _metric(found: dict[int, bytes]) -> int:
    value: int = _U32.unpack(found[RTA_PRIORITY])[0] if RTA_PRIORITY in found else 0
    return value
