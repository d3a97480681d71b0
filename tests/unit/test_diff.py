"""From what should be in the kernel to what must be done."""

from rdnbr.core.fib.diff import plan
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import (
    DropNeighbour,
    DropRoute,
    Host,
    Key,
    Neighbour,
    PutNeighbour,
    PutRoute,
    Route,
    host,
)

V4, V6 = parse_ip("2.57.57.30"), parse_ip("2001:678::80")
ALICE, BOB = parse_mac("52:02:45:00:00:01"), parse_mac("52:02:45:00:00:02")


def test_default_metrics_are_the_kernel_s():
    """Without a metric a route has the one the kernel would give: 0 for IPv4, 1024 for IPv6."""
    assert host(254, V4, 1, ALICE) == Host(Key(254, V4), 1, ALICE, 0)
    assert host(254, V6, 1, ALICE).route == Route(254, V6, 1, 1024)
    assert host(254, V6, 1, ALICE, 7).route.metric == 7


def test_neighbour_goes_in_first():
    """There is no moment in which a routed packet makes the kernel ask the wire."""
    assert plan([host(254, V4, 1, ALICE)], [], []) == [
        PutNeighbour(Neighbour(1, V4, ALICE)),
        PutRoute(Route(254, V4, 1, 0), replaces=False),
    ]


def test_neighbour_goes_out_last():
    """Nor on the way out."""
    assert plan([], [Route(254, V4, 1, 0)], [Neighbour(1, V4, ALICE)]) == [
        DropRoute(Route(254, V4, 1, 0)),
        DropNeighbour(Neighbour(1, V4, ALICE)),
    ]


def test_what_is_so_costs_nothing():
    """What the kernel holds already makes no operation."""
    wanted = host(254, V6, 1, ALICE)
    assert plan([wanted], [wanted.route], [wanted.neighbour]) == []


def test_move_between_ports_changes_the_neighbour_only():
    """Another MAC on the same bridge leaves the route as it is: BGP sees nothing."""
    old, new = host(254, V4, 1, ALICE), host(254, V4, 1, BOB)
    assert plan([new], [old.route], [old.neighbour]) == [PutNeighbour(Neighbour(1, V4, BOB))]


def test_move_between_bridges_replaces_the_route():
    """On another bridge the new neighbour goes in, the route is replaced in its place, the old neighbour goes."""
    old, new = host(254, V4, 1, ALICE), host(254, V4, 2, ALICE)
    assert plan([new], [old.route], [old.neighbour]) == [
        PutNeighbour(Neighbour(2, V4, ALICE)),
        PutRoute(Route(254, V4, 2, 0), replaces=True),
        DropNeighbour(Neighbour(1, V4, ALICE)),
    ]


def test_another_metric_is_added_before_the_old_one_goes():
    """A route with another metric is another route to the kernel: there is always one."""
    old, new = host(254, V4, 1, ALICE, 9), host(254, V4, 1, ALICE, 8)
    assert plan([new], [old.route], [old.neighbour]) == [
        PutRoute(Route(254, V4, 1, 8), replaces=False),
        DropRoute(Route(254, V4, 1, 9)),
    ]


def test_neighbour_stays_for_the_route_of_another_table():
    """Two tables share a device's neighbour, which goes with the last of them."""
    main, vrf = host(254, V4, 1, ALICE), host(100, V4, 1, ALICE)
    assert plan([vrf], [main.route, vrf.route], [main.neighbour]) == [DropRoute(Route(254, V4, 1, 0))]


def test_other_route_in_the_place_of_a_wanted_one_goes():
    """Where two stand in one place the wanted one stays, and the other is removed by itself."""
    wanted, other = host(254, V4, 1, ALICE), Route(254, V4, 2, 0)
    assert plan([wanted], [wanted.route, other], [wanted.neighbour]) == [DropRoute(other)]
