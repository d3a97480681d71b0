"""The next hops of real routing tables."""

import socket
from collections.abc import Iterator

import pytest

from rdnbr.core.model.address import show_ip
from rdnbr.linux.netlink.monitor import Monitor, NextHopsChanged
from rdnbr.linux.netlink.next_hops import next_hops
from tests.netns.namespace import Namespace, until

pytestmark = pytest.mark.root


@pytest.fixture
def node() -> Iterator[Namespace]:
    namespace = Namespace()
    namespace("ip link add up0 type veth peer name wire")
    namespace("ip link set up0 up")
    namespace("ip link set wire up")
    namespace("ip addr add 192.0.2.1/24 dev up0")
    yield namespace
    namespace.close()


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("ip route add default via 192.0.2.254", ["192.0.2.254 up0"]),
        ("ip route add 198.51.100.0/24 via 192.0.2.3 proto static table 100", ["192.0.2.3 up0"]),
        (
            "ip route add 198.51.100.0/24 nexthop via 192.0.2.4 nexthop via 203.0.113.5 dev wire onlink",
            ["192.0.2.4 up0", "203.0.113.5 wire"],
        ),
        (
            "ip -6 route add 2001:db8::/32 nexthop via fe80::7 dev up0 nexthop via fe80::8 dev wire",
            ["fe80::7 up0", "fe80::8 wire"],
        ),
        ("ip route add 198.51.100.0/24 via inet6 fe80::77 dev up0", ["fe80::77 up0"]),
        ("ip -6 route add default via fe80::99 dev up0 proto ra", ["fe80::99 up0"]),
        ("ip nexthop add id 5 via 192.0.2.9 dev up0", ["192.0.2.9 up0"]),
        ("ip nexthop add id 5 dev up0", []),
        ("ip nexthop add id 5 blackhole", []),
        ("ip route add 198.51.100.0/24 via 192.0.2.3 proto bgp", []),
        ("ip route add 198.51.100.0/24 dev up0", []),
    ],
)
def test_next_hops(node: Namespace, route: str, expected: list[str]) -> None:
    """Gateways and their devices are found however the route writes them; a routing daemon's routes are not read."""
    node(route)
    with node.entered():
        found = next_hops()
        names = dict(socket.if_nameindex())
    assert sorted(f"{show_ip(hop.address)} {names[hop.device or 0]}" for hop in found) == expected


def test_a_change_is_told(node: Namespace) -> None:
    """A default route that somebody adds is told of at once."""
    with node.entered():
        monitor = Monitor()
    node("ip route add default via 192.0.2.254")
    until(lambda: NextHopsChanged() in monitor.receive())
    monitor.close()
