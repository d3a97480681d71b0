"""What the real kernel holds for one host, whoever put it there."""

from collections.abc import Iterator
from contextlib import closing
from errno import EINVAL
from socket import AF_INET

import pytest

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.route_lookup import HostRoute, hosts_over, neighbours, routes
from rdnbr.linux.netlink.rtnetlink import RTM_GETROUTE, RTMSG, Request
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.root

V4, V6 = "2.57.57.30", "2001:678::80"
MAIN, BABEL, STATIC = 254, 42, 4


@pytest.fixture
def node() -> Iterator[Namespace]:
    namespace = Namespace()
    namespace("ip link add vmbr1 type bridge")
    namespace("ip link set vmbr1 up")
    namespace("ip link add uplink type veth peer name far")
    namespace("ip link set uplink up")
    namespace("ip link set far up")
    namespace("ip addr add 198.51.100.1/24 dev uplink")
    namespace("ip -6 addr add 2001:db8::1/64 dev uplink nodad")
    yield namespace
    namespace.close()


def found(node: Namespace, address: str) -> list[HostRoute]:
    with node.entered():
        return routes(parse_ip(address), [node.index("vmbr1")])


@pytest.mark.parametrize(("address", "metric"), [(V4, 0), (V6, 1024)])
def test_our_own_route(node: Namespace, address: str, metric: int) -> None:
    """A route as rdnbr makes it is found with its table, device, metric and protocol, and once."""
    node(f"ip route add {address} dev vmbr1 proto 171")
    assert found(node, address) == [HostRoute(MAIN, node.index("vmbr1"), metric, 171, "unicast", None)]


@pytest.mark.parametrize(
    ("address", "gateway", "metric"), [(V4, "198.51.100.2", 0), (V6, "2001:db8::2", 1024)]
)
def test_a_foreign_route_elsewhere(node: Namespace, address: str, gateway: str, metric: int) -> None:
    """Somebody's route for the host over another device is found, with its gateway."""
    node(f"ip route add {address} via {gateway} proto babel")
    expected = HostRoute(MAIN, node.index("uplink"), metric, BABEL, "unicast", parse_ip(gateway))
    assert found(node, address) == [expected]


@pytest.mark.parametrize("address", [V4, V6])
def test_a_foreign_route_behind_ours(node: Namespace, address: str) -> None:
    """What has another metric over the same device is found as well, the one that is taken first."""
    node(f"ip route add {address} dev vmbr1 metric 10 proto 171")
    node(f"ip route add {address} dev vmbr1 metric 20 proto static")
    assert [(route.metric, route.protocol) for route in found(node, address)] == [(10, 171), (20, STATIC)]


@pytest.mark.parametrize("address", [V4, V6])
def test_a_blackhole(node: Namespace, address: str) -> None:
    """A route that leads nowhere is found."""
    node(f"ip route add blackhole {address}")
    assert [route.kind for route in found(node, address)] == ["blackhole"]


@pytest.mark.parametrize(
    ("address", "prefix"), [(V4, "2.57.57.0/24"), ("2.57.57.0", "2.57.57.0/24"), (V6, "2001:678::/64")]
)
def test_a_wider_route_is_none(node: Namespace, address: str, prefix: str) -> None:
    """A prefix that has the host in it is no host route, nor is the absence of any."""
    assert found(node, address) == []
    node(f"ip route add {prefix} dev vmbr1")
    assert found(node, address) == []


@pytest.mark.parametrize("address", [V4, V6])
def test_a_route_in_another_table(node: Namespace, address: str) -> None:
    """Over the device it is found in whatever table, as a VRF's."""
    node(f"ip route add {address} dev vmbr1 table 1000 proto static")
    assert [(route.table, route.protocol) for route in found(node, address)] == [(1000, STATIC)]


def test_neighbours_of_a_host(node: Namespace) -> None:
    """An entry is found with its MAC, state and protocol; where there is none, nothing is."""
    node(f"ip neigh add {V4} lladdr 52:02:45:76:d2:35 dev vmbr1 nud permanent protocol static")
    with node.entered():
        (entry,) = neighbours(parse_ip(V4), [node.index("vmbr1"), node.index("uplink")])
        assert neighbours(parse_ip(V6), [node.index("vmbr1")]) == []
    assert (entry.mac, entry.configured, entry.ours) == (parse_mac("52:02:45:76:d2:35"), True, False)
    assert entry.protocol == STATIC


def test_refused_dump_raises(node: Namespace) -> None:
    """A dump that the kernel refuses raises the kernel's own words, and is no empty answer."""
    tos = Request(RTM_GETROUTE, 0, RTMSG.pack(AF_INET, 0, 0, 4, 0, 0, 0, 0, 0))
    with node.entered():
        netlink = NetlinkSocket()
    with closing(netlink), pytest.raises(OSError, match="Invalid values in header") as raised:
        netlink.dump(tos)
    assert raised.value.errno == EINVAL


@pytest.mark.parametrize("address", [V4, V6])
def test_several_next_hops(node: Namespace, address: str) -> None:
    """A route with several next hops has no device of its own, and is one over each of theirs."""
    gateways = ("198.51.100.2", "198.51.100.3") if address == V4 else ("2001:db8::2", "2001:db8::3")
    node(f"ip route add {address} " + " ".join(f"nexthop via {gateway}" for gateway in gateways))
    assert {(route.device, route.gateway) for route in found(node, address)} == {(None, None)}
    with node.entered():  # this only the kernel's own filter finds, not one that looks at each route it sent
        assert parse_ip(address) in hosts_over(node.index("uplink"))


def test_a_device_that_is_gone(node: Namespace) -> None:
    """Over a device that went away in between there are no routes."""
    with node.entered():
        assert hosts_over(9999) == frozenset()


def test_hosts_over_a_device(node: Namespace) -> None:
    """Host routes of both families over the device are found, in whatever table, and no others."""
    node(f"ip route add {V4} dev vmbr1 table 1000 proto static")
    node(f"ip route add {V6} dev vmbr1 proto 171")
    node("ip route add 2.57.58.0/24 dev vmbr1")
    node("ip route add 2.57.59.1 dev uplink")
    with node.entered():
        over = hosts_over(node.index("vmbr1"))
    link_local = {address for address in over if address.startswith(b"\xfe\x80")}
    assert over - link_local == {parse_ip(V4), parse_ip(V6)}
