"""Decisions about a conflict name the challenger, so that an operator finds the guest that claims another's address."""

from dialogue import Guest, World

V4 = "2.57.57.30"
LAW = "2.57.57.0/24"


def two(allow: str | None = LAW) -> tuple[World, Guest, Guest]:
    """Return a dialogue in which alice has had the address for a while, and bob is about to claim it."""
    world = World(allow)
    alice, bob = world.guest("alice", "tap1i0", V4), world.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(10)
    return world, alice, bob


def test_challenger_that_loses_is_named():
    """The decision names the challenger while the incumbent is probed, and when the incumbent keeps the address."""
    world, _, bob = two()
    bob.asks_gateway()
    world.runs(1)
    assert world.rivals() == ["challenged alice, rival bob@tap2i0", "kept alice, rival bob@tap2i0"]


def test_anchor_that_lost_the_address_is_named():
    """When an address moves, the decision is about the new anchor, and names the old one as its rival."""
    world, alice, bob = two()
    alice.awake = False
    bob.asks_gateway()
    world.runs(5)
    assert world.rivals() == ["challenged alice, rival bob@tap2i0", "moved bob, rival alice@tap1i0"]


def test_last_anchor_is_named_when_the_address_freezes():
    """The decision that freezes an address names the two anchors between which it moved."""
    world, alice, bob = two("2.57.57.30 port=* vip")
    for announcer in (bob, alice, bob, alice, bob):
        announcer.announces()
        world.runs(2)
    assert world.rivals()[-2:] == ["moved bob, rival alice@tap1i0", "frozen bob, rival alice@tap1i0"]


def test_challenger_whose_port_is_gone_is_named():
    """The decision names the challenger's port once more when that port goes."""
    world, alice, bob = two()
    alice.awake = False
    bob.asks_gateway()
    world.unplugs("tap2i0")
    assert world.rivals()[-1] == "kept alice, rival bob@tap2i0"


def test_no_challenger_is_named_without_a_conflict():
    """Decisions to learn, refresh and withdraw name no challenger."""
    world = World(LAW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(40)
    alice.awake = False
    world.runs(60)
    assert len(world.decisions) > 3
    assert world.rivals() == []
