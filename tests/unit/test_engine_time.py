"""Time: ageing, probes that are spread and limited, and a stalled loop."""

from itertools import pairwise

import pytest
from dialogue import World

from rdnbr.core.model.settings import Limits, PortPolicy, Settings, Timers

V4 = "2.57.57.30"
ALLOW = "2.57.0.0/16"


def verified_guests(world: World, count: int) -> None:
    """Let `count` guests, on a port each, appear and be verified."""
    for number in range(count):
        guest = world.guest(f"g{number}", f"tap{number}i0", f"2.57.{number >> 8}.{number & 255}")
        guest.mac = f"52:02:45:01:{number >> 8:02x}:{number & 255:02x}"
        guest.asks_gateway()
    world.runs(10)


def test_quiet_guest_is_probed_and_stays():
    """A guest that sends nothing by itself is probed every 30 s ± 25 %, for as long as it answers."""
    world = World(ALLOW)
    world.guest("alice", "tap1i0", V4).asks_gateway()
    asked = [float(line.split()[0]) for line in world.runs(3600) if "ask" in line]
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert all(22.5 <= wait <= 38.0 for wait in waits)
    assert len(set(waits)) > 10
    assert world.routes() == [f"{V4} alice"]


def test_guest_that_sends_claims_is_not_probed():
    """Evidence counts as an answer: a guest that sends a claim every 20 s is never probed."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    for _ in range(20):
        alice.asks_gateway()
        assert world.runs(20) == []


def test_quiet_guest_that_is_gone_is_withdrawn_in_time():
    """From the last frame to the withdrawal: a reprobe interval and all probes, 51 s at most."""
    for number in range(50):
        world = World(ALLOW)
        alice = world.guest("alice", "tap1i0", f"2.57.57.{number}")
        alice.asks_gateway()
        world.runs(1)
        alice.awake = False
        withdrawn = [float(line.split()[0]) for line in world.runs(60) if "withdrawn" in line]
        assert 22.5 + 13.1 < withdrawn[0] < 37.5 + 0.5 + 13.2


@pytest.mark.slow
def test_probes_of_many_guests_are_spread():
    """Of a thousand quiet guests, no more than a sixth are probed in one second."""
    world = World(ALLOW)
    verified_guests(world, 300)
    seconds = [int(float(line.split()[0])) for line in world.runs(40) if " ask " in line]
    assert max(seconds.count(second) for second in set(seconds)) < 50


@pytest.mark.slow
def test_probes_do_not_exceed_the_rate():
    """A thousand bindings due at one moment are probed at 200 a second after a burst of 50, and all are probed."""
    world = World(ALLOW, Settings(port=PortPolicy(addresses_ipv4=1000)))
    alice = world.guest("alice", "tap1i0", *(f"2.57.{n >> 8}.{n & 255}" for n in range(1000)), awake=False)
    said = [line for address in alice.addresses for line in alice.asks_gateway(address)]
    assert sum(line.startswith("ask") for line in said) == 50
    asked = [line.split() for line in world.runs(8) if " ask " in line]
    assert {address for *_, address in asked} == set(alice.addresses)
    for second in range(8):
        assert sum(second < float(at) <= second + 1 for at, *_ in asked) <= 201


def test_delayed_probe_has_its_full_time_to_be_answered():
    """The time to answer counts from when the probe was sent, not from when it was due."""
    world = World(ALLOW, Settings(limits=Limits(probes_per_second=1)))
    for number in range(5):
        world.guest(f"g{number}", f"tap{number}i0", f"2.57.57.{number}", awake=False).asks_gateway()
    asked: dict[str, list[float]] = {}
    withdrawn = {}
    for line in world.runs(120):
        at, verb, *rest = line.split()
        about = " ".join(rest).split(" for ")[-1].split(",")[0]
        if verb == "ask" and about not in withdrawn:
            asked.setdefault(about, []).append(float(at))
        elif verb == "withdrawn":
            withdrawn[rest[0]] = float(at)
    assert len(withdrawn) == 5
    for address, at in withdrawn.items():
        assert at - asked[address][-1] == pytest.approx(5.06, abs=0.02)
        assert at - asked[address][0] >= 12.18


def test_stalled_loop_withdraws_no_guest():
    """After a stall of any length, all guests are probed again before one is taken for silent."""
    world = World(ALLOW)
    verified_guests(world, 40)
    world.runs(60)
    for seconds in (2, 9, 30, 3600):
        world.stalls(seconds)
        assert "withdrawn" not in " ".join(world.ticks())
        world.runs(20)
        assert len(world.routes()) == 40


def test_stall_after_the_last_probe_starts_the_probes_again():
    """A guest whose last probe was sent just before a stall gets all probes again."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    while "ask" not in " ".join(world.runs(0.5)):
        pass
    world.runs(9)
    world.stalls(10)
    assert world.ticks() == [f"ask alice@tap1i0 for {V4}"]


def test_no_guest_is_silent_while_frames_are_unread():
    """A guest whose answer may be among unread frames is probed again and again, and withdrawn after they were read."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    said = []
    for _ in range(300):
        world.now += 0.4
        said += world.ticks(unread=True)
    assert set(said) == {f"ask alice@tap1i0 for {V4}"}
    assert 50 < len(said) < 100
    assert f"withdrawn {V4} alice@tap1i0 departed: silent" in " ".join(world.runs(14))


def test_challenger_does_not_win_while_frames_are_unread():
    """The incumbent's answer may be among the unread frames: the challenger is not even probed."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    mallory = world.guest("mallory", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    mallory.asks_gateway()
    for _ in range(100):
        world.now += 0.6
        assert set(world.ticks(unread=True)) <= {f"ask alice@tap1i0 for {V4}"}
    assert world.state(V4) == "challenged alice@tap1i0"


def test_new_guest_is_verified_while_frames_are_unread():
    """A guest that has finished DAD is probed, and routed when its answer is read."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", "2001:db8::1")
    world.reloads("2001:db8::/64")
    alice.does_dad()
    world.now += 2
    assert world.ticks(unread=True) == ["ask alice@tap1i0 for 2001:db8::1"]
    assert "route 2001:db8::1 to alice" in alice.answers()


def test_challenge_after_a_stall_does_not_shorten_the_probes():
    """A slow guest whose address is claimed right after a stall gets all its probes before it is withdrawn."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    mallory = world.guest("mallory", "tap2i0", awake=False)
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    world.stalls(60)
    mallory.asks_gateway(V4)
    said = world.runs(10)
    assert f"kept {V4} alice@tap1i0 probing: rival-silent" in " ".join(said)
    alice.awake = True
    world.runs(10)
    assert world.state(V4) == "valid alice@tap1i0"


def test_new_timers_apply_from_the_next_probe_on():
    """New settings apply from the next probe on."""
    world = World(ALLOW, Settings(Timers(probe_retrans=0.1, probe_count=2, reprobe=4)))
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    assert f"withdrawn {V4} alice@tap1i0 departed: silent" in " ".join(world.runs(6))


def test_deadline_is_none_when_there_is_nothing_to_do():
    """An engine without bindings has no deadline."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(11)
    alice.awake = False
    assert world.engine.next_deadline() is not None
    world.flushes()
    world.runs(20)  # until the search for it ends
    assert world.engine.next_deadline() is None
