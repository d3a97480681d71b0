"""What the real kernel has after our operations, as `ip` prints it."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rdnbr.core.fib.diff import plan
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.reconciler import Reconciler
from rdnbr.core.model.address import IP, parse_ip, parse_mac, show_ip
from rdnbr.core.model.fib_entries import DropNeighbour, DropRoute, PutNeighbour, PutRoute, host
from rdnbr.core.model.reason import Reason
from tests.contract.world import Real

pytestmark = pytest.mark.root

V4 = parse_ip("2.57.57.30")
V6 = parse_ip("2001:678:3a4:100::80")
GUEST = parse_mac("52:02:45:76:d2:35")


def shown(real: Real) -> list[dict[str, Any]]:
    """Return routes and neighbours on vmbr1 as `ip` prints them, without their protocol."""
    rows = []
    for command in ("-4 route show", "-6 route show", "-4 neigh show", "-6 neigh show"):
        for row in json.loads(real.run(f"ip -j -N {command} dev vmbr1 ") or "[]"):
            if row["dst"] in ("2.57.57.30", "2001:678:3a4:100::80"):
                row.pop("protocol", None)
                row.pop("proto", None)
                rows.append(row)
    return rows


def test_equals_what_ip_makes(real: Real) -> None:
    """The kernel has exactly what the four `ip` commands make, and the protocol."""
    by_hand = [
        "ip -6 route add 2001:678:3a4:100::80/128 dev vmbr1",
        "ip -6 neigh add 2001:678:3a4:100::80 lladdr 52:02:45:76:d2:35 dev vmbr1 nud permanent",
        "ip -4 route add 2.57.57.30/32 dev vmbr1",
        "ip -4 neigh add 2.57.57.30 lladdr 52:02:45:76:d2:35 dev vmbr1 nud permanent",
    ]
    for command in by_hand:
        real.run(command)
    expected = shown(real)
    assert len(expected) == 4
    for command in reversed(by_hand):
        real.run(command.replace(" add ", " del ").replace(" nud permanent", ""))
    assert shown(real) == []
    items = [host(254, V4, real.vmbr1, GUEST), host(254, V6, real.vmbr1, GUEST)]
    assert real.kernel.apply(plan(items, (), ())) == []
    assert shown(real) == expected
    assert real.run("ip -4 route show proto 171").split() == ["2.57.57.30", "dev", "vmbr1", "scope", "link"]
    assert "proto 171" in real.run("ip -N neigh show 2.57.57.30 dev vmbr1")


def test_lines_of_the_fake_kernel_are_true(real: Real) -> None:
    """The commands that the fake kernel prints give the real one the same entries."""
    pretended = FakeKernel({real.vmbr1: "vmbr1", real.vmbr2: "vmbr2"})
    items = [
        host(table, address, device, GUEST, metric)
        for table in (171, 254, 70000)
        for metric in (None, 50)
        for address, device in ((V4, real.vmbr1), (V6, real.vmbr2))
    ]
    pretended.apply(plan(items, (), ()))
    for line in pretended.lines():
        real.run(line)
    assert real.kernel.read_entries() == pretended.read_entries()
    assert len(pretended.lines()) == 14


def test_dynamic_neighbour_is_replaced(real: Real) -> None:
    """A neighbour that the kernel learned is replaced by ours."""
    for address in (V4, V6):
        real.run(f"ip neigh add {show_ip(address)} lladdr 02:bb:bb:bb:bb:bb dev vmbr1 nud stale")
        item = host(254, address, real.vmbr1, GUEST)
        assert real.kernel.apply([PutNeighbour(item.neighbour)]) == []
        assert item.neighbour in real.kernel.read_entries()[1]


def test_dynamic_neighbour_is_not_dropped(real: Real) -> None:
    """A neighbour that the kernel learned is not ours to remove."""
    real.run(f"ip neigh add {show_ip(V4)} lladdr 02:bb:bb:bb:bb:bb dev vmbr1 nud stale")
    assert real.kernel.apply([DropNeighbour(host(254, V4, real.vmbr1, GUEST).neighbour)]) == []
    assert "02:bb" in real.run("ip neigh show dev vmbr1")


def test_put_over_a_dynamic_neighbour_and_drop_at_once(real: Real) -> None:
    """A neighbour that became ours in a batch can be dropped in the same batch."""
    real.run(f"ip neigh add {show_ip(V4)} lladdr 02:bb:bb:bb:bb:bb dev vmbr1 nud stale")
    entry = host(254, V4, real.vmbr1, GUEST).neighbour
    assert real.kernel.apply([PutNeighbour(entry), DropNeighbour(entry)]) == []
    assert real.run("ip neigh show dev vmbr1") == ""


def test_device_down_is_a_refusal(real: Real) -> None:
    """A route over a device that is down is refused with the kernel's error."""
    real.run("ip link set vmbr1 down")
    (refusal,) = real.kernel.apply([PutRoute(host(254, V4, real.vmbr1, GUEST).route, replaces=False)])
    assert refusal.text == "Network is down: Device for nexthop is not up"


def test_routes_of_another_shape_are_not_ours(real: Real) -> None:
    """A prefix and a gateway route with our protocol are neither found nor replaced."""
    real.run("ip addr add 192.0.2.1/24 dev vmbr1")
    real.run("ip route add 198.51.100.0/24 dev vmbr1 proto 171")
    real.run(f"ip route add {show_ip(V4)} via 192.0.2.9 dev vmbr1 proto 171")
    assert real.kernel.read_entries()[0] == set()
    (refusal,) = real.kernel.apply([PutRoute(host(254, V4, real.vmbr1, GUEST).route, replaces=True)])
    assert refusal.reason == "foreign-route"


def test_lost_answers_are_requested_again(real: Real) -> None:
    """If the receive buffer is too small for the kernel's answers, the result is the same, only later."""
    real.kernel._netlink._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    items = [host(254, IP(V4[:3] + bytes((last,))), real.vmbr1, GUEST) for last in range(100)]
    lost = [host(254, IP(V4[:3] + bytes((last,))), real.missing, GUEST) for last in range(100)]
    operations = plan([one for pair in zip(items, lost, strict=True) for one in pair], (), ())
    refusals = real.kernel.apply(operations)
    assert {one.operation for one in refusals} == set(plan(lost, (), ()))
    assert len(refusals) == 200
    routes, neighbours = real.kernel.read_entries()
    assert routes == {item.route for item in items}
    assert neighbours == {item.neighbour for item in items}


def test_a_route_of_another_scope_can_be_dropped(real: Real) -> None:
    """A host route that is found as ours, but has another scope, can be dropped."""
    real.run(f"ip route add {show_ip(V4)} dev vmbr1 proto 171 scope global")
    (route,) = real.kernel.read_entries()[0]
    assert real.kernel.apply([DropRoute(route)]) == []
    assert real.kernel.read_entries()[0] == set()


def test_dropping_names_our_protocol(real: Real) -> None:
    """A route of another program over the same device with the same metric survives our delete."""
    for address, metric in ((V4, 0), (V6, 1024)):
        real.run(f"ip route add {show_ip(address)} dev vmbr1 metric {metric} proto static")
        assert real.kernel.apply([DropRoute(host(254, address, real.vmbr1, GUEST).route)]) == []
    assert real.run("ip -4 route show proto static").startswith("2.57.57.30 dev vmbr1")
    assert "2001:678:3a4:100::80 dev vmbr1" in real.run("ip -6 route show proto static")


def test_without_the_capability_every_operation_is_refused(real: Real) -> None:
    """A process without the capability gets a refusal for each operation, and can still read."""
    items = [host(254, address, real.vmbr1, GUEST) for address in (V4, V6)]
    real.kernel.apply(plan(items[:1], (), ()))
    os.seteuid(65534)  # drops the capabilities until the user id is 0 again
    try:
        refusals = real.kernel.apply([*plan(items[1:], (), ()), DropRoute(items[0].route)])
        found = real.kernel.read_entries()
    finally:
        os.seteuid(0)
    assert [(one.reason, one.text) for one in refusals] == [("kernel-refused", "Operation not permitted")] * 3
    assert found == ({items[0].route}, {items[0].neighbour})


def test_disabled_ipv6_is_a_refusal(real: Real) -> None:
    """If IPv6 is disabled, an IPv6 host is refused as the kernel says, and an IPv4 host of the same batch is put."""
    real.run.sysctl("net/ipv6/conf/vmbr1/disable_ipv6", 1)
    four, six = (host(254, address, real.vmbr1, GUEST) for address in (V4, V6))
    refusals = real.kernel.apply(plan([six, four], (), ()))
    assert [one.text for one in refusals] == [
        "Invalid argument: IPv6 is disabled on this device",
        "Permission denied: IPv6 is disabled on nexthop device",
    ]
    assert real.kernel.read_entries() == ({four.route}, {four.neighbour})


def test_found_while_the_tables_change(real: Real) -> None:
    """Routes that stay are always found, however many routes of our protocol change meanwhile."""
    items = [host(254, IP(V4[:2] + number.to_bytes(2, "big")), real.vmbr1, GUEST) for number in range(2000)]
    assert real.kernel.apply(plan(items, (), ())) == []
    kept = ({item.route for item in items}, {item.neighbour for item in items})
    changing = [f"10.9.{number >> 8}.{number & 255}/32 dev vmbr2 proto 171" for number in range(4000)]
    lines = [f"route {verb} {one}" for _ in range(3) for verb in ("add", "del") for one in changing]
    looks = 0
    with ThreadPoolExecutor(1) as pool:
        churn = pool.submit(real.run, "ip -batch -", "\n".join(lines))
        while not churn.done():
            routes, neighbours = real.kernel.read_entries()
            assert routes >= kept[0]
            assert neighbours == kept[1]
            looks += 1
        churn.result()
    assert looks > 3
    assert real.kernel.read_entries() == kept


@pytest.mark.parametrize("where", ["append", "prepend"])
@pytest.mark.parametrize("address", [V4, V6])
def test_second_route_of_our_protocol_in_the_same_place_is_removed(
    real: Real, address: IP, where: str
) -> None:
    """Linux permits two routes of one prefix and metric side by side; a resync keeps ours and removes the other."""
    wanted = host(254, address, real.vmbr1, GUEST)
    ours = Reconciler()
    ours.set_desired(wanted.key, wanted)
    ours.record_results(0.0, operations := ours.plan_operations(0.0), real.kernel.apply(operations))
    real.run(f"ip route {where} {show_ip(address)} dev vmbr2 proto 171 metric {wanted.metric}")
    other = wanted.route._replace(device=real.vmbr2)
    assert real.kernel.read_entries()[0] == {wanted.route, other}
    ours.route_added(other)
    for now in (1.0, 2.0):
        ours.record_results(now, operations := ours.plan_operations(now), real.kernel.apply(operations))
    ours.resync_from_kernel(*real.kernel.read_entries())
    for now in (61.0, 62.0):
        ours.record_results(now, operations := ours.plan_operations(now), real.kernel.apply(operations))
    assert real.kernel.read_entries() == ({wanted.route}, {wanted.neighbour})
    ours.route_removed(address, 254, wanted.metric, real.vmbr2)
    assert ours.plan_operations(63.0) == []


@pytest.mark.parametrize("replaces", [True, False])
@pytest.mark.parametrize("where", ["append", "prepend"])
@pytest.mark.parametrize("address", [V4, V6])
def test_foreign_route_in_the_same_place_survives_a_move(
    real: Real, address: IP, where: str, replaces: bool
) -> None:
    """When our route moves to another bridge, foreign routes in front of it and behind it stay."""
    old, new = (host(254, address, device, GUEST) for device in (real.vmbr1, real.vmbr2))
    real.kernel.apply(plan([old], (), ()))
    real.run(f"ip route {where} {show_ip(address)} dev lo proto static metric {old.metric}")
    refusals = real.kernel.apply([PutNeighbour(new.neighbour), PutRoute(new.route, replaces)])
    in_front = (address, where) == (V4, "prepend")
    assert [refusal.reason for refusal in refusals] == [Reason.FOREIGN_ROUTE] * in_front
    assert real.kernel.read_entries()[0] == {old.route if in_front else new.route}
    family = 4 if address == V4 else 6
    assert "dev lo" in real.run(f"ip -{family} route show {show_ip(address)} proto static")


def test_route_behind_a_foreign_one_does_not_stay(real: Real) -> None:
    """A guest that moves to another bridge leaves no route behind, also if the new route is refused."""
    old, new = (host(254, V4, device, GUEST) for device in (real.vmbr1, real.vmbr2))
    ours = Reconciler()
    ours.set_desired(old.key, old)
    ours.record_results(0.0, operations := ours.plan_operations(0.0), real.kernel.apply(operations))
    real.run(f"ip route prepend {show_ip(V4)} dev lo proto static")
    ours.set_desired(new.key, new)
    for now in (1.0, 1.1, 3.0):
        ours.record_results(now, operations := ours.plan_operations(now), real.kernel.apply(operations))
    assert real.kernel.read_entries()[0] == set()
    assert "dev lo" in real.run("ip route show proto static")
    real.run(f"ip route del {show_ip(V4)} dev lo proto static")
    ours.record_results(90.0, operations := ours.plan_operations(90.0), real.kernel.apply(operations))
    assert real.kernel.read_entries()[0] == {new.route}


def test_a_move_is_one_notification(real: Real) -> None:
    """A move is one message to programs that follow the routes, such as FRR: the new route replaces the old."""
    old, new = (host(254, V4, device, GUEST) for device in (real.vmbr1, real.vmbr2))
    real.kernel.apply(plan([old], (), ()))
    with real.run.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as listening:
        listening.bind((0, 1 << 6))  # RTNLGRP_IPV4_ROUTE
        assert real.kernel.apply([PutRoute(new.route, replaces=True)]) == []
        heard = listening.recv(65536)
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.recv(65536)
    assert heard[4:8] == bytes((24, 0, 0, 1)), "RTM_NEWROUTE with NLM_F_REPLACE"


def test_route_over_a_nexthop_object_is_foreign(real: Real) -> None:
    """The daemon makes no such route, and cannot remove one: it is foreign whatever its protocol, and reported so."""
    real.run("ip nexthop add id 5 dev vmbr1 proto 171")
    real.run("ip route add 2.57.57.30 nhid 5 proto 171")
    wanted = host(254, V4, real.vmbr1, GUEST)
    refusals = real.kernel.apply(plan([wanted], *real.kernel.read_entries()))
    assert [refusal.reason for refusal in refusals] == [Reason.FOREIGN_ROUTE]
