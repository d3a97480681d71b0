"""What vtysh prints, read."""

import pytest

from rdnbr.core.address import show_ip
from rdnbr.core.diagnosis.frr import Redistribution
from rdnbr.linux.vtysh import Silent, read_redistributions, read_selected

CONFIGURATION = """\
Building configuration...

Current configuration:
!
frr version 10.3
frr defaults traditional
hostname node1
!
router bgp 65001
 bgp router-id 198.51.100.1
 neighbor 198.51.100.0 remote-as 65000
 !
 address-family ipv4 unicast
  redistribute kernel metric 5 route-map RDNBR4
  neighbor 198.51.100.0 activate
 exit-address-family
 !
 address-family ipv6 unicast
  redistribute kernel
 exit-address-family
 !
 address-family ipv4 multicast
  redistribute kernel
 exit-address-family
exit
!
router bgp 65001 vrf red
 !
 address-family ipv4 unicast
  redistribute connected
  redistribute kernel route-map RED
 exit-address-family
exit
!
router ospf
 redistribute kernel
exit
!
end
"""


def test_redistributions():
    """Each `redistribute kernel` of BGP is found in its VRF and family; those of other protocols are not."""
    assert read_redistributions(CONFIGURATION) == [
        Redistribution(None, 4, "RDNBR4"),
        Redistribution(None, 6, None),
        Redistribution("red", 4, "RED"),
    ]


def test_no_redistribution():
    """An instance without it has none."""
    without = CONFIGURATION.replace("redistribute kernel", "redistribute static")
    assert read_redistributions(without) == []


def test_selected():
    """Host routes of either family that zebra has selected are read with their device, and no others."""
    via = '"nexthops": [{"interfaceName": "vmbr1"}]'
    text = f"""{{
        "0.0.0.0/0": [{{"protocol": "kernel", "selected": true, {via}}}],
        "2.57.57.30/32": [{{"protocol": "kernel", "selected": true, {via}}}],
        "2.57.57.31/32": [{{"protocol": "kernel", {via}}}],
        "2001:db8::80/128": [
            {{"protocol": "kernel", {via}}},
            {{"protocol": "kernel", "selected": true, "nexthops": [{{"interfaceName": "uplink"}}]}}
        ]
    }}"""
    assert [(show_ip(address), device) for address, device in read_selected(text)] == [
        ("2.57.57.30", "vmbr1"),
        ("2001:db8::80", "uplink"),
    ]


def test_nothing_selected():
    """No route, and no VRF of that name, are no routes."""
    assert list(read_selected("{}\n")) == list(read_selected("")) == []


@pytest.mark.parametrize("text", ["% VRF red is unknown", "[1]", '{"default": {}}', '{"x/y": []}'])
def test_no_list_of_routes(text):
    """What is no list of routes is said to be none."""
    with pytest.raises(Silent, match="no list of routes"):
        list(read_selected(text))
