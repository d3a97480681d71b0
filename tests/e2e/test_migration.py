"""A guest moves between two nodes under ping: how long until the upstream uses the new one."""

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.journey import Shuttle

pytestmark = [pytest.mark.frr, pytest.mark.slow, pytest.mark.alone]

ROUNDS = 3
AT_MOST = {"announcement": 0.010, "RARP": 0.050, "traffic": 0.300}
"""Seconds that learning may add to what BGP itself needs."""
FLOOR = 1.0
"""Seconds; BGP needs 0.13, and a busy machine more."""


@pytest.fixture(scope="module")
def shuttle():
    """A guest that the first of two nodes has learned, and the upstream uses; both nodes run the daemon, open."""
    with Lab(guests=1, nodes=2, frr=True) as lab:
        guest = lab.guest(0)
        for node in lab.nodes:
            node.start_daemon()
        guest.configure()
        guest.wait_for_dad()
        guest.greet()
        for address in guest.addresses:
            wait_for(lambda one=address: lab.upstream.via(one) == {0}, 10, f"the upstream to know {address}")
            wait_for(lambda one=address: lab.upstream.ping(one), 10, f"an echo of {address}")
        yield Shuttle(lab, guest)


def check(journeys, most):
    """Hold the best of some journeys against what is promised: a busy machine only ever adds."""
    learning = min(leg.kernel for legs in journeys for leg in legs.values())
    whole = min(leg.upstream for legs in journeys for leg in legs.values())
    print(f"learned in {1000 * learning:.1f} ms, used upstream in {1000 * whole:.0f} ms")
    assert learning < most
    assert whole < most + FLOOR


def test_guest_that_announces_itself_is_learned_within_ten_milliseconds(shuttle):
    """Case 1: a gratuitous ARP and an unsolicited NA on the target; the source's port goes right after."""
    check([shuttle.go(shuttle.guest.announce) for _ in range(ROUNDS)], AT_MOST["announcement"])


def test_guest_that_only_its_hypervisor_announces_is_learned_within_fifty_milliseconds(shuttle):
    """Case 2: a RARP names a MAC which the node remembers, because the guest was there before."""
    shuttle.go(shuttle.guest.announce)
    check([shuttle.go(shuttle.guest.announce_mac) for _ in range(ROUNDS)], AT_MOST["RARP"])
