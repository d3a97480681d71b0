"""Which routes and neighbours of an earlier run are adopted."""

from rdnbr.core.bindings.adoption import AdoptableRoute, adoptable_routes, orphaned_neighbours
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import Key, Neighbour, Route
from rdnbr.core.model.interfaces import Segment

MAIN, VRF = 254, 100
ONE, TWO, IN_VRF, UPLINK = 1, 2, 3, 9
ALICE, BOB = parse_mac("52:02:45:00:00:01"), parse_mac("52:02:45:00:00:02")
A, B = parse_ip("2.57.57.30"), parse_ip("2001:678:3a4:100::80")

SEGMENTS = {
    index: Segment(index, f"vmbr{index}", parse_mac("02:52:44:4e:42:52"), table, None, None)
    for index, table in ((ONE, MAIN), (TWO, MAIN), (IN_VRF, VRF))
}


def adopted(*entries: Route | Neighbour) -> list[AdoptableRoute]:
    routes = {entry for entry in entries if isinstance(entry, Route)}
    return adoptable_routes(SEGMENTS, routes, {entry for entry in entries if isinstance(entry, Neighbour)})


def test_route_with_its_neighbour_is_adopted() -> None:
    """Routes with their neighbours are adopted, of both families, and of each table that a segment has."""
    assert adopted(
        Route(MAIN, A, ONE, 0),
        Neighbour(ONE, A, ALICE),
        Route(MAIN, B, TWO, 1024),
        Neighbour(TWO, B, BOB),
        Route(VRF, A, IN_VRF, 0),
        Neighbour(IN_VRF, A, BOB),
    ) == [
        AdoptableRoute(Key(VRF, A), IN_VRF, BOB, 0),
        AdoptableRoute(Key(MAIN, A), ONE, ALICE, 0),
        AdoptableRoute(Key(MAIN, B), TWO, BOB, 1024),
    ]


def test_route_without_its_neighbour_is_adopted_without_a_mac() -> None:
    """A route without a neighbour is adopted, and its MAC is not known."""
    assert adopted(Route(MAIN, A, ONE, 0)) == [AdoptableRoute(Key(MAIN, A), ONE, None, 0)]


def test_neighbour_without_a_route_is_orphaned() -> None:
    """A neighbour without a route is not adopted, and it is returned as orphaned."""
    alone = Neighbour(ONE, A, ALICE)
    assert adopted(alone) == []
    assert orphaned_neighbours(SEGMENTS, {Route(MAIN, B, TWO, 1024)}, {alone}) == [alone]


def test_neighbour_with_a_route_anywhere_is_not_orphaned() -> None:
    """A neighbour is not orphaned if its address has any route, or if its device is not served."""
    assert orphaned_neighbours(SEGMENTS, {Route(77, A, TWO, 0)}, {Neighbour(ONE, A, ALICE)}) == []
    assert orphaned_neighbours(SEGMENTS, set(), {Neighbour(UPLINK, A, ALICE)}) == []


def test_route_without_its_neighbour_moves_to_a_neighbour() -> None:
    """A route over another bridge or an uplink, or in another table, is adopted on the segment of its neighbour."""
    for wrong in (Route(MAIN, A, TWO, 0), Route(MAIN, A, UPLINK, 0), Route(77, A, ONE, 0)):
        assert adopted(wrong, Neighbour(ONE, A, ALICE)) == [AdoptableRoute(Key(MAIN, A), ONE, ALICE, None)]


def test_complete_pair_has_precedence() -> None:
    """If one bridge has the route and the neighbour, other entries of the address change nothing."""
    pair = Route(MAIN, A, TWO, 0), Neighbour(TWO, A, BOB)
    for half in (Neighbour(ONE, A, ALICE), Route(MAIN, A, ONE, 5), Route(77, A, ONE, 0)):
        assert adopted(*pair, half) == [AdoptableRoute(Key(MAIN, A), TWO, BOB, 0)]


def test_neighbour_of_another_table_is_no_route_there() -> None:
    """A complete pair in one table does not make a neighbour in another table adoptable."""
    assert adopted(Route(MAIN, A, ONE, 0), Neighbour(ONE, A, ALICE), Neighbour(IN_VRF, A, BOB)) == [
        AdoptableRoute(Key(MAIN, A), ONE, ALICE, 0)
    ]


def test_entries_outside_of_segments_are_not_adopted() -> None:
    """A pair on a device that is no segment, and a route in another table than its segment's, are not adopted."""
    assert adopted(Route(MAIN, A, UPLINK, 0), Neighbour(UPLINK, A, ALICE), Route(77, B, ONE, 1024)) == []


def test_lower_metric_of_two_is_adopted() -> None:
    """A daemon that is killed while it changes a metric leaves two routes; the kernel used the lower metric."""
    pair = Route(MAIN, A, ONE, 900), Neighbour(ONE, A, ALICE)
    assert adopted(*pair, Route(MAIN, A, ONE, 800)) == [AdoptableRoute(Key(MAIN, A), ONE, ALICE, 800)]
