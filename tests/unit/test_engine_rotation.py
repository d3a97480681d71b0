"""Guests that use another MAC for each claim: a hold-down applies to their port."""

import pytest
from dialogue import World

V4 = "2.57.57.30"


def macs(world, port, count):
    """Return guests with different MACs on one port, none of which answers."""
    return [
        world.guest(f"mallory{number}", port, V4, mac=f"52:66:00:00:00:{number:02x}", awake=False)
        for number in range(count)
    ]


@pytest.mark.parametrize("allow", ["2.57.57.0/24", None])
def test_claims_with_changing_macs_do_not_block_a_guest_that_answers(allow):
    """An address that one port claims with a new MAC every 100 ms is another guest's within 6 s."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4)
    for number, mallory in enumerate(macs(world, "tap2i0", 60)):
        mallory.does_dad()
        if number % 10 == 5:
            alice.asks_gateway()
        world.runs(0.1)
    assert world.routes() == [f"{V4} alice"]


def test_challenger_that_lost_is_ignored_with_another_mac():
    """After a lost challenge all claims of the port to that address are ignored."""
    world = World("2.57.57.0/24")
    alice = world.guest("alice", "tap1i0", V4)
    first, second = macs(world, "tap2i0", 2)
    alice.asks_gateway()
    world.runs(1)
    first.announces()
    world.runs(1)
    assert second.announces() == [f"refused {V4} mallory1@tap2i0: quarantined"]


def test_port_that_lost_may_claim_other_addresses():
    """A hold-down is about one address."""
    world = World("2.57.57.0/24")
    alice = world.guest("alice", "tap1i0", V4)
    bob = world.guest("bob", "tap2i0", "2.57.57.31")
    alice.asks_gateway()
    world.runs(1)
    bob.announces(V4)
    world.runs(1)
    bob.asks_gateway()
    assert world.routes() == [f"{V4} alice", "2.57.57.31 bob"]


def test_challenger_on_the_incumbents_port_causes_no_hold_down_for_the_incumbent():
    """A guest whose second MAC lost is bound at once when its port went and came back."""
    world = World("2.57.57.0/24")
    alice = world.guest("alice", "tap1i0", V4)
    world.guest("bond", "tap1i0", V4, awake=False)
    alice.asks_gateway()
    world.runs(1)
    world.guests[1].announces()
    world.runs(1)
    assert world.guests[1].announces() == [f"refused {V4} bond@tap1i0: quarantined"]
    world.unplugs("tap1i0")
    world.plugs("tap1i0")
    alice.asks_gateway()
    assert world.routes() == [f"{V4} alice"]


def test_answer_ends_the_history_of_a_hold_down():
    """A port whose claim stayed unanswered may claim again after its hold-down, and an answer ends its history."""
    world = World("2.57.57.0/24")
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    alice.does_dad()
    world.runs(6)
    assert alice.asks_gateway() == [f"refused {V4} alice@tap1i0: quarantined"]
    world.runs(3)
    alice.awake = True
    alice.asks_gateway()
    world.runs(1)
    assert world.state(V4) == "valid alice@tap1i0"
    world.flushes()
    alice.awake = False
    alice.does_dad()
    world.runs(6)
    world.runs(3)  # 3 s once more, not twice that
    assert alice.asks_gateway()[0] == f"learned {V4} alice@tap1i0 valid: first-claim"
