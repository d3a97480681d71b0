"""Desired and actual, side by side: what is done, tried again, and left for a while."""

import itertools

from rdnbr.core.address import parse_ip, parse_mac, show_ip
from rdnbr.core.kernel import Refusal
from rdnbr.core.plan import DropNeighbour, DropRoute, PutNeighbour, PutRoute, host
from rdnbr.core.reason import Reason
from rdnbr.core.reconcile import Reconciliation

GUEST = host(254, parse_ip("2.57.57.30"), 10, parse_mac("52:02:45:76:d2:35"))
PUT = [PutNeighbour(GUEST.neighbour), PutRoute(GUEST.route, replaces=False)]


def settled() -> Reconciliation:
    """Return a reconciliation of which the kernel holds what it should."""
    reconciliation = Reconciliation()
    reconciliation.want(GUEST.key, GUEST)
    reconciliation.applied(0.0, reconciliation.operations(0.0), [])
    return reconciliation


def refuse(reconciliation: Reconciliation, now: float) -> bool:
    """Refuse all that is to be done at `now`, and tell whether that was anything."""
    operations = reconciliation.operations(now)
    refusals = [Refusal(one, Reason.KERNEL_REFUSED, "no") for one in operations]
    reconciliation.applied(now, operations, refusals)
    return bool(operations)


def rob(reconciliation: Reconciliation, now: float) -> list[object]:
    """Let somebody remove our route, and return what is done about it."""
    reconciliation.route_gone(GUEST.key.address, 254, 0)
    operations = reconciliation.operations(now)
    reconciliation.applied(now, operations, [])
    return list(operations)


def test_neighbour_goes_in_first_and_out_last():
    """A host's neighbour is put before its route, and dropped after it."""
    reconciliation = Reconciliation()
    reconciliation.want(GUEST.key, GUEST)
    operations = reconciliation.operations(0.0)
    assert operations == PUT
    reconciliation.applied(0.0, operations, [])
    reconciliation.want(GUEST.key, None)
    assert reconciliation.operations(1.0) == [DropRoute(GUEST.route), DropNeighbour(GUEST.neighbour)]


def test_what_is_so_costs_nothing():
    """Nothing is done about what is as it should be, also after everything was looked at anew."""
    reconciliation = settled()
    reconciliation.found([GUEST.route], [GUEST.neighbour])
    assert reconciliation.operations(1.0) == []


def test_refusals_are_tried_again_ever_more_rarely():
    """What the kernel refused is tried after 1 s, then 2, 4, and at last every 60 s."""
    reconciliation = Reconciliation()
    reconciliation.want(GUEST.key, GUEST)
    now, tried = 0.0, []
    while len(tried) < 9:
        if refuse(reconciliation, now):
            tried.append(now)
        now = reconciliation.deadline()
    waits = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_refusals_are_tried_at_once_when_devices_change():
    """When a device changed, nothing waits any longer."""
    reconciliation = Reconciliation()
    reconciliation.want(GUEST.key, GUEST)
    refuse(reconciliation, 0.0)
    assert reconciliation.operations(0.1) == []
    reconciliation.try_again()
    assert reconciliation.operations(0.2) == PUT


def test_removed_entries_are_put_back_at_once():
    """What somebody removed is put back in the same turn."""
    assert rob(settled(), 5.0) == [PutRoute(GUEST.route, replaces=False)]


def test_nobody_is_fought_with():
    """At the third removal in a minute it is reported, and put back only after 10 s."""
    reconciliation = settled()
    assert [len(rob(reconciliation, now)) for now in (1.0, 2.0, 3.0)] == [1, 1, 0]
    assert [show_ip(address) for address in reconciliation.contested] == ["2.57.57.30"]
    assert reconciliation.operations(12.9) == []
    assert reconciliation.operations(13.0) == [PutRoute(GUEST.route, replaces=False)]


def test_rare_removals_are_no_fight():
    """Removals further apart than that are put back at once, for ever."""
    reconciliation = settled()
    assert [len(rob(reconciliation, now)) for now in (0.0, 31.0, 62.0, 93.0)] == [1, 1, 1, 1]
    assert reconciliation.contested == []


def test_own_removals_are_no_robbery():
    """What we removed ourselves, and the kernel then tells of, counts for nothing."""
    reconciliation = settled()
    for now in range(5):
        reconciliation.want(GUEST.key, None)
        reconciliation.applied(now, reconciliation.operations(now), [])
        reconciliation.route_gone(GUEST.key.address, 254, 0)
        reconciliation.neighbour_gone(10, GUEST.key.address)
        reconciliation.want(GUEST.key, GUEST)
        assert reconciliation.operations(now) == PUT
        reconciliation.applied(now, PUT, [])
    assert reconciliation.contested == []
