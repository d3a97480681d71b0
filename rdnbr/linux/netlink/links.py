"""Reads devices and the node's own addresses from netlink.

The messages of all devices are read here, and their contents depend on drivers and other programs. So a message that
cannot be read is skipped, and no message raises an exception. Constants: linux/if_link.h, linux/if_addr.h.
"""

import struct
from socket import AF_INET, AF_INET6, AF_UNSPEC
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.interfaces import InterfaceAddress, Link
from rdnbr.linux.netlink.attributes import attributes
from rdnbr.linux.netlink.netlink_socket import Message, NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import Request

_RTM_GETLINK, _RTM_GETADDR = 18, 22
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000

_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_EXT_MASK = 1, 3, 5, 10, 18, 29
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_IFLA_VRF_TABLE = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_F_NODAD, _IFA_F_DADFAILED = 0x02, 0x08
_RTEXT_FILTER_SKIP_STATS = 8
_BITS = {AF_INET: 32, AF_INET6: 128}

_WITHOUT_STATISTICS = struct.pack("=HHI", 8, _IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
_ALL_LINKS = Request(_RTM_GETLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0) + _WITHOUT_STATISTICS)
_ALL_ADDRESSES = Request(_RTM_GETADDR, 0, _IFADDRMSG.pack(0, 0, 0, 0, 0))


class Snapshot(NamedTuple):
    """All links and addresses of the namespace at one moment."""

    links: tuple[Link, ...]
    addresses: tuple[InterfaceAddress, ...]


def snapshot() -> Snapshot:
    """Read all links and addresses of this network namespace.

    Create the `Monitor` first; else changes between the two are missed.

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
    """Read RTM_NEWLINK or RTM_DELLINK; None if the message is not about a device.

    With family AF_BRIDGE the same messages are about a bridge port, and RTM_DELLINK means that the port left the
    bridge.
    """
    if len(message.body) < _IFINFOMSG.size:
        return None
    family, _, index, flags, _ = _IFINFOMSG.unpack_from(message.body)
    found = attributes(message.body, _IFINFOMSG.size)
    name = _text(found.get(_IFLA_IFNAME, b""))
    if family != AF_UNSPEC or index <= 0 or not name:
        return None
    about = attributes(found.get(_IFLA_LINKINFO, b""))
    kind = _text(about.get(_IFLA_INFO_KIND, b"")) or None
    mac = found.get(_IFLA_ADDRESS, b"")
    return Link(
        index=index,
        name=name,
        kind=kind,
        # A tunnel has no MAC, or an IP address in its place.
        mac=MAC(mac) if len(mac) == 6 else ZERO_MAC,
        master=_number(found.get(_IFLA_MASTER)),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        table=_number(attributes(about.get(_IFLA_INFO_DATA, b"")).get(_IFLA_VRF_TABLE))
        if kind == "vrf"
        else None,
        lower=_number(found.get(_IFLA_LINK)) if kind == "macvlan" else None,
    )


def read_address(message: Message) -> InterfaceAddress | None:
    """Read RTM_NEWADDR or RTM_DELADDR; None if the address is neither IPv4 nor IPv6."""
    if len(message.body) < _IFADDRMSG.size:
        return None
    family, length, flags, _, index = _IFADDRMSG.unpack_from(message.body)
    bits = _BITS.get(family, 0)
    found = attributes(message.body, _IFADDRMSG.size)
    # On a point-to-point link IFA_ADDRESS is the address of the peer, and IFA_LOCAL is our own.
    address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS) or b""
    if not index or length > bits or 8 * len(address) != bits:
        return None
    return InterfaceAddress(
        index,
        IP(address),
        length,
        dad_failed=bool(flags & _IFA_F_DADFAILED),
        without_dad=bool(flags & _IFA_F_NODAD),
    )


def _text(value: bytes) -> str:
    """Decode a name, which may have any bytes but slash, colon and white space (net/core/dev.c, dev_valid_name)."""
    return value.partition(b"\0")[0].decode(errors="backslashreplace")


def _number(value: bytes | None) -> int | None:
    return struct.unpack("=I", value)[0] if value is not None and len(value) == 4 else None
