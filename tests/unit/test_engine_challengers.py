"""Decisions about a contention name the other one, so that a stolen address leads to the thief."""

from dialogue import Guest, World

V4 = "2.57.57.30"
LAW = "2.57.57.0/24"


def two(allow: str | None = LAW) -> tuple[World, Guest, Guest]:
    """Alice has the address, since a while; Bob is about to claim it."""
    world = World(allow)
    alice, bob = world.guest("alice", "tap1i0", V4), world.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(10)
    return world, alice, bob


def test_who_contends_in_vain_is_named():
    """While the incumbent is asked, and when it keeps the address, its rival is named."""
    world, _, bob = two()
    bob.asks_gateway()
    world.runs(1)
    assert world.rivals() == ["challenged alice, rival bob@tap2i0", "kept alice, rival bob@tap2i0"]


def test_who_lost_the_address_is_named():
    """When an address moves, the decision is the new anchor's, and its rival who had it before."""
    world, alice, bob = two()
    alice.awake = False
    bob.asks_gateway()
    world.runs(5)
    assert world.rivals() == ["challenged alice, rival bob@tap2i0", "moved bob, rival alice@tap1i0"]


def test_who_it_moved_from_last_is_named_when_it_freezes():
    """A frozen address names both between whom it went to and fro."""
    world, alice, bob = two("2.57.57.30 port=* vip")
    for announcer in (bob, alice, bob, alice, bob):
        announcer.announces()
        world.runs(2)
    assert world.rivals()[-2:] == ["moved bob, rival alice@tap1i0", "frozen bob, rival alice@tap1i0"]


def test_a_rival_whose_port_is_gone_is_named():
    """The port of a rival is named once more when it goes."""
    world, alice, bob = two()
    alice.awake = False
    bob.asks_gateway()
    world.unplugs("tap2i0")
    assert world.rivals()[-1] == "kept alice, rival bob@tap2i0"


def test_nobody_is_named_where_nobody_contends():
    """Learning, refreshing and withdrawing name no rival."""
    world = World(LAW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(40)
    alice.awake = False
    world.runs(60)
    assert len(world.decisions) > 3
    assert world.rivals() == []
