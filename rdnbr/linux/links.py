"""Devices and the node's own addresses, as the kernel tells of them.

These messages are rare and come in many shapes, so pyroute2's codec reads them (0.2 to 0.3 ms each).
"""

import struct
from typing import NamedTuple

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from rdnbr.core.address import MAC, ZERO_MAC, parse_ip, parse_mac
from rdnbr.core.topology import InterfaceAddress, Link
from rdnbr.linux.netlink import Message, NetlinkSocket
from rdnbr.linux.rtnetlink import HEADER, Request

_RTM_GETLINK, _RTM_GETADDR = 18, 22
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000

_IFLA_EXT_MASK = 29
_RTEXT_FILTER_SKIP_STATS = 8
_IFINFOMSG = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
_WITHOUT_STATISTICS = struct.pack("=HHI", 8, _IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
_ALL_LINKS = Request(_RTM_GETLINK, 0, _IFINFOMSG + _WITHOUT_STATISTICS)
_ALL_ADDRESSES = Request(_RTM_GETADDR, 0, struct.pack("=BBBBI", 0, 0, 0, 0, 0))


class Snapshot(NamedTuple):
    """What there is at one moment."""

    links: tuple[Link, ...]
    addresses: tuple[InterfaceAddress, ...]


def snapshot() -> Snapshot:
    """Read all links and addresses of this network namespace.

    Make the `Monitor` first, else what changes in between is missed.

    Raises:
        OSError: netlink does not answer.
    """
    netlink = NetlinkSocket()
    try:
        links = [read_link(message) for message in netlink.dump(_ALL_LINKS)]
        addresses = [read_address(message) for message in netlink.dump(_ALL_ADDRESSES)]
    finally:
        netlink.close()
    return Snapshot(
        tuple({link.index: link for link in links if link is not None}.values()),
        tuple(dict.fromkeys(entry for entry in addresses if entry is not None)),
    )


def read_link(message: Message) -> Link | None:
    """Read RTM_NEWLINK or RTM_DELLINK; None when it does not speak of a device.

    With family AF_BRIDGE the same messages tell of a bridge port, and RTM_DELLINK then means that it left the
    bridge.
    """
    link = ifinfmsg(_whole(message))
    link.decode()
    if link["family"] != 0:
        return None
    kind = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND")
    table = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "IFLA_VRF_TABLE") if kind == "vrf" else None
    flags = link["flags"]
    return Link(
        index=link["index"],
        name=link.get_attr("IFLA_IFNAME") or "",
        kind=kind,
        mac=_mac(link.get_attr("IFLA_ADDRESS")),
        master=link.get_attr("IFLA_MASTER"),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        table=table,
    )


def read_address(message: Message) -> InterfaceAddress | None:
    """Read RTM_NEWADDR or RTM_DELADDR; None for what is neither IPv4 nor IPv6."""
    entry = ifaddrmsg(_whole(message))
    entry.decode()
    # IFA_ADDRESS is the peer's on a point-to-point link, and IFA_LOCAL is then our own (linux/if_addr.h).
    text = entry.get_attr("IFA_LOCAL") or entry.get_attr("IFA_ADDRESS")
    return InterfaceAddress(entry["index"], parse_ip(text), entry["prefixlen"]) if text else None


def _whole(message: Message) -> bytes:
    length = HEADER.size + len(message.body)
    return HEADER.pack(length, message.type, message.flags, message.sequence, 0) + message.body


def _mac(text: str | None) -> MAC:
    """Tunnels have none, or an IP address in its place."""
    try:
        return parse_mac(text or "")
    except ValueError:
        return ZERO_MAC
