"""Two guests claim one address: challenges, moves, failover and freezing."""

import pytest
from dialogue import Guest, World

V4, V6 = "2.57.57.30", "2001:678::80"


def two(allow: str | None = "2.57.57.0/24\n2001:678::/64", address: str = V4) -> tuple[World, Guest, Guest]:
    """Return a dialogue in which alice has had the address for a while, and bob is about to claim it."""
    world = World(allow)
    alice, bob = world.guest("alice", "tap1i0", address), world.guest("bob", "tap2i0", address)
    alice.asks_gateway()
    world.runs(10)
    return world, alice, bob


def test_incumbent_that_answers_keeps_the_address():
    """The incumbent is probed, answers and keeps the address; claims of its challenger are ignored for 10 s."""
    world, _, bob = two()
    assert bob.asks_gateway() == [
        f"challenged {V4} alice@tap1i0 challenged: rival-claim",
        f"ask alice@tap1i0 for {V4}",
    ]
    assert world.runs(9.9) == [f"10.00 kept {V4} alice@tap1i0 valid: incumbent-answered"]
    assert bob.announces() == [f"refused {V4} bob@tap2i0: quarantined"]
    world.runs(0.2)
    assert f"challenged {V4} alice@tap1i0 challenged: rival-claim" in bob.announces()


@pytest.mark.parametrize("address", [V4, V6])
def test_silent_incumbent_loses_to_a_challenger_that_answers(address: str):
    """Three probes to the incumbent in 1.5 s, then one to the challenger: only the neighbour entry changes."""
    world, alice, bob = two(address=address)
    alice.awake = False
    bob.asks_gateway()
    assert world.runs(5) == [
        f"10.50 ask all of alice@tap1i0 for {address}",
        f"11.00 ask all of alice@tap1i0 for {address}{', from 0.0.0.0' if address == V4 else ''}",
        f"11.50 ask bob@tap2i0 for {address}",
        f"11.50 moved {address} bob@tap2i0 valid: incumbent-silent",
        f"11.50 route {address} to bob",
    ]


def test_challenger_s_answer_does_not_count_too_early():
    """A challenger's answer does not count while the incumbent still has time to answer."""
    world, alice, bob = two()
    alice.awake = bob.awake = False
    bob.asks_gateway()
    world.runs(1.2)
    assert bob.answers() == [f"refused {V4} bob@tap2i0: being-decided"]
    alice.awake = True
    assert f"11.50 ask bob@tap2i0 for {V4}" in world.runs(0.4)
    assert alice.asks_gateway() == [f"kept {V4} alice@tap1i0 valid: incumbent-answered"]


def test_silence_of_both_leaves_the_address_with_the_incumbent():
    """A challenger that does not answer either wins nothing, and its claims are ignored for 3 s."""
    world, alice, bob = two()
    alice.awake = bob.awake = False
    bob.asks_gateway()
    said = world.runs(3.1)
    assert said[-2:] == [
        f"13.00 kept {V4} alice@tap1i0 probing: rival-silent",
        f"13.00 ask alice@tap1i0 for {V4}",
    ]
    assert bob.asks_gateway() == [f"refused {V4} bob@tap2i0: quarantined"]
    assert f"26.19 withdrawn {V4} alice@tap1i0 departed: silent" in world.runs(14)


def test_answer_from_another_port_is_no_answer():
    """A guest with the incumbent's MAC on another port answers only for itself."""
    world, alice, _ = two()
    alice.awake = False
    clone = world.guest("clone", "tap3i0", V4, mac=alice.mac)
    assert clone.asks_gateway()[0] == f"challenged {V4} alice@tap1i0 challenged: rival-claim"
    assert clone.answers() == [f"refused {V4} alice@tap3i0: being-decided"]
    assert world.routes() == [f"{V4} alice"]


def test_third_claimant_is_refused_until_the_conflict_is_decided():
    """While two anchors are probed, a third is refused; it gets no hold-down."""
    world, alice, bob = two()
    alice.awake = bob.awake = False
    carol = world.guest("carol", "tap3i0", V4)
    bob.asks_gateway()
    assert carol.asks_gateway() == [f"refused {V4} carol@tap3i0: being-decided"]
    world.runs(3.1)
    assert carol.asks_gateway()[0] == f"challenged {V4} alice@tap1i0 challenged: rival-claim"


def test_challenger_s_port_goes():
    """When the challenger's port goes, the incumbent keeps the address, and the probes to it continue."""
    world, alice, bob = two()
    alice.awake = False
    bob.asks_gateway()
    assert world.unplugs("tap2i0") == [
        f"kept {V4} alice@tap1i0 probing: port-gone",
        f"ask alice@tap1i0 for {V4}",
    ]


def test_incumbent_s_port_goes_during_a_challenge():
    """When the incumbent's port goes, the challenger is probed at once."""
    world, alice, bob = two()
    alice.awake = False
    bob.asks_gateway()
    assert world.unplugs("tap1i0") == [
        f"no route {V4}",
        f"withdrawn {V4} alice@tap1i0 departed: port-gone",
        f"learned {V4} bob@tap2i0 tentative: arrived",
        f"ask bob@tap2i0 for {V4}",
    ]
    assert f"10.00 route {V4} to bob" in world.runs(1)


def test_first_that_answers_gets_a_new_address():
    """Of two guests that claim a new address, the first that answers gets it."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    bob = world.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    assert bob.asks_gateway() == [f"challenged {V4} alice@tap1i0 tentative: rival-claim"]
    assert world.runs(1)[:4] == [
        f"0.30 ask alice@tap1i0 for {V4}",
        f"0.30 ask bob@tap2i0 for {V4}",
        f"0.30 installed {V4} bob@tap2i0 valid: answered",
        f"0.30 route {V4} to bob",
    ]


def test_advertisement_without_override_displaces_nobody():
    """V3: an advertisement without the Override flag does not even challenge."""
    _, _, bob = two(address=V6)
    assert bob.announces(override=False) == [f"refused {V6} bob@tap2i0: no-override"]


def test_looped_back_dad_is_no_challenger():
    """S3: the nonce shows that a DAD solicitation is the incumbent's own, looped back to another port."""
    _, alice, bob = two(address=V6)
    alice.does_dad(nonce=b"sixsix")
    assert bob.does_dad(nonce=b"sixsix") == [f"ignored {V6} bob@tap2i0: looped-back"]
    assert bob.does_dad(nonce=b"others")[0] == f"challenged {V6} alice@tap1i0 challenged: rival-claim"


def test_vip_follows_an_announcement_and_its_new_anchor_is_probed():
    """An address whose rule says vip moves at once; its new anchor is probed as every anchor is."""
    world, _, bob = two(f"{V4} vip")
    assert bob.announces() == [
        f"moved {V4} bob@tap2i0 valid: announced",
        f"route {V4} to bob",
        f"ask bob@tap2i0 for {V4}",
    ]
    assert world.runs(0.1) == [f"10.00 refreshed {V4} bob@tap2i0 valid: answered"]


def test_vip_moves_once_a_second_at_most():
    """If two members announce the address, it does not move with every frame."""
    world, alice, bob = two(f"{V4} vip")
    bob.announces()
    world.runs(0.9)
    assert alice.announces() == [f"refused {V4} alice@tap1i0: moved-too-often"]
    world.runs(0.2)
    assert f"route {V4} to alice" in alice.announces()


def test_use_of_a_vip_challenges_its_anchor():
    """Only an announcement moves a vip: an ARP request of another member challenges the incumbent."""
    _, _, bob = two(f"{V4} vip")
    assert bob.asks_gateway()[0] == f"challenged {V4} alice@tap1i0 challenged: rival-claim"


def test_five_moves_in_three_minutes_freeze():
    """The fifth move in 180 s freezes the address for 60 s, the next time for 120 s."""
    world, alice, bob = two(f"{V4} vip")
    for freeze, holder, challenger in ((60.0, alice, bob), (120.0, bob, alice)):
        for guest in (challenger, holder, challenger, holder):
            world.runs(2)
            guest.announces()
        world.runs(2)
        here = f"{challenger.name}@{challenger.port}"
        assert f"frozen {V4} {here} frozen: moved-too-often" in challenger.announces()
        refused = [f"refused {V4} {holder.name}@{holder.port}: moved-too-often"]
        assert holder.announces() == refused
        assert holder.asks_gateway() == refused
        world.runs(freeze - 0.1)
        assert world.state(V4) == f"frozen {here}"
        assert f"kept {V4} {here} probing: thawed" in " ".join(world.runs(0.2))


def test_moves_far_apart_do_not_freeze():
    """Four moves in 180 s, again and again, are normal failover."""
    world, alice, bob = two(f"{V4} vip")
    for _ in range(10):
        for guest in (bob, alice):
            world.runs(46)
            assert f"route {V4} to {guest.name}" in guest.announces()
    assert world.state(V4) == "probing alice@tap1i0"


def test_hold_down_ends_with_the_incumbent_that_it_protected():
    """A hold-down that protected the incumbent ends when the incumbent's port is gone."""
    world = World("2.57.57.0/24")
    alice, bob = world.guest("alice", "tap1i0", V4), world.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(1)
    bob.announces()
    world.runs(5)
    assert bob.announces() == [f"refused {V4} bob@tap2i0: quarantined"]
    world.unplugs("tap1i0")
    bob.announces()
    world.runs(1)
    assert world.routes() == [f"{V4} bob"]


def test_unproven_challenger_stays_in_hold_down_without_the_incumbent():
    """A challenger that did not answer a probe stays in hold-down when the incumbent goes."""
    world = World("2.57.57.0/24")
    alice, bob = world.guest("alice", "tap1i0", V4), world.guest("bob", "tap2i0", V4, awake=False)
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    bob.announces()
    while world.state(V4) != "probing alice@tap1i0":
        world.runs(1)
    world.unplugs("tap1i0")
    assert bob.announces() == [f"refused {V4} bob@tap2i0: quarantined"]
