"""Which devices are segments, and which of their members lead to guests."""

import pytest

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import (
    InterfaceAddress,
    Link,
    Port,
    Segment,
    guest_ports,
    ports,
    segments,
    vm_of,
)

MAC = parse_mac("02:00:00:00:00:01")


def bridge(index: int = 1, name: str = "vmbr1", master: int | None = None, *, up: bool = True) -> Link:
    return Link(index, name, "bridge", MAC, master, up=up, carrier=True)


def member(kind: str | None, *, up: bool = True, carrier: bool = True, master: int | None = 1) -> Link:
    return Link(9, "tap1i0", kind, MAC, master, up=up, carrier=carrier)


def address(text: str, index: int = 1) -> InterfaceAddress:
    host, _, length = text.partition("/")
    return InterfaceAddress(index, parse_ip(host), int(length))


GATEWAY4, GATEWAY6 = address("169.254.0.1/32"), address("fe80::1/64")


@pytest.mark.parametrize("owned", ["169.254.0.1/32", "169.254.77.1/32", "fe80::1/64", "fe80::1/128"])
def test_bridge_with_a_gateway_address_is_a_segment(owned: str):
    """Without configuration a bridge is served for its IPv4 link-local /32, or its fe80::1."""
    assert [segment.name for segment in segments([bridge()], [address(owned)])] == ["vmbr1"]


@pytest.mark.parametrize(
    "owned", ["10.0.0.1/24", "10.0.0.1/32", "169.254.0.1/16", "fe80::2/64", "2001:db8::1/64"]
)
def test_other_bridges_are_not(owned: str):
    """A bridge with other addresses only is somebody else's."""
    assert segments([bridge()], [address(owned)]) == []


def test_address_of_another_device_does_not_count():
    """The gateway address must be the bridge's own, and the device a bridge."""
    physical = Link(2, "eth0", None, MAC, None, up=True, carrier=True)
    assert segments([bridge(), physical], [address("169.254.0.1/32", 2)]) == []


def test_named_bridges_are_served_whatever_they_own():
    """A glob picks bridges by name, and then no others."""
    links = [bridge(), bridge(2, "vmbr2"), bridge(3, "br3")]
    own = [address("169.254.0.1/32", 3), address("10.0.0.1/24", 1)]
    assert [segment.name for segment in segments(links, own, ("vmbr*",))] == ["vmbr1", "vmbr2"]


def test_questions_come_from_the_gateway_addresses():
    """Of several addresses the gateway's is asked from; else any IPv4, any link-local IPv6, or none."""
    own = [address("10.0.0.1/24"), GATEWAY4, address("fe80::77/64"), GATEWAY6, address("2001:db8::1/64")]
    expected = Segment(1, "vmbr1", MAC, 254, parse_ip("169.254.0.1"), parse_ip("fe80::1"))
    assert segments([bridge()], own) == [expected]
    found = segments([bridge()], [address("10.0.0.1/24"), address("fe80::77/64")], ("vmbr1",))
    assert [(segment.gateway4, segment.gateway6) for segment in found] == [
        (parse_ip("10.0.0.1"), parse_ip("fe80::77"))
    ]
    found = segments([bridge()], [address("2001:db8::1/64")], ("vmbr1",))
    assert [(segment.gateway4, segment.gateway6) for segment in found] == [(None, None)]


def test_bridge_in_a_vrf_has_its_table():
    """Routes of a bridge that a VRF enslaves belong in the VRF's table."""
    vrf = Link(7, "blue", "vrf", MAC, None, up=True, carrier=True, table=100)
    assert [segment.table for segment in segments([vrf, bridge(master=7)], [GATEWAY4])] == [100]


def test_bridge_that_is_down_is_a_segment_that_is_down():
    """A bridge that is down is still served, and known to be down."""
    assert [segment.up for segment in segments([bridge(up=False)], [GATEWAY4])] == [False]


@pytest.mark.parametrize("kind", ["tun", "veth", "netkit", "macvtap"])
def test_members_of_a_guest_kind_are_ports(kind: str):
    """Taps, veths, netkits and macvtaps in a served bridge lead to guests."""
    served = segments([bridge()], [GATEWAY4])
    assert ports([bridge(), member(kind)], served) == [Port(9, "tap1i0", 1)]


@pytest.mark.parametrize("kind", [None, "vxlan", "geneve", "gretap", "bond", "vlan", "dummy", "bridge"])
def test_members_that_lead_elsewhere_are_not(kind: str | None):
    """F2: who is behind a tunnel or a physical NIC belongs to another node."""
    served = segments([bridge()], [GATEWAY4])
    assert ports([bridge(), member(kind)], served) == []


def test_only_members_that_run_are_ports():
    """A port is up and has carrier, and its bridge is served; one that merely could run is meant for guests."""
    served = segments([bridge()], [GATEWAY4])
    for link in (member("tun", up=False), member("tun", carrier=False)):
        assert ports([bridge(), link], served) == []
        assert guest_ports([bridge(), link], served) == [Port(9, "tap1i0", 1)]
    for master in (None, 2):
        assert guest_ports([bridge(), member("tun", master=master)], served) == []


@pytest.mark.parametrize(
    ("name", "vm"),
    [
        ("tap100i0", 100),
        ("veth101i12", 101),
        ("fwpr102p0", 102),
        ("tap100", None),
        ("fwln102i0", None),
        ("xtap100i0", None),
        ("tap100i0x", None),
        ("tapi0", None),
    ],
)
def test_proxmox_names_tell_the_guest(name: str, vm: int | None):
    """The number of a guest is in the names Proxmox gives, and in no others."""
    assert vm_of(name) == vm
