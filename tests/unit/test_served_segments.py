"""Which bridges are served, with which addresses and which routing table."""

from dataclasses import replace

import pytest

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Segment
from rdnbr.core.model.served_segments import served_segments

MAC = parse_mac("02:00:00:00:00:01")


def bridge(index: int = 1, name: str = "vmbr1", master: int | None = None, *, up: bool = True) -> Link:
    return Link(index, name, "bridge", MAC, master, up=up, carrier=True)


def address(text: str, index: int = 1) -> InterfaceAddress:
    host, _, length = text.partition("/")
    return InterfaceAddress(index, parse_ip(host), int(length))


GATEWAY4, GATEWAY6 = address("169.254.0.1/32"), address("fe80::1/64")


@pytest.mark.parametrize("owned", ["169.254.0.1/32", "169.254.77.1/32", "fe80::1/64", "fe80::1/128"])
def test_bridge_with_a_gateway_address_is_a_segment(owned: str):
    """Without configuration a bridge is served if it has an IPv4 link-local /32, or fe80::1."""
    assert [segment.name for segment in served_segments([bridge()], [address(owned)])] == ["vmbr1"]


@pytest.mark.parametrize(
    "owned", ["10.0.0.1/24", "10.0.0.1/32", "169.254.0.1/16", "fe80::2/64", "2001:db8::1/64"]
)
def test_bridge_without_a_gateway_address_is_no_segment(owned: str):
    """A bridge that has other addresses only is not served."""
    assert served_segments([bridge()], [address(owned)]) == []


def test_address_of_another_device_does_not_count():
    """A gateway address on a device that is no bridge makes neither that device nor a bridge a segment."""
    physical = Link(2, "eth0", None, MAC, None, up=True, carrier=True)
    assert served_segments([bridge(), physical], [address("169.254.0.1/32", 2)]) == []


def test_globs_select_bridges_by_name():
    """With globs, exactly the bridges whose names match are served, whatever addresses they have."""
    links = [bridge(), bridge(2, "vmbr2"), bridge(3, "br3")]
    own = [address("169.254.0.1/32", 3), address("10.0.0.1/24", 1)]
    assert [segment.name for segment in served_segments(links, own, ("vmbr*",))] == ["vmbr1", "vmbr2"]


def test_probe_sources_are_the_gateway_addresses():
    """Probes come from the gateway addresses; else from any IPv4 and any link-local IPv6 address, or there is none."""
    own = [address("10.0.0.1/24"), GATEWAY4, address("fe80::77/64"), GATEWAY6, address("2001:db8::1/64")]
    ordered = tuple(address(text) for text in ("169.254.0.1/32", "10.0.0.1/24", "fe80::1/64", "fe80::77/64"))
    expected = Segment(
        1,
        "vmbr1",
        MAC,
        254,
        parse_ip("169.254.0.1"),
        parse_ip("fe80::1"),
        addresses=(*ordered, address("2001:db8::1/64")),
    )
    assert served_segments([bridge()], own) == [expected]
    found = served_segments([bridge()], [address("10.0.0.1/24"), address("fe80::77/64")], ("vmbr1",))
    assert [(segment.gateway4, segment.gateway6) for segment in found] == [
        (parse_ip("10.0.0.1"), parse_ip("fe80::77"))
    ]
    found = served_segments([bridge()], [address("2001:db8::1/64")], ("vmbr1",))
    assert [(segment.gateway4, segment.gateway6) for segment in found] == [(None, None)]


@pytest.mark.parametrize(
    ("owned", "first"),
    [
        (["169.254.169.254/32", "169.254.1.1/32", "169.254.0.1/32"], "169.254.0.1"),
        (["169.254.169.254/32", "169.254.1.1/32"], "169.254.1.1"),
        (["10.0.1.1/24", "169.254.169.254/32", "10.0.0.1/24"], "169.254.169.254"),
        (["10.0.1.1/24", "10.0.0.1/24"], "10.0.0.1"),
        (["fe80::2/64", "fe80::9/64", "fe80::1/64"], "fe80::1"),
        (["2001:db8::1/64", "fe80::9/64", "fe80::2/64"], "fe80::2"),
    ],
)
def test_probe_source_does_not_depend_on_the_order_of_the_kernel(owned: list[str], first: str):
    """Of several addresses the usual gateway address is the source of probes, else the lowest link-local address."""
    for order in (owned, owned[::-1]):
        (found,) = served_segments([bridge()], [address(text) for text in order], ("vmbr1",))
        assert parse_ip(first) == (found.gateway6 if ":" in first else found.gateway4)
        assert {entry.address for entry in found.addresses} == {parse_ip(a.partition("/")[0]) for a in owned}


def test_segment_in_a_vrf_has_the_table_of_the_vrf():
    """Host routes of a bridge in a VRF belong in the VRF's table."""
    vrf = Link(7, "blue", "vrf", MAC, None, up=True, carrier=True, table=100)
    assert [segment.table for segment in served_segments([vrf, bridge(master=7)], [GATEWAY4])] == [100]


def test_bridge_that_is_down_is_a_segment():
    """A bridge that is down is still a segment, and the segment is down."""
    assert [segment.up for segment in served_segments([bridge(up=False)], [GATEWAY4])] == [False]


def test_address_that_failed_dad_is_no_probe_source():
    """If DAD of fe80::1 has failed, the bridge is still served, and probes come from its other link-local address."""
    failed = replace(GATEWAY6, dad_failed=True)
    (segment,) = served_segments([bridge()], [failed, address("fe80::77/64"), address("2001:db8::1/64")])
    assert (segment.gateway6, segment.dad_failed) == (parse_ip("fe80::77"), (parse_ip("fe80::1"),))
    (segment,) = served_segments([bridge()], [failed])
    assert (segment.gateway6, segment.dad_failed) == (None, (parse_ip("fe80::1"),))
