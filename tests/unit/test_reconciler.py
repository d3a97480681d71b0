"""What the kernel holds is kept equal to what it should hold."""

from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.reconciler import Reconciler
from rdnbr.core.fib.removal_damping import ACTS, HOLD_DOWN
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import DropRoute, Host, Key, Neighbour, PutNeighbour, PutRoute, Route, host
from rdnbr.core.model.reason import Reason

V4, V6 = parse_ip("2.57.57.30"), parse_ip("2001:678::80")
ALICE, BOB = parse_mac("52:02:45:00:00:01"), parse_mac("52:02:45:00:00:02")
MAIN, VRF = Key(254, V4), Key(100, V4)
ROUTE = Route(254, V4, 1, 0)
NEIGHBOUR = Neighbour(1, V4, ALICE)


class Pair:
    """A reconciliation and the kernel it is about."""

    def __init__(self) -> None:
        self.kernel = FakeKernel({1: "vmbr1", 2: "vmbr2"})
        self.desired = Reconciler()

    def turn(self, now: float = 0.0) -> list[tuple[Key, Reason | None]]:
        """Make the kernel agree as far as it will, and return whose standing changed."""
        operations = self.desired.plan_operations(now)
        return self.desired.record_results(now, operations, self.kernel.apply(operations))

    def want(self, item: Host) -> None:
        self.desired.set_desired(item.key, item)


def test_wish_is_carried_out_once():
    """What was put is not put again."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    assert pair.desired.plan_operations(0.0) == [PutNeighbour(NEIGHBOUR), PutRoute(ROUTE, replaces=False)]
    pair.desired.set_desired(MAIN, host(254, V4, 1, ALICE))
    pair.turn()
    assert pair.kernel.read_entries() == ({ROUTE}, {NEIGHBOUR})
    assert pair.desired.plan_operations(1.0) == []


def test_operations_whose_results_are_unknown_are_planned_again():
    """If applying operations raises, their results are never recorded, and the next plan has them again."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    lost = pair.desired.plan_operations(0.0)
    assert pair.desired.plan_operations(1.0) == lost
    pair.turn(2.0)
    assert pair.kernel.read_entries() == ({ROUTE}, {NEIGHBOUR})


def test_wish_that_was_taken_back_before_its_turn_does_nothing():
    """What came and went between two turns never reaches the kernel."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.desired.set_desired(MAIN, None)
    assert pair.desired.plan_operations(0.0) == []


def test_what_is_no_longer_wanted_goes():
    """Route and neighbour go when nobody wants them."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn()
    pair.desired.set_desired(MAIN, None)
    pair.turn()
    assert pair.kernel.read_entries() == (set(), set())


def test_neighbour_serves_two_tables():
    """The neighbour that two tables' routes use stays until neither is wanted."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.want(host(100, V4, 1, ALICE))
    pair.turn()
    pair.desired.set_desired(MAIN, None)
    pair.turn()
    assert pair.kernel.read_entries() == ({Route(100, V4, 1, 0)}, {NEIGHBOUR})
    pair.desired.set_desired(VRF, None)
    pair.turn()
    assert pair.kernel.read_entries() == (set(), set())


def test_what_somebody_deletes_is_put_back():
    """A route or neighbour that others remove is there again after the turn that hears of it."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn()
    pair.kernel.remove_device(1)
    pair.kernel.add_device(1, "vmbr1")
    pair.desired.route_removed(V4, 254, 0)
    pair.desired.neighbour_removed(1, V4)
    pair.turn()
    assert pair.kernel.read_entries() == ({ROUTE}, {NEIGHBOUR})


def test_what_nobody_wants_is_removed_when_seen():
    """An entry of our protocol that somebody put, or that was left behind, goes."""
    pair = Pair()
    stray = host(254, V6, 2, BOB)
    pair.kernel.apply([PutNeighbour(stray.neighbour), PutRoute(stray.route, replaces=False)])
    pair.desired.route_added(stray.route)
    pair.desired.neighbour_added(stray.neighbour)
    pair.turn()
    assert pair.kernel.read_entries() == (set(), set())


def test_news_of_our_own_doing_is_no_news():
    """The kernel's echo of what we did makes no operation."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn()
    pair.desired.neighbour_added(NEIGHBOUR)
    pair.desired.route_added(ROUTE)
    assert pair.desired.plan_operations(0.0) == []


def test_look_at_everything_mends_what_was_missed():
    """After events were lost, one look is enough: what is missing is put, what is too much goes."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn()
    pair.kernel.remove_device(1)
    pair.kernel.add_device(1, "vmbr1")
    stray = host(254, V6, 2, BOB)
    pair.kernel.apply([PutNeighbour(stray.neighbour), PutRoute(stray.route, replaces=False)])
    pair.desired.resync_from_kernel(*pair.kernel.read_entries())
    pair.turn()
    assert pair.kernel.read_entries() == ({ROUTE}, {NEIGHBOUR})


def test_refusal_is_told_once_more_each_time_and_relief_at_once():
    """Each refusal names the key; when the place is free, the next try tells that it is in."""
    pair = Pair()
    pair.kernel.add_foreign_route(254, V4, 0)
    pair.want(host(254, V4, 1, ALICE))
    assert pair.turn(0.0) == [(MAIN, Reason.FOREIGN_ROUTE)]
    assert pair.turn(1.0) == [(MAIN, Reason.FOREIGN_ROUTE)]
    pair.kernel.remove_foreign_route(254, V4, 0)
    assert pair.turn(3.0) == [(MAIN, None)]
    assert pair.turn(4.0) == []
    assert pair.kernel.read_entries() == ({ROUTE}, {NEIGHBOUR})


def test_tries_again_less_and_less_often():
    """What is refused is tried after 1 s, 2 s, 4 s …, and each minute in the end."""
    pair = Pair()
    pair.kernel.add_foreign_route(254, V4, 0)
    pair.want(host(254, V4, 1, ALICE))
    now, waits = 0.0, []
    for _ in range(9):
        pair.turn(now)
        again = pair.desired.next_deadline()
        assert again is not None
        assert pair.desired.plan_operations(again - 0.1) == []
        waits.append(again - now)
        now = again
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_others_do_not_wait_for_what_is_refused():
    """An address in trouble keeps no other from the kernel."""
    pair = Pair()
    pair.kernel.add_foreign_route(254, V4, 0)
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    pair.want(host(254, V6, 1, ALICE))
    assert pair.turn(0.1) == []
    assert Route(254, V6, 1, 1024) in pair.kernel.read_entries()[0]


def test_another_wish_is_tried_at_once():
    """A refused address that moves to a bridge where it is welcome does not wait out its time."""
    pair = Pair()
    pair.want(host(254, V4, 9, ALICE))
    assert pair.turn(0.0) == [(MAIN, Reason.KERNEL_REFUSED)]
    pair.want(host(254, V4, 2, ALICE))
    assert pair.turn(0.1) == [(MAIN, None)]
    assert pair.desired.next_deadline() is None


def test_devices_that_changed_are_a_reason_to_try():
    """When a bridge is back, what was refused meanwhile is tried at once."""
    pair = Pair()
    pair.kernel.remove_device(1)
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    pair.kernel.add_device(1, "vmbr1")
    pair.desired.retry_all(0.2)
    assert pair.turn(0.2) == [(MAIN, None)]


def test_only_the_table_that_is_refused_is_told_of():
    """Of an address in two tables, the one whose route is refused is told, the other's is in."""
    pair = Pair()
    pair.kernel.add_foreign_route(100, V4, 0)
    pair.want(host(254, V4, 1, ALICE))
    pair.want(host(100, V4, 2, ALICE))
    assert pair.turn(0.0) == [(VRF, Reason.FOREIGN_ROUTE)]
    assert ROUTE in pair.kernel.read_entries()[0]


def test_refused_and_no_longer_wanted_is_forgotten():
    """With the wish the trouble ends: nothing is tried, nothing is kept."""
    pair = Pair()
    pair.kernel.add_foreign_route(254, V4, 0)
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    pair.desired.set_desired(MAIN, None)
    assert pair.turn(0.1) == []
    assert pair.desired.next_deadline() is None
    assert pair.kernel.read_entries() == (set(), set())


def test_place_that_somebody_leaves_is_taken_at_once():
    """When the route or neighbour that was in the way goes, ours goes in without waiting for the next try."""
    pair = Pair()
    pair.kernel.add_foreign_route(254, V4, 0)
    pair.want(host(254, V4, 1, ALICE))
    for now in (0.0, 1.0, 3.0, 7.0):
        pair.turn(now)
    pair.kernel.remove_foreign_route(254, V4, 0)
    pair.desired.route_removed(V4, 254, 0)
    assert pair.turn(7.1) == [(MAIN, None)]
    pair.kernel.add_foreign_neighbour(1, V4)
    pair.desired.neighbour_removed(1, V4)
    assert pair.turn(8.0) == [(MAIN, Reason.FOREIGN_ROUTE)]
    pair.kernel.remove_foreign_neighbour(1, V4)
    pair.desired.neighbour_removed(1, V4)
    assert pair.turn(8.1) == [(MAIN, None)]
    assert pair.kernel.read_entries() == ({ROUTE}, {NEIGHBOUR})


def test_no_route_stays_on_a_neighbour_that_somebody_took():
    """Where somebody else's permanent neighbour takes the place of ours, our route goes: its MAC was never verified."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.want(host(100, V4, 2, ALICE))
    pair.turn(0.0)
    pair.kernel.add_foreign_neighbour(1, V4)
    pair.desired.neighbour_removed(1, V4)
    assert pair.turn(1.0) == [(MAIN, Reason.FOREIGN_ROUTE)]
    assert pair.desired.next_deadline() == float("-inf")
    assert pair.desired.plan_operations(1.0) == [DropRoute(ROUTE)]
    pair.desired.record_results(1.0, [DropRoute(ROUTE)], pair.kernel.apply([DropRoute(ROUTE)]))
    assert pair.desired.next_deadline() == 2.0
    assert pair.kernel.read_entries() == ({Route(100, V4, 2, 0)}, {Neighbour(2, V4, ALICE)})
    pair.kernel.remove_foreign_neighbour(1, V4)
    assert pair.turn(2.0) == [(MAIN, None)]
    assert pair.kernel.read_entries()[0] == {ROUTE, Route(100, V4, 2, 0)}


def test_no_route_stays_where_the_guest_is_no_more():
    """When a guest moves to a bridge where its route is refused, the one over the old bridge goes."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    pair.want(host(254, V4, 9, ALICE))
    assert pair.turn(1.0) == [(MAIN, Reason.KERNEL_REFUSED)]
    pair.turn(1.0)
    assert pair.kernel.read_entries() == (set(), set())
    pair.kernel.add_device(9, "vmbr9")
    pair.turn(2.0)
    assert pair.kernel.read_entries() == ({ROUTE._replace(device=9)}, {NEIGHBOUR._replace(device=9)})


def rob(pair: Pair, now: float) -> list[tuple[Key, Reason | None]]:
    pair.kernel._remove_route(ROUTE.table, ROUTE.address, ROUTE.metric)
    pair.desired.route_removed(V4, 254, 0)
    return pair.turn(now)


def test_third_theft_within_a_minute_is_reported_and_not_fought_for_a_while():
    """What is removed is put back at once, but the third time in a minute only after a truce, and that is told."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    for now in (10.0, 40.0):
        assert rob(pair, now) == []
        assert ROUTE in pair.kernel.read_entries()[0]
    assert rob(pair, 69.9) == [(MAIN, Reason.CONTESTED)]
    assert ROUTE not in pair.kernel.read_entries()[0]
    assert pair.desired.next_deadline() == 69.9 + HOLD_DOWN
    pair.desired.neighbour_removed(1, V4)
    pair.desired.neighbour_removed(1, V4)
    assert pair.turn(70.0) == []
    assert pair.turn(69.9 + HOLD_DOWN) == [(MAIN, None)]
    assert ROUTE in pair.kernel.read_entries()[0]


def test_seldom_thefts_are_never_reported():
    """What is removed once in 31 s is put back each time."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    for number in range(1, 10):
        assert rob(pair, 31.0 * number) == []
        assert ROUTE in pair.kernel.read_entries()[0]


def test_what_goes_with_a_device_was_not_stolen():
    """However often a bridge goes down or changes its MAC, what vanishes with that is put back at once."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    for number in range(1, 2 * ACTS):
        pair.kernel.remove_device(1)
        pair.kernel.add_device(1, "vmbr1")
        pair.desired.neighbour_removed(1, V4)
        pair.desired.retry_all(number)
        pair.turn(number)
        pair.desired.route_removed(V4, 254, 0)
        assert pair.turn(number + 0.5) == []
        assert pair.kernel.read_entries() == ({ROUTE}, {NEIGHBOUR})


def test_another_mac_in_our_neighbour_is_a_theft():
    """Somebody who keeps writing another MAC into our entry is fought twice, and reported the third time."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    came = []
    for now in (1.0, 2.0, 3.0):
        pair.kernel.apply([PutNeighbour(Neighbour(1, V4, BOB))])
        pair.desired.neighbour_added(Neighbour(1, V4, BOB))
        came.append(pair.turn(now))
    assert came == [[], [], [(MAIN, Reason.CONTESTED)]]
    assert pair.kernel.read_entries()[1] == {Neighbour(1, V4, BOB)}
    pair.turn(3.0 + HOLD_DOWN)
    assert pair.kernel.read_entries()[1] == {NEIGHBOUR}


def test_late_echo_of_our_own_change_is_no_theft():
    """What we put ourselves and hear of only after the next change costs nothing."""
    pair = Pair()
    for now in (1.0, 2.0, 3.0, 4.0):
        for mac in (ALICE, BOB):
            pair.want(host(254, V4, 1, mac))
            assert pair.turn(now) == []
        pair.desired.neighbour_added(Neighbour(1, V4, BOB))


def test_flush_that_goes_round_is_one_theft():
    """What is removed again and again by one command is put back when that has come to its end, and not reported."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    for begin in (10.0, 30.0):
        assert rob(pair, begin) == []
        assert ROUTE in pair.kernel.read_entries()[0]
        assert rob(pair, begin + 0.01) == []
        pair.turn(begin + 1.0)
        assert ROUTE not in pair.kernel.read_entries()[0]
        pair.turn(begin + 1.01)
        assert ROUTE in pair.kernel.read_entries()[0]


def test_what_another_program_takes_is_no_theft():
    """However often somebody puts a route or neighbour in the place of ours, each time it is tried, and refused."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    for now in range(1, 2 * ACTS):
        pair.kernel.add_foreign_route(254, V4, 0)
        pair.desired.route_taken(V4, 254, 0)
        assert pair.turn(now) == [(MAIN, Reason.FOREIGN_ROUTE)]
        pair.kernel.remove_foreign_route(254, V4, 0)
        pair.desired.route_removed(V4, 254, 0)
        assert pair.turn(now + 0.1) == [(MAIN, None)]
        pair.kernel.add_foreign_neighbour(1, V4)
        pair.desired.neighbour_taken(1, V4)
        assert pair.turn(now + 0.2) == [(MAIN, Reason.FOREIGN_ROUTE)]
        pair.kernel.remove_foreign_neighbour(1, V4)
        pair.desired.neighbour_removed(1, V4)
        assert pair.turn(now + 0.3) == [(MAIN, None)]


def test_a_route_that_is_there_is_taken_out_and_put_back():
    """To have the kernel tell of a route once more, that route alone goes and comes, in one batch."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn()
    pair.desired.reannounce(ROUTE)
    assert pair.desired.next_deadline() == float("-inf")
    assert pair.desired.plan_operations(1.0) == [DropRoute(ROUTE), PutRoute(ROUTE, replaces=False)]
    assert pair.desired.plan_operations(1.0) == []


def test_a_route_that_is_gone_is_put_in_and_taken_out():
    """Who has missed that a route went hears of it so; where another is wanted, nothing of the kind is done."""
    pair = Pair()
    pair.desired.reannounce(ROUTE)
    assert pair.desired.plan_operations(0.0) == [PutRoute(ROUTE, replaces=False), DropRoute(ROUTE)]
    pair.want(host(254, V4, 2, ALICE))
    pair.turn()
    pair.desired.reannounce(ROUTE)
    assert pair.desired.plan_operations(1.0) == []


def test_to_hear_of_our_own_repeating_is_no_theft():
    """However often a route is repeated, nobody is accused; and one that is stolen meanwhile comes back."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    for now in range(1, 2 * ACTS):
        pair.desired.reannounce(ROUTE)
        pair.turn(now)
        pair.desired.route_removed(V4, 254, 0)
        pair.desired.route_added(ROUTE)
        assert (pair.desired.plan_operations(now), pair.desired.record_results(now, [], [])) == ([], [])
    pair.kernel.apply([DropRoute(ROUTE)])
    pair.desired.route_removed(V4, 254, 0)
    pair.turn(10.0)
    assert pair.kernel.read_entries()[0] == {ROUTE}


def test_a_route_that_cannot_be_put_back_is_tried_again():
    """A repeated route is never lost: should the kernel refuse it just then, it is a refused route as any other."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.turn(0.0)
    pair.desired.reannounce(ROUTE)
    operations = pair.desired.plan_operations(1.0)
    refusals = [Refusal(operations[1], Reason.KERNEL_REFUSED, "not now")]
    pair.kernel.apply(operations[:1])
    assert pair.desired.record_results(1.0, operations, refusals) == [(MAIN, Reason.KERNEL_REFUSED)]
    assert pair.desired.retry_at(V4) == 2.0
    assert pair.turn(2.0) == [(MAIN, None)]
    assert (pair.kernel.read_entries()[0], pair.desired.retry_at(V4)) == ({ROUTE}, None)


def test_what_is_wanted_of_an_address_is_told():
    """All tables' hosts of an address, and of no other."""
    pair = Pair()
    pair.want(host(254, V4, 1, ALICE))
    pair.want(host(100, V4, 2, ALICE))
    assert pair.desired.desired(V4) == [host(254, V4, 1, ALICE), host(100, V4, 2, ALICE)]
    assert pair.desired.desired(V6) == []
