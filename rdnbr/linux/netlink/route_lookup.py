"""What the kernel holds for one host, whoever put it there.

Linux cannot be asked for all routes of one prefix. So it is asked which route of the main table it would take, for
those that lead nowhere, and for all over the devices that ours would lead over, in whatever table.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from socket import AF_INET, AF_INET6
from typing import Any, NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import rt_type

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import IP, MAC, parse_ip, show_ip
from rdnbr.core.model.fib_entries import Neighbour
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import Entry, get_neighbour, read_neighbour

_RTM_F_LOOKUP_TABLE, _RTM_F_FIB_MATCH = 0x1000, 0x2000
_NOWHERE = ("blackhole", "unreachable", "prohibit")
_BITS = {AF_INET: 32, AF_INET6: 128}
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
    of_interest: list[Mapping[str, Any]] = [
        {"proto": PROTOCOL},
        *({"type": kind} for kind in _NOWHERE),
        *({"oif": device} for device in devices),
    ]
    with _kernel() as kernel:
        found = _taken(kernel, address)
        for wanted in of_interest:
            found += _dump(kernel, family, wanted)
    of_host = {_host_route(message) for message in found if _host(message) == address}
    return sorted(of_host, key=lambda route: (route.table, route.metric, route.protocol))


def hosts_over(device: int) -> frozenset[IP]:
    """Return the addresses that have a host route over a device, whoever made it, in whatever table.

    Raises:
        OSError: netlink does not answer.
    """
    with _kernel() as kernel:
        hosts = [_host(message) for family in _BITS for message in _dump(kernel, family, {"oif": device})]
    return frozenset(host for host in hosts if host is not None)


def neighbours(address: IP, devices: Iterable[int]) -> list[Entry]:
    """Return the neighbour entries of `address` on `devices`.

    Raises:
        OSError: netlink does not answer.
    """
    # Read by hand: pyroute2 before 0.9 does not know NDA_PROTOCOL, which tells our entries from others.
    netlink = NetlinkSocket()
    try:
        asked = [get_neighbour(Neighbour(device, address, _NO_MAC)) for device in devices]
        entries = [read_neighbour(answer.body) for answer in netlink.request(asked) if answer.body]
    finally:
        netlink.close()
    return [entry for entry in entries if entry is not None]


@contextmanager
def _kernel() -> Iterator[Any]:
    try:
        # Without ext_ack pyroute2 takes a dump that the kernel refuses for an empty one.
        with IPRoute(strict_check=True, ext_ack=True) as kernel:
            yield kernel
    except NetlinkError as error:
        raise OSError(*error.args) from error


def _taken(kernel: Any, address: IP) -> list[Any]:
    # IPv6 tells the table anyway, and refuses what it does not know (net/ipv6/route.c).
    flags = _RTM_F_FIB_MATCH | (_RTM_F_LOOKUP_TABLE if len(address) == 4 else 0)
    try:
        return list(kernel.route("get", dst=show_ip(address), flags=flags))
    except NetlinkError:
        return []  # no route at all, or one that leads nowhere


def _dump(kernel: Any, family: int, wanted: Mapping[str, Any]) -> list[Any]:
    """Ask for the routes of a kind, of a protocol or over a device; the kernel leaves out others (Linux 4.20)."""
    # pyroute2 would filter by itself too, which misses routes over several devices, and since 0.9 would read all
    # for that. It leaves it to the kernel when told to match nothing (up to 0.8), or to have no filter (since).
    return list(kernel.route("dump", family=family, match={}, dump_filter=None, **wanted))


def _host(message: Any) -> IP | None:
    if message["dst_len"] != _BITS[message["family"]]:
        return None
    return parse_ip(message.get_attr("RTA_DST"))


def _host_route(message: Any) -> HostRoute:
    gateway = message.get_attr("RTA_GATEWAY")
    return HostRoute(
        message.get_attr("RTA_TABLE"),
        message.get_attr("RTA_OIF"),
        message.get_attr("RTA_PRIORITY") or 0,
        message["proto"],
        rt_type.get(message["type"], f"type {message['type']}"),
        None if gateway is None else parse_ip(gateway),
    )
