"""How addresses are learned: by use, by DAD, with an allowlist and without."""

import guest_frames
import pytest
from dialogue import World, kinds

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.57.0/24\n2001:678::/64"


@pytest.mark.parametrize("address", [V4, V6])
@pytest.mark.parametrize("how", ["asks_gateway", "announces", "answers"])
def test_use_is_routed_at_once_and_verified(address: str, how: str):
    """With an allowlist, a frame that proves use is routed before the guest's next frame, and the guest is probed."""
    alice = World(ALLOW).guest("alice", "tap1i0", address)
    assert getattr(alice, how)() == [
        f"learned {address} alice@tap1i0 valid: first-claim",
        f"route {address} to alice",
        f"installed {address} alice@tap1i0 valid: first-claim",
        f"ask alice@tap1i0 for {address}",
    ]


def test_answer_ends_the_verification():
    """A guest that answers is not probed again until it was quiet for long."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    assert world.runs(20) == [f"0.00 refreshed {V4} alice@tap1i0 valid: answered"]


def test_silence_after_use_withdraws_and_causes_a_hold_down():
    """A guest that answers none of five probes loses its route; its next claims are ignored for 3 s.

    Its port has just come up, so the last probe, from 0.0.0.0, waits until its DAD must have ended.
    """
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    alice.asks_gateway()
    assert world.runs(15.5) == [
        f"1.00 ask alice@tap1i0 for {V4}",
        f"2.50 ask alice@tap1i0 for {V4}",
        f"4.75 ask all of alice@tap1i0 for {V4}",
        f"10.00 ask all of alice@tap1i0 for {V4}, from 0.0.0.0",
        f"15.06 no route {V4}",
        f"15.06 withdrawn {V4} alice@tap1i0 departed: silent",
    ]
    assert alice.asks_gateway() == [f"refused {V4} alice@tap1i0: quarantined"]
    world.runs(3)
    assert f"route {V4} to alice" in alice.asks_gateway()


def test_open_mode_awaits_the_answer():
    """Without an allowlist a guest gets no route before it answers a probe."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4)
    assert alice.asks_gateway() == [
        f"learned {V4} alice@tap1i0 tentative: awaiting-answer",
        f"ask alice@tap1i0 for {V4}",
    ]
    assert world.runs(1) == [
        f"0.00 installed {V4} alice@tap1i0 valid: answered",
        f"0.00 route {V4} to alice",
    ]


def test_open_mode_probes_five_times_in_three_seconds():
    """A claim without an answer is forgotten after five probes in 3 s, and then ignored for a while."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    alice.asks_gateway()
    assert world.runs(5) == [
        f"0.30 ask alice@tap1i0 for {V4}",
        f"0.75 ask alice@tap1i0 for {V4}",
        f"1.50 ask all of alice@tap1i0 for {V4}",
        f"2.25 ask all of alice@tap1i0 for {V4}",
        f"3.00 expired {V4} alice@tap1i0: silent",
    ]
    assert alice.asks_gateway() == [f"refused {V4} alice@tap1i0: quarantined"]


@pytest.mark.parametrize(("address", "end"), [(V6, "1.05"), (V4, "2.05")])
@pytest.mark.parametrize("allow", [ALLOW, None])
def test_address_in_dad_is_probed_after_dad(address: str, end: str, allow: str | None):
    """An address in DAD is probed after the DAD has ended, not before, and routed when it answers."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", address)
    assert alice.does_dad() == [f"learned {address} alice@tap1i0 tentative: awaiting-dad"]
    assert world.runs(3) == [
        f"{end} ask alice@tap1i0 for {address}",
        f"{end} installed {address} alice@tap1i0 valid: answered",
        f"{end} route {address} to alice",
    ]


def test_dad_wait_starts_again_with_each_probe():
    """Three ARP probes, a second or two apart, are one DAD: its end counts from the last."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    for _ in range(3):
        alice.does_dad()
        assert world.runs(1.5) == []
    assert world.runs(0.6)[0] == f"5.05 ask alice@tap1i0 for {V4}"


@pytest.mark.parametrize("address", [V4, V6])
def test_dad_without_end_holds_no_address(address: str):
    """After ten seconds further DAD postpones no probe, so a guest that only does DAD does not keep the address."""
    world = World(f"{address}")
    mallory = world.guest("mallory", "tap2i0", awake=False)
    for _ in range(40):
        mallory.does_dad(address)
        world.runs(0.7)
        if world.state(address) is None:
            break
    assert world.state(address) is None
    assert 10.0 < world.now < 20.0
    alice = world.guest("alice", "tap1i0", address)
    assert f"route {address} to alice" in alice.announces()


def test_announcement_after_dad_installs():
    """The announcement that ends DAD installs the route without waiting for a probe."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.does_dad()
    world.runs(1)
    assert f"route {V4} to alice" in alice.announces()


def test_optimistic_guest_is_probed_at_once():
    """S5: a solicitation without a link-layer option proves little, and causes a probe at once."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V6)
    assert alice.asks_unconfirmed() == [
        f"learned {V6} alice@tap1i0 tentative: awaiting-answer",
        f"ask alice@tap1i0 for {V6}",
    ]
    assert f"0.00 route {V6} to alice" in world.runs(0.1)


@pytest.mark.parametrize("allow", [ALLOW, None])
def test_adopted_route_is_served_and_probed_on_all_ports(allow: str | None):
    """An adopted route is not changed; its guest is probed on each port, and bound where it answers."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4)
    world.plugs("tap2i0")
    assert world.adopts(V4, alice) == [
        f"adopted {V4} alice@? adopted: found-in-kernel",
        f"route {V4} to alice",
    ]
    said = world.runs(60)
    assert [line.split(maxsplit=1)[1] for line in said][:3] == [
        f"ask alice@tap1i0 for {V4}",
        f"ask alice@tap2i0 for {V4}",
        f"refreshed {V4} alice@tap1i0 valid: answered",
    ]
    assert world.routes() == [f"{V4} alice"]


def test_adopted_route_of_a_silent_guest_is_withdrawn_within_the_grace():
    """An adopted route whose guest stays silent is withdrawn 60 s after the start at the latest, after all probes."""
    world = World(ALLOW)
    world.adopts(V4, world.guest("alice", "tap1i0", V4, awake=False))
    said = world.runs(60)
    assert sum("ask" in line for line in said) == 5
    assert [line.split()[1] for line in said[-2:]] == ["no", "withdrawn"]


def test_route_at_start_that_is_refused_is_withdrawn_at_once():
    """A route found at the start that the allowlist refuses is withdrawn, not adopted."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", "9.9.9.9")
    assert world.adopts("9.9.9.9", alice) == ["no route 9.9.9.9", "withdrawn 9.9.9.9 alice@?: not-permitted"]


def test_both_families_come_back_together():
    """When one family of a departed guest is claimed, the other is probed there, too."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.asks_gateway(V4)
    alice.asks_gateway(V6)
    world.runs(1)
    world.unplugs("tap1i0")
    world.plugs("tap5i0")
    alice.port = "tap5i0"
    assert f"learned {V6} alice@tap5i0 tentative: arrived" in alice.asks_gateway(V4)
    world.runs(1)
    assert world.routes() == [f"{V4} alice", f"{V6} alice"]


def test_rarp_probes_departed_addresses():
    """A RARP causes probes for all addresses that are remembered of its MAC."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.asks_gateway(V4)
    alice.asks_gateway(V6)
    world.runs(1)
    world.unplugs("tap1i0")
    world.plugs("tap5i0")
    alice.port = "tap5i0"
    assert alice.shows_up() == [
        f"learned {V4} alice@tap5i0 tentative: arrived",
        f"ask alice@tap5i0 for {V4}",
        f"learned {V6} alice@tap5i0 tentative: arrived",
        f"ask alice@tap5i0 for {V6}",
    ]
    assert kinds(world.runs(1)) == {"installed", "route"}


def test_rarp_of_an_unknown_mac_is_ignored():
    """A MAC without remembered addresses is ignored until it claims an address."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    assert alice.shows_up() == ["ignored alice@tap1i0: unknown-mac"]


def test_departed_address_is_forgotten():
    """300 s after its port went an address is forgotten."""
    world = World(ALLOW)
    world.guest("alice", "tap1i0", V4).asks_gateway()
    world.unplugs("tap1i0")
    assert world.runs(299.9) == []
    assert world.runs(0.2) == [f"300.00 expired {V4} alice@?: forgotten"]


def test_every_frame_counts_once():
    """Each frame, claim or not, is counted under one reason, on its port."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    alice.asks_gateway()
    alice.asks_gateway("9.9.9.9")
    alice.asks_gateway("169.254.0.1")
    alice.shows_up()
    alice.says(b"\xff" * 10)
    world.hears("tap1i0", guest_frames.announcement(alice.mac, V4), vlan=7)
    world.hears("tap1i0", guest_frames.announcement(guest_frames.NODE, V4))
    assert world.counted("tap1i0") == {
        "first-claim": 1,
        "evidence": 1,
        "not-permitted": 1,
        "own-address": 1,
        "arrived": 1,
        "short-frame": 1,
        "tagged": 1,
        "own-mac": 1,
    }
