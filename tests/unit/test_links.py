"""Link messages that this machine's kernel may not be able to send, packed by pyroute2."""

from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import InterfaceAddress, Link
from rdnbr.linux.netlink.links import read_address, read_link
from rdnbr.linux.netlink.netlink_socket import Message, read_messages


def message(attributes: list[Any], family: int = 0, flags: int = 0x10001) -> Message:
    link = ifinfmsg()
    link["header"] = {"type": 16, "flags": 0, "sequence_number": 1, "pid": 0}
    link["family"], link["index"], link["flags"] = family, 7, flags
    link["attrs"] = attributes
    link.encode()
    (packed,) = read_messages(bytes(link.data))
    return packed


def test_vrf_has_its_table() -> None:
    """A VRF device is read with its routing table."""
    kind = {"attrs": [("IFLA_INFO_KIND", "vrf"), ("IFLA_INFO_DATA", {"attrs": [("IFLA_VRF_TABLE", 1001)]})]}
    packed = message(
        [("IFLA_IFNAME", "vrf1"), ("IFLA_ADDRESS", "02:00:00:00:00:07"), ("IFLA_LINKINFO", kind)]
    )
    mac = parse_mac("02:00:00:00:00:07")
    assert read_link(packed) == Link(7, "vrf1", "vrf", mac, None, True, True, 1001)


def test_macvlan_has_its_lower_device() -> None:
    """A macvlan is read with the device that it is on. The IFLA_LINK of a veth may be of another namespace."""
    mac = parse_mac("00:00:5e:00:01:0a")
    for kind, lower in (("macvlan", 3), ("veth", None)):
        about = {"attrs": [("IFLA_INFO_KIND", kind)]}
        packed = message(
            [
                ("IFLA_IFNAME", "vrrp4"),
                ("IFLA_ADDRESS", "00:00:5e:00:01:0a"),
                ("IFLA_LINK", 3),
                ("IFLA_LINKINFO", about),
            ]
        )
        assert read_link(packed) == Link(7, "vrrp4", kind, mac, None, True, True, lower=lower)


def test_device_without_mac() -> None:
    """A device without an Ethernet address is read with the zero MAC; without a kind, as one that has none."""
    packed = message([("IFLA_IFNAME", "tun0"), ("IFLA_MASTER", 3)], flags=0)
    assert read_link(packed) == Link(7, "tun0", None, parse_mac("00:00:00:00:00:00"), 3, False, False)


def test_bridge_messages_are_not_of_devices() -> None:
    """With family AF_BRIDGE a link message tells of a port, and is not taken for a device."""
    assert read_link(message([("IFLA_IFNAME", "tap100i0")], family=7)) is None


@pytest.mark.parametrize(
    ("flags", "failed"),
    [(0x80, False), (0xC0, False), (0xC8, True), (0x88, True)],  # permanent, tentative, dadfailed
)
def test_address_that_failed_dad(flags: int, failed: bool) -> None:
    """An IPv6 address is read with the result of its duplicate address detection; a tentative one has not failed."""
    packed = ifaddrmsg()
    packed["header"] = {"type": 20, "flags": 0, "sequence_number": 1, "pid": 0}
    packed["family"], packed["prefixlen"], packed["flags"], packed["index"] = 10, 64, flags, 7
    packed["attrs"] = [("IFA_ADDRESS", "fe80::1"), ("IFA_FLAGS", flags)]
    packed.encode()
    (one,) = read_messages(bytes(packed.data))
    assert read_address(one) == InterfaceAddress(7, parse_ip("fe80::1"), 64, dad_failed=failed)
