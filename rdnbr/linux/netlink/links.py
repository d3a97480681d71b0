"""Devices and the node's own addresses, as the kernel tells of them.

Every device of the machine passes here, whoever made it and whatever its driver says of it; so what cannot be read
is passed over, and nothing that is said in a message raises. Constants: linux/if_link.h, linux/if_addr.h.
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
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_EXT_MASK = 1, 3, 10, 18, 29
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_IFLA_VRF_TABLE = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTEXT_FILTER_SKIP_STATS = 8
_BITS = {AF_INET: 32, AF_INET6: 128}

_WITHOUT_STATISTICS = struct.pack("=HHI", 8, _IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
_ALL_LINKS = Request(_RTM_GETLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0) + _WITHOUT_STATISTICS)
_ALL_ADDRESSES = Request(_RTM_GETADDR, 0, _IFADDRMSG.pack(0, 0, 0, 0, 0))


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
        # Tunnels have none, or an IP address in its place.
        mac=MAC(mac) if len(mac) == 6 else ZERO_MAC,
        master=_number(found.get(_IFLA_MASTER)),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        table=_number(attributes(about.get(_IFLA_INFO_DATA, b"")).get(_IFLA_VRF_TABLE))
        if kind == "vrf"
        else None,
    )


def read_address(message: Message) -> InterfaceAddress | None:
    """Read RTM_NEWADDR or RTM_DELADDR; None for what is neither IPv4 nor IPv6."""
    if len(message.body) < _IFADDRMSG.size:
        return None
    family, length, _, _, index = _IFADDRMSG.unpack_from(message.body)
    bits = _BITS.get(family, 0)
    found = attributes(message.body, _IFADDRMSG.size)
    # IFA_ADDRESS is the peer's on a point-to-point link, and IFA_LOCAL is then our own.
    address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS) or b""
    if not index or length > bits or 8 * len(address) != bits:
        return None
    return InterfaceAddress(index, IP(address), length)


def _text(value: bytes) -> str:
    """A name may be any bytes but a slash, a colon and white space (net/core/dev.c, dev_valid_name)."""
    return value.partition(b"\0")[0].decode(errors="backslashreplace")


def _number(value: bytes | None) -> int | None:
    return struct.unpack("=I", value)[0] if value is not None and len(value) == 4 else None
