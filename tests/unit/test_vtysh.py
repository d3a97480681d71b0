"""What vtysh prints, read."""

import re

import pytest

from rdnbr.core.model.address import show_ip
from rdnbr.linux.frr.frr_json import (
    VtyshError,
    read_kernel_routes,
    read_many_paths,
    read_paths,
    read_routes,
    read_sessions,
)
from rdnbr.linux.frr.frr_running_config import read_redistributions
from rdnbr.linux.frr.frr_status import Redistribution, Session

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
 !
 address-family ipv6 unicast
  redistribute table-direct 10 route-map RED6
  redistribute table-direct 11 metric 5
  redistribute table 12
 exit-address-family
exit
!
router ospf
 redistribute kernel
exit
!
end
"""


SUMMARY = """\
{
"default":{
"ipv4Unicast":{"routerId":"198.51.100.1", "as":65001, "peers":{
    "198.51.100.0":{"remoteAs":65000, "state":"Established", "peerState":"OK"},
    "198.51.100.9":{"remoteAs":65009, "state":"Idle (Admin)", "peerState":"Admin"}
  }, "failedPeers":1},
"l2VpnEvpn":{"peers":{"198.51.100.7":{"state":"Established"}}}
},
"red":{
"ipv6Unicast":{"peers":{"uplink":{"state":"Active"}}}
}
}
"""


def test_sessions():
    """Each neighbour of a family that hosts are in is found, with its VRF and state."""
    assert read_sessions(SUMMARY) == [
        Session(None, 4, "198.51.100.0", "Established"),
        Session(None, 4, "198.51.100.9", "Idle (Admin)"),
        Session("red", 6, "uplink", "Active"),
    ]
    assert read_sessions("{\n}\n") == []
    with pytest.raises(VtyshError):
        read_sessions("% Unknown command")


def test_redistributions():
    """Each `redistribute kernel` of BGP is found in its VRF and family; those of other protocols are not."""
    assert read_redistributions(CONFIGURATION) == [
        Redistribution(None, 4, "RDNBR4", one_metric=True),
        Redistribution(None, 6, None),
        Redistribution("red", 4, "RED"),
        Redistribution("red", 6, "RED6", table=10),
        Redistribution("red", 6, None, one_metric=True, table=11),
    ]


def test_route_map_that_sets_the_metric():
    """A route-map that gives all routes one metric is known by its `set metric`, wherever it stands; +1 keeps order."""
    text = (
        "router bgp 65001\n address-family ipv4 unicast\n  redistribute kernel route-map {}\n exit-address-family\n"
        "exit\n!\nroute-map A permit 10\n match interface vmbr1\n set metric 0\n set community 65000:171\nexit\n!\n"
        "route-map B permit 10\n match interface vmbr1\nexit\n!\nroute-map C permit 10\n set metric +1\nexit\n!\n"
        "route-map D permit 10\n match interface vmbr1\nexit\n!\nroute-map D permit 20\n set metric 5\nexit\n"
    )
    found = [read_redistributions(text.format(name))[0].one_metric for name in "ABCD"]
    assert found == [True, False, False, True]


def test_no_redistribution():
    """An instance without it has none."""
    without = re.sub("redistribute (kernel|table-direct 1.)", "redistribute static", CONFIGURATION)
    assert read_redistributions(without) == []


def test_kernel_routes():
    """Host routes of either family are read with their device, and whether zebra has selected them."""
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
    found = [(show_ip(address), device, chosen) for (address, device), chosen in read_kernel_routes(text)]
    assert found == [
        ("2.57.57.30", "vmbr1", True),
        ("2.57.57.31", "vmbr1", False),
        ("2001:db8::80", "vmbr1", False),
        ("2001:db8::80", "uplink", True),
    ]


def test_no_routes():
    """No route, and no VRF of that name, are no routes."""
    assert list(read_kernel_routes("{}\n")) == list(read_kernel_routes("")) == []


@pytest.mark.parametrize("text", ["% VRF red is unknown", "[1]", '{"default": {}}', '{"x/y": []}'])
def test_no_list_of_routes(text):
    """What is no list of routes is said to be none."""
    with pytest.raises(VtyshError, match="no list of routes"):
        list(read_kernel_routes(text))


def test_routes_of_a_host():
    """Each route that zebra has to a host is read with its protocol and device, and whether it is selected."""
    text = """{"2.57.57.30/32": [
        {"protocol": "bgp", "nexthops": [{"ip": "198.51.100.0", "interfaceName": "uplink"}]},
        {"protocol": "kernel", "selected": true, "nexthops": [{"interfaceName": "vmbr1"}]},
        {"protocol": "static", "nexthops": [{"blackhole": true}]}
    ]}"""
    assert list(read_routes(text)) == [
        ("bgp", "uplink", False),
        ("kernel", "vmbr1", True),
        ("static", None, False),
    ]
    assert list(read_routes("{}")) == []


def test_paths_of_a_host():
    """BGP tells whether the host is this node's own, and to whom it is advertised."""
    own = '{"paths": [{"sourced": true}], "advertisedTo": {"198.51.100.0": {"hostname": "upstream"}}}'
    assert read_paths(own) == (True, ("198.51.100.0",), ())
    assert read_paths('{"paths": [{"aspath": {}}]}') == (False, (), ())
    assert read_paths("{}") == read_paths("") == (False, (), ())


OWN = '{"sourced": true, "valid": true, "nexthops": [{"ip": "0.0.0.0"}]}'
OTHER = '{"valid": true, "nexthops": [{"ip": "198.51.100.3"}, {"ip": "fe80::3"}]}'
DEAD = '{"valid": false, "nexthops": [{"ip": "198.51.100.5"}]}'


def test_paths_of_other_nodes():
    """Valid paths of other nodes are told by their next hops, one for each path."""
    assert read_paths(f'{{"paths": [{OWN}, {OTHER}, {DEAD}]}}') == (True, (), ("198.51.100.3",))
    answers = (
        f'{{"prefix": "2.57.57.30/32", "paths": [{OWN}, {OTHER}]}}\n\n{{}}\n'
        f'{{"prefix": "2.57.57.31/32", "paths": [{OWN}]}}{{"prefix": "2.57.57.32/32", "paths": [{OTHER}]}}\n'
    )
    assert read_many_paths(answers) == [("2.57.57.30/32", ("198.51.100.3",))]
    with pytest.raises(VtyshError, match="no list of paths"):
        read_many_paths("{} % nonsense")


@pytest.mark.parametrize("text", ["% BGP instance not found", "[1]", '{"x": [1]}'])
def test_no_answer_about_a_host(text):
    """What is no answer is said to be none."""
    with pytest.raises(VtyshError, match="no list of"):
        list(read_routes(text))
    if not text.startswith("{"):
        with pytest.raises(VtyshError, match="no list of"):
            read_paths(text)
