"""The settings of bridge ports, as `bridge -d link show` prints them. Constants: linux/if_link.h."""

import struct
from typing import NamedTuple

from rdnbr.linux.netlink.attributes import attributes
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import Request

_RTM_GETLINK = 18
_AF_BRIDGE = 7
_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFLA_PROTINFO = 12
_IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_BR_VLAN_FILTERING = 18, 1, 2, 7
_LEARNING, _UNICAST_FLOOD = 8, 9

_ALL_PORTS = Request(_RTM_GETLINK, 0, _IFINFOMSG.pack(_AF_BRIDGE, 0, 0, 0, 0))


_ALL_LINKS = Request(_RTM_GETLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0))


class PortSettings(NamedTuple):
    """How a bridge treats the frames of one of its ports, and those for it."""

    learning: bool
    """The bridge puts the source MACs of frames from the port into its forwarding database."""
    unicast_flood: bool
    """Frames to a MAC that has no entry in the forwarding database leave by the port too."""


def read_port_settings() -> dict[int, PortSettings]:
    """Return the settings of all bridge ports of this network namespace, by ifindex.

    Raises:
        OSError: the kernel did not answer.
    """
    netlink = NetlinkSocket()
    try:
        messages = netlink.dump(_ALL_PORTS)
    finally:
        netlink.close()
    found: dict[int, PortSettings] = {}
    for message in messages:
        _, _, index, _, _ = _IFINFOMSG.unpack_from(message.body)
        settings = attributes(attributes(message.body, _IFINFOMSG.size).get(_IFLA_PROTINFO, b""))
        if settings:  # a bridge itself is listed without any
            found[index] = PortSettings(
                settings.get(_LEARNING) != b"\0", settings.get(_UNICAST_FLOOD) != b"\0"
            )
    return found


def vlan_aware_bridges(netlink: NetlinkSocket) -> frozenset[int]:
    """Return the ifindexes of the bridges that filter VLANs (`vlan_filtering 1`).

    Raises:
        OSError: the kernel did not answer.
    """
    found: list[int] = []
    for message in netlink.dump(_ALL_LINKS):
        _, _, index, _, _ = _IFINFOMSG.unpack_from(message.body)
        about = attributes(attributes(message.body, _IFINFOMSG.size).get(_IFLA_LINKINFO, b""))
        if (
            about.get(_IFLA_INFO_KIND) == b"bridge\0"
            and attributes(about.get(_IFLA_INFO_DATA, b"")).get(_IFLA_BR_VLAN_FILTERING) == b"\1"
        ):
            found.append(index)
    return frozenset(found)
