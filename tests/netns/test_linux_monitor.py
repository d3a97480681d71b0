"""What the monitor tells, and what the snapshot shows, of a real network namespace."""

import select
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from rdnbr.core.fib.diff import plan
from rdnbr.core.model.address import parse_ip, parse_mac, show_ip
from rdnbr.core.model.fib_entries import DropNeighbour, DropRoute, PutNeighbour, host
from rdnbr.core.model.interfaces import InterfaceAddress, Link
from rdnbr.core.model.served_segments import served_segments
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.links import snapshot
from rdnbr.linux.netlink.monitor import (
    AddressChanged,
    AddressGone,
    Event,
    LinkChanged,
    LinkGone,
    Monitor,
    NeighbourGone,
    NeighbourSeen,
    NeighbourTaken,
    Overrun,
    RouteGone,
    RouteLeft,
    RouteSeen,
    RouteTaken,
)
from rdnbr.linux.netlink.rtnetlink import place
from tests.netns.namespace import Namespace, until

pytestmark = pytest.mark.root

V4 = parse_ip("2.57.57.30")
V6 = parse_ip("2001:678:3a4:100::80")
GUEST = parse_mac("52:02:45:76:d2:35")
BRIDGE_MAC = parse_mac("02:00:00:00:00:01")


class Node:
    """A namespace with the bridge vmbr1, its tables, and a monitor that has heard nothing yet."""

    def __init__(self, namespace: Namespace) -> None:
        self.run = namespace
        namespace("ip link add vmbr1 type bridge")
        namespace("ip link set vmbr1 address 02:00:00:00:00:01")
        namespace("ip link set vmbr1 up")
        namespace("ip addr add 169.254.0.1/32 dev vmbr1")
        self.vmbr1 = namespace.index("vmbr1")
        with namespace.entered():
            self.monitor = Monitor()
            self.fib = KernelFib()

    def events(self, last: Callable[[Event], bool]) -> list[Event]:
        """Return what is told up to the first event that is the `last`."""
        told: list[Event] = []
        until(lambda: told.extend(self.monitor.receive(1)) or any(last(event) for event in told))
        return told


@pytest.fixture
def node() -> Iterator[Node]:
    namespace = Namespace()
    try:
        made = Node(namespace)
        yield made
        made.monitor.close()
        made.fib.close()
    finally:
        namespace.close()


def test_snapshot(node: Node) -> None:
    """The snapshot has links with kind, master, MAC and state, and the addresses of the node."""
    node.run("ip addr add fe80::1/64 dev vmbr1 nodad")
    node.run("ip link add tap100i0 master vmbr1 type veth peer name g0")
    node.run("ip link set tap100i0 address 02:00:00:00:01:00 up")
    with node.run.entered():
        seen = snapshot()
    by_name = {link.name: link for link in seen.links}
    bridge, tap = by_name["vmbr1"], by_name["tap100i0"]
    assert bridge == Link(node.vmbr1, "vmbr1", "bridge", BRIDGE_MAC, None, True, False)
    tap_mac = parse_mac("02:00:00:00:01:00")
    assert tap == Link(node.run.index("tap100i0"), "tap100i0", "veth", tap_mac, node.vmbr1, True, False)
    assert by_name["lo"].kind is None
    assert InterfaceAddress(node.vmbr1, parse_ip("169.254.0.1"), 32) in seen.addresses
    assert InterfaceAddress(node.vmbr1, parse_ip("fe80::1"), 64) in seen.addresses
    node.run("ip link set g0 up")
    with node.run.entered():
        seen = snapshot()
    (segment,) = served_segments(seen.links, seen.addresses)
    assert (segment.gateway4, segment.gateway6) == (parse_ip("169.254.0.1"), parse_ip("fe80::1"))
    tap = next(link for link in seen.links if link.name == "tap100i0")
    assert (tap.master, tap.up, tap.carrier) == (segment.index, True, True)


def test_port_comes_and_goes(node: Node) -> None:
    """A port is told when it joins the bridge, when it leaves (but stays a device), and when it is deleted."""
    node.run("ip link add tap100i0 type veth peer name g0")
    index = node.run.index("tap100i0")
    node.run("ip link set tap100i0 master vmbr1")
    node.run("ip link set tap100i0 up")

    def is_port(event: Event) -> bool:
        return (
            isinstance(event, LinkChanged) and event.link.index == index and event.link.master == node.vmbr1
        )

    node.events(lambda event: is_port(event) and isinstance(event, LinkChanged) and event.link.up)
    node.run("ip link set tap100i0 nomaster")
    left = node.events(
        lambda event: (
            isinstance(event, LinkChanged) and event.link.index == index and event.link.master is None
        )
    )
    assert LinkGone(index) not in left
    node.run("ip link del tap100i0")
    node.events(lambda event: event == LinkGone(index))


def test_addresses(node: Node) -> None:
    """Addresses are told as they come and go, in both families."""
    for text, length in (("192.0.2.1", 24), ("2001:db8::1", 64)):
        entry = InterfaceAddress(node.vmbr1, parse_ip(text), length)
        node.run(f"ip addr add {text}/{length} dev vmbr1")
        node.events(lambda event, entry=entry: event == AddressChanged(entry))
        node.run(f"ip addr del {text}/{length} dev vmbr1")
        node.events(lambda event, entry=entry: event == AddressGone(entry))


def test_address_whose_dad_fails(node: Node) -> None:
    """If a guest has an address that the node adds, the monitor and the snapshot say that its DAD has failed."""
    node.run("ip link add tap100i0 type veth peer name g0")
    node.run("ip link set tap100i0 master vmbr1 up")
    node.run("ip link set g0 up")
    node.run("ip addr add fe80::1/64 dev g0 nodad")
    node.run("ip addr add fe80::1/64 dev vmbr1")
    failed = InterfaceAddress(node.vmbr1, parse_ip("fe80::1"), 64, dad_failed=True)
    node.events(lambda event: event == AddressChanged(failed))
    with node.run.entered():
        assert failed in snapshot().addresses
    node.run("ip addr del fe80::1/64 dev vmbr1")
    node.events(lambda event: event == AddressGone(failed))


def test_address_with_a_peer(node: Node) -> None:
    """Of a point-to-point address the node's own end is told."""
    node.run("ip addr add 192.0.2.1 peer 192.0.2.9/32 dev vmbr1")
    entry = InterfaceAddress(node.vmbr1, parse_ip("192.0.2.1"), 32)
    node.events(lambda event: event == AddressChanged(entry))


def test_only_the_kernel_is_heard(node: Node) -> None:
    """A message that another program sends to our netlink socket is nothing to us."""
    body = struct.pack("=BBBBI", 2, 32, 0, 0, node.vmbr1) + struct.pack("=HH4s", 8, 1, V4)
    with node.run.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as other:
        forged = struct.pack("=IHHII", 16 + len(body), 20, 0, 0, 0) + body  # RTM_NEWADDR
        other.sendto(forged, (node.monitor._socket.getsockname()[0], 0))
    assert select.select([node.monitor], [], [], 5)[0] == [node.monitor]
    assert node.monitor.receive() == []


def test_putting_again_tells_nobody(node: Node) -> None:
    """Putting what is already there makes no event, so that no routing daemon has work from it."""
    items = [host(254, address, node.vmbr1, GUEST) for address in (V4, V6)]
    node.fib.apply(plan(items, (), ()))
    node.events(lambda event: isinstance(event, RouteSeen) and event.route == items[1].route)
    node.fib.apply(plan(items, (), ()))
    assert node.monitor.receive() == []


@pytest.mark.parametrize("address", [V4, V6])
def test_own_host(node: Node, address: bytes) -> None:
    """Routes and neighbours of our protocol are told as they come and go."""
    item = host(254, address, node.vmbr1, GUEST)
    node.fib.apply(plan([item], (), ()))
    told = node.events(lambda event: isinstance(event, RouteSeen))
    assert told == [NeighbourSeen(item.neighbour), RouteSeen(item.route)]
    node.fib.apply([DropRoute(item.route), DropNeighbour(item.neighbour)])
    told = node.events(lambda event: isinstance(event, NeighbourGone))
    assert told == [RouteGone(item.route), NeighbourGone(node.vmbr1, address)]


def test_foreign_entries_are_not_told(node: Node) -> None:
    """Routes of routing daemons and neighbours that the kernel learns are not told of, in whatever number."""
    lines = [f"route add 198.51.100.{last}/32 dev vmbr1 proto bgp" for last in range(200)]
    lines += [
        f"neigh add 198.51.100.{last} lladdr 02:00:00:00:00:09 dev vmbr1 nud reachable" for last in range(200)
    ]
    lines += [
        "route add 2001:db8:1::/64 dev vmbr1 proto bgp",
        "neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev vmbr1 nud stale",
    ]
    node.run("ip -batch -", stdin="\n".join(lines))
    assert select.select([node.monitor], [], [], 0)[0] == []  # they stay in the kernel
    item = host(254, V4, node.vmbr1, GUEST)
    node.fib.apply([PutNeighbour(item.neighbour)])
    assert node.events(lambda event: isinstance(event, NeighbourSeen)) == [NeighbourSeen(item.neighbour)]


@pytest.mark.parametrize("address", [V4, V6])
def test_route_taken_by_somebody_else(node: Node, address: bytes) -> None:
    """When another program replaces our route with its own, the place is told as taken."""
    item = host(254, address, node.vmbr1, GUEST)
    node.fib.apply(plan([item], (), ()))
    node.events(lambda event: isinstance(event, RouteSeen))
    text = "2.57.57.30" if address == V4 else "2001:678:3a4:100::80"
    metric = item.metric
    node.run(f"ip route replace {text} dev vmbr1 metric {metric} proto bgp")
    assert node.events(lambda event: isinstance(event, RouteTaken)) == [RouteTaken(place(item.route))]
    assert node.fib.read_entries()[0] == set()


@pytest.mark.parametrize("address", [V4, V6])
def test_place_that_somebody_left(node: Node, address: bytes) -> None:
    """When a host route that an administrator made goes, its place is told as free."""
    item = host(254, address, node.vmbr1, GUEST)
    route = f"{show_ip(address)} dev vmbr1 metric {item.metric} proto static"
    node.run(f"ip route add {route}")
    node.run(f"ip route del {route}")
    assert RouteLeft(place(item.route)) in node.events(lambda event: isinstance(event, RouteLeft))


@pytest.mark.parametrize("address", [V4, V6])
def test_neighbour_taken_and_left_by_somebody_else(node: Node, address: bytes) -> None:
    """When another program makes our neighbour its own, it is told as taken; and as gone when that one goes."""
    item = host(254, address, node.vmbr1, GUEST)
    node.fib.apply([PutNeighbour(item.neighbour)])
    node.events(lambda event: isinstance(event, NeighbourSeen))
    text = show_ip(address)
    node.run(f"ip neigh replace {text} lladdr 02:00:00:00:00:09 dev vmbr1 nud permanent protocol static")
    assert node.events(lambda event: True) == [NeighbourTaken(node.vmbr1, address)]
    node.run(f"ip neigh del {text} dev vmbr1")
    assert node.events(lambda event: True) == [NeighbourGone(node.vmbr1, address)]


def test_neighbour_that_had_no_owner_is_told_when_it_goes(node: Node) -> None:
    """A permanent neighbour that was put by hand, which names no protocol, is told as it comes and goes."""
    node.run("ip neigh add 2.57.57.30 lladdr 02:00:00:00:00:09 dev vmbr1 nud permanent")
    assert node.events(lambda event: True) == [NeighbourTaken(node.vmbr1, V4)]
    node.run("ip neigh del 2.57.57.30 dev vmbr1")
    assert node.events(lambda event: True) == [NeighbourGone(node.vmbr1, V4)]


def test_neighbour_no_longer_permanent(node: Node) -> None:
    """A neighbour of ours that somebody made an ordinary one is told as gone."""
    item = host(254, V4, node.vmbr1, GUEST)
    node.fib.apply([PutNeighbour(item.neighbour)])
    node.events(lambda event: isinstance(event, NeighbourSeen))
    node.run("ip neigh replace 2.57.57.30 lladdr 02:00:00:00:00:09 dev vmbr1 nud stale")
    node.events(lambda event: event == NeighbourGone(node.vmbr1, V4))
    assert node.fib.read_entries()[1] == set()


def test_bridge_mac_change_takes_neighbours(node: Node) -> None:
    """When the bridge's MAC changes Linux removes its neighbours, and each is told as gone."""
    items = [host(254, address, node.vmbr1, GUEST) for address in (V4, V6)]
    node.fib.apply(plan(items, (), ()))
    node.events(lambda event: isinstance(event, RouteSeen) and event.route == items[1].route)
    node.run("ip link set vmbr1 address 02:00:00:00:00:02")
    gone: list[Event] = []

    def all_gone(event: Event) -> bool:
        gone.append(event)
        return {NeighbourGone(node.vmbr1, V4), NeighbourGone(node.vmbr1, V6)} <= set(gone)

    node.events(all_gone)
    assert len(node.fib.read_entries()[0]) == 2


def test_overrun(node: Node) -> None:
    """When more happens than the buffer holds, that is told, and what happens later is told again."""
    node.monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for last in range(50):
        node.run(f"ip addr add 192.0.2.{last + 1}/32 dev vmbr1")
    assert node.monitor.receive() == [Overrun()]  # what was not lost is out of date
    item = host(254, V4, node.vmbr1, GUEST)
    node.fib.apply([PutNeighbour(item.neighbour)])
    node.events(lambda event: event == NeighbourSeen(item.neighbour))
