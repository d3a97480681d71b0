"""What is believed of what a daemon left in the kernel."""

from rdnbr.core.bindings.adoption import Find, finds, remnants
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


def adopted(*entries: Route | Neighbour) -> list[Find]:
    routes = {entry for entry in entries if isinstance(entry, Route)}
    return finds(SEGMENTS, routes, {entry for entry in entries if isinstance(entry, Neighbour)})


def test_what_is_whole_is_adopted_as_it_stands() -> None:
    """Routes with their neighbours are adopted, of both families, and of each table that a segment has."""
    assert adopted(
        Route(MAIN, A, ONE, 0),
        Neighbour(ONE, A, ALICE),
        Route(MAIN, B, TWO, 1024),
        Neighbour(TWO, B, BOB),
        Route(VRF, A, IN_VRF, 0),
        Neighbour(IN_VRF, A, BOB),
    ) == [
        Find(Key(VRF, A), IN_VRF, BOB, 0),
        Find(Key(MAIN, A), ONE, ALICE, 0),
        Find(Key(MAIN, B), TWO, BOB, 1024),
    ]


def test_route_without_its_neighbour_is_adopted_without_a_mac() -> None:
    """A route that lost its neighbour stays; whose it is will show."""
    assert adopted(Route(MAIN, A, ONE, 0)) == [Find(Key(MAIN, A), ONE, None, 0)]


def test_neighbour_without_a_route_is_asked_and_no_more() -> None:
    """A neighbour alone may have been about to come or to go: it makes no route, and is known as a remnant."""
    alone = Neighbour(ONE, A, ALICE)
    assert adopted(alone) == []
    assert remnants(SEGMENTS, {Route(MAIN, B, TWO, 1024)}, {alone}) == [alone]


def test_neighbour_with_a_route_anywhere_is_no_remnant() -> None:
    """Nor is one on a device that is not served."""
    assert remnants(SEGMENTS, {Route(77, A, TWO, 0)}, {Neighbour(ONE, A, ALICE)}) == []
    assert remnants(SEGMENTS, set(), {Neighbour(UPLINK, A, ALICE)}) == []


def test_neighbour_tells_where_a_route_belongs() -> None:
    """A route that leads to another bridge, to an uplink, or stands in another table is known by its neighbour."""
    for wrong in (Route(MAIN, A, TWO, 0), Route(MAIN, A, UPLINK, 0), Route(77, A, ONE, 0)):
        assert adopted(wrong, Neighbour(ONE, A, ALICE)) == [Find(Key(MAIN, A), ONE, ALICE, None)]


def test_a_whole_pair_outdoes_halves() -> None:
    """Where one bridge has route and neighbour, what else there is of that address moves nothing."""
    pair = Route(MAIN, A, TWO, 0), Neighbour(TWO, A, BOB)
    for half in (Neighbour(ONE, A, ALICE), Route(MAIN, A, ONE, 5), Route(77, A, ONE, 0)):
        assert adopted(*pair, half) == [Find(Key(MAIN, A), TWO, BOB, 0)]


def test_neighbour_of_another_table_is_no_route_there() -> None:
    """A whole pair in one table does not make a neighbour in another into more than it is."""
    assert adopted(Route(MAIN, A, ONE, 0), Neighbour(ONE, A, ALICE), Neighbour(IN_VRF, A, BOB)) == [
        Find(Key(MAIN, A), ONE, ALICE, 0)
    ]


def test_what_is_not_served_is_not_adopted() -> None:
    """Pairs on a device that is no segment, and routes in a table that is not their segment's, are left out."""
    assert adopted(Route(MAIN, A, UPLINK, 0), Neighbour(UPLINK, A, ALICE), Route(77, B, ONE, 1024)) == []


def test_of_two_metrics_the_one_that_counted_is_kept() -> None:
    """A daemon killed between making a route anew and breaking the old one leaves two: the lower was in force."""
    pair = Route(MAIN, A, ONE, 900), Neighbour(ONE, A, ALICE)
    assert adopted(*pair, Route(MAIN, A, ONE, 800)) == [Find(Key(MAIN, A), ONE, ALICE, 800)]
