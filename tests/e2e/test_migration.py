"""A guest moves between two nodes while the upstream pings it: how long until the upstream uses the new one."""

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.timed_move import TimedMoves

pytestmark = [pytest.mark.frr, pytest.mark.slow, pytest.mark.alone]

ROUNDS = 6
AT_MOST = {"announcement": 0.010, "RARP": 0.050, "traffic": 0.300}
"""Seconds that learning may add to the time of BGP itself."""
FLOOR = 1.0
"""Seconds; BGP needs 0.13, and a busy machine more."""


@pytest.fixture(scope="module")
def moves():
    """A guest that the first of two nodes has learned, and that the upstream uses; both daemons have no allowlist."""
    with Lab(guests=1, nodes=2, frr=True) as lab:
        guest = lab.guest(0)
        for node in lab.nodes:
            node.start_daemon()
        guest.configure()
        guest.wait_for_dad()
        guest.ping_gateways()
        for address in guest.addresses:
            wait_for(lambda one=address: lab.upstream.via(one) == {0}, 10, f"the upstream to know {address}")
            wait_for(lambda one=address: lab.upstream.ping(one), 10, f"an echo of {address}")
        yield TimedMoves(lab, guest)


def check(move, most):
    """Compare the best of some moves with the promise: a busy machine only adds time."""
    learning = []
    for _ in range(ROUNDS):
        results = move().values()
        assert max(result.upstream for result in results) < most + FLOOR
        learning.append(max(result.kernel for result in results))
        if learning[-1] < most:
            return
    pytest.fail(f"learned within {min(learning):.3f} s at best, and not within {most} s")


def test_guest_that_announces_itself_is_learned_within_ten_milliseconds(moves):
    """Case 1: a gratuitous ARP and an unsolicited NA on the target; the source's port is removed right after."""
    check(lambda: moves.move(moves.guest.announce), AT_MOST["announcement"])


def test_guest_that_only_its_hypervisor_announces_is_learned_within_fifty_milliseconds(moves):
    """Case 2: a RARP with a MAC that the node remembers, because the guest was there before."""
    moves.move(moves.guest.announce)
    check(lambda: moves.move(moves.guest.announce_mac), AT_MOST["RARP"])


def test_guest_that_the_allowlist_names_is_learned_from_a_single_rarp(moves):
    """Case 2: the node never saw the guest; the allowlist has the addresses of that MAC."""
    allowlist = "".join(f"{address} mac={moves.guest.mac}\n" for address in moves.guest.addresses)
    for node in moves.lab.nodes:
        node.write("/etc/rdnbr/allowlist", allowlist)
    try:
        check(lambda: unknown(moves, moves.guest.announce_mac), AT_MOST["RARP"])
    finally:
        for node in moves.lab.nodes:
            node.path("/etc/rdnbr/allowlist").unlink()


def test_guest_that_only_sends_packets_is_learned_within_three_hundred_milliseconds(moves):
    """No announcement and no RARP, on a node that never saw the guest: its packets show that it is there."""
    with moves.pinging():
        check(lambda: unknown(moves, lambda: None), AT_MOST["traffic"])


def unknown(moves, arrival):
    """Move to a node that remembers nothing."""
    moves.restart_target()
    return moves.move(arrival)
