"""Route flap damping: when the routes of a port that flaps are held back, for how long, and who ends it."""

from itertools import pairwise

import pytest
from dialogue import BRIDGE, Guest, World

from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.flap_damping import LONGEST, PORTS, FlapDamping

ALLOW = "2.57.57.0/24\n2001:678::/64"
V4, V6 = "2.57.57.30", "2001:678::80"


def lost(*times: float) -> FlapDamping:
    """Return the damping after the port was lost at these times."""
    damping = FlapDamping()
    for at in times:
        damping.record_loss(at, "tap1i0")
    return damping


def flapping(
    times: int, *, apart: float = 1.0, allow: str | None = ALLOW, address: str = V4
) -> tuple[World, int]:
    """Let the port of a guest go and return so many times; return the world, and how often its route changed."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", address)
    index = world.indexes["tap1i0"]
    alice.asks_gateway()
    world.runs(apart / 2)
    seen = [bool(world.routes())]
    for _ in range(times):
        world.unplugs("tap1i0")
        seen.append(bool(world.routes()))
        world.runs(apart / 2)
        world.plugs("tap1i0", index)
        world.runs(apart / 2)
        seen.append(bool(world.routes()))
    return world, sum(before is not after for before, after in pairwise([False, *seen]))


@pytest.mark.parametrize("times", [(0,), (0, 1, 2), (0, 20, 40, 60), (0, 30, 60, 90, 120)])
def test_a_few_losses_are_no_flapping(times):
    """A migration, a guest that boots, and a port that is lost each half minute for two minutes are not damped."""
    assert lost(*times).damped_until("tap1i0") is None


@pytest.mark.parametrize("times", [(0, 1, 2, 3, 4), (0, 14, 28, 42, 56)])
def test_five_losses_within_a_minute_are_flapping(times):
    """The fifth loss within a minute begins the damping, for a minute and a half or longer."""
    damping = lost(*times[:-1])
    assert damping.damped_until("tap1i0") is None
    assert damping.record_loss(times[-1], "tap1i0")
    until = damping.damped_until("tap1i0")
    assert until is not None
    assert 90 <= until - times[-1] < 120


def test_each_further_loss_holds_the_routes_back_for_longer():
    """The time grows with each loss, up to five minutes after the last one."""
    damping = lost(*range(5))
    ends = []
    for at in range(5, 80):
        assert not damping.record_loss(at, "tap1i0")
        ends.append(damping.damped_until("tap1i0") - at)
    assert ends == sorted(ends)
    assert ends[0] < 150
    assert ends[-1] == pytest.approx(LONGEST, abs=1.5)
    assert max(ends) <= LONGEST + 1e-6


def test_ports_are_told_apart_by_name():
    """The losses of one port are not those of another."""
    damping = FlapDamping()
    for at in range(20):
        damping.record_loss(at, f"tap{at % 5}i0")
    assert [damping.is_damped(f"tap{number}i0") for number in range(5)] == [False] * 5


def test_memory_is_bounded():
    """The port that was lost longest ago is forgotten first; one that was damped is released by that."""
    damping = lost(*range(5))
    for number in range(PORTS):
        damping.record_loss(5.0, f"veth{number}")
    assert len(damping._penalties) == PORTS
    assert damping.pop_reusable(5.0) == "tap1i0"
    assert damping.next_deadline() is None
    damping.record_loss(10_000.0, "tap1i0")
    assert len(damping._penalties) == 1


@pytest.mark.parametrize(("allow", "address"), [(ALLOW, V4), (None, V4), (ALLOW, V6), (None, V6)])
def test_forty_flaps_make_a_few_changes(allow, address):
    """39 flaps in 39 seconds change the route ten times; some minutes later the guest is routed again."""
    world, changes = flapping(39, allow=allow, address=address)
    assert changes == 10
    assert world.routes() == []
    assert world.state(address).startswith("valid")
    said = world.runs(LONGEST)
    assert [line.split(" ", 1)[1] for line in said if "damped" in line] == [
        "released on tap1i0: damped",
        f"installed {address} alice@tap1i0 valid: damped",
    ]
    assert world.routes() == [f"{address} alice"]


def test_damping_is_said_once():
    """One decision names the port when its damping begins, however often it flaps, and one when it ends."""
    world, _ = flapping(39)
    world.runs(LONGEST)
    assert [made.verb for made in world.decisions if made.reason == "damped" and made.address is None] == [
        "held",
        "released",
    ]


def test_flaps_that_nobody_sees_are_none():
    """A port whose guest has no route may go and return as it likes."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    for _ in range(20):
        world.unplugs("tap1i0")
        world.plugs("tap1i0")
    assert f"route {V4} to alice" in alice.asks_gateway()


def test_a_bridge_that_goes_is_no_flap():
    """What happens to a bridge is not the fault of its ports."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    for _ in range(10):
        alice.asks_gateway()
        world.loses_segment()
        world.engine.segment_changed(world.now, BRIDGE)
        world.plugs("tap1i0")
    assert f"route {V4} to alice" in alice.asks_gateway()


def test_other_ports_do_not_notice():
    """A guest on another port is learned and routed as ever, and may take the address over by the usual rules."""
    world, _ = flapping(10)
    bob = world.guest("bob", "tap2i0", "2.57.57.31")
    assert "route 2.57.57.31 to bob" in bob.asks_gateway()
    world.guests[0].awake = False
    bob.addresses = ("2.57.57.31", V4)
    bob.asks_gateway(V4)
    world.runs(5)
    assert f"{V4} bob" in world.routes()


def test_probe_of_an_address_ends_the_damping():
    """`rdnbr probe ADDRESS` installs all routes of the port at once, and its losses are forgotten."""
    world, _ = flapping(10)
    said = world.asks(V4)
    assert "released on tap1i0: damped" in said
    assert f"route {V4} to alice" in said
    index = world.indexes["tap1i0"]
    world.unplugs("tap1i0")
    world.plugs("tap1i0", index)
    world.runs(1)
    assert world.routes() == [f"{V4} alice"]


def test_flush_of_an_address_ends_the_damping():
    """`rdnbr flush ADDRESS` forgets the address, and the port is damped no more."""
    world, _ = flapping(10)
    assert "released on tap1i0: damped" in world.flushes(V4)
    assert f"route {V4} to alice" in world.guests[0].asks_gateway()


def test_flush_of_the_port_ends_the_damping():
    """`rdnbr flush PORT` forgets what is on the port, and the port is damped no more; also while it is down."""
    world, _ = flapping(10)
    said = world.carries_out(world.engine.flush_port(world.now, "tap1i0"))
    assert said[-1] == "released on tap1i0: damped"
    assert f"route {V4} to alice" in world.guests[0].asks_gateway()


def test_kernel_is_not_asked_meanwhile():
    """What the kernel says of an entry that was there before does not end the damping."""
    world, _ = flapping(10)
    (key,) = world.engine.keys()
    world.carries_out(world.engine.kernel_accepted(world.now, key))
    assert world.routes() == []
    assert world.engine.explain(world.now, key.address).bindings[0].refused == "damped"
    assert world.engine.explain(world.now, key.address).bindings[0].damped_until == world.engine.damped_until(
        "tap1i0"
    )


def adopted_on_a_damped_port(allow: str) -> tuple[World, Guest]:
    """Return a world that damps tap1i0, and a guest there whose route is adopted and not held back."""
    world, _ = flapping(10, allow=allow)
    bob = world.guest("bob", "tap1i0", V6)
    world.adopts(V6, bob)
    bob.asks_gateway()
    assert world.state(V6) == "valid bob@tap1i0"
    assert f"{V6} bob" in world.routes()
    return world, bob


def test_new_metric_holds_no_route_back():
    """An adopted route did not flap. A frame, which may be forged, put it on the damped port, and it stays."""
    world, bob = adopted_on_a_damped_port(ALLOW)
    world.carries_out(world.engine.configure(world.now, Settings(mobility="newest-wins")) or [])
    world.runs(5)
    assert f"{V6} bob" in world.routes()
    said = bob.announces()
    assert f"installed {V6} bob@tap1i0 valid: renewed" in said
    assert f"route {V6} to bob" in said


def test_damping_that_ends_during_a_conflict_leaves_no_route_behind():
    """A conflict over an adopted address forgets the port; the frame that shows the port installs the route."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    world.adopts(V4, alice)
    index = world.indexes["tap1i0"]
    for _ in range(10):
        alice.asks_gateway()
        world.unplugs("tap1i0")
        world.plugs("tap1i0", index)
        world.runs(0.5)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == []
    alice.awake = False
    world.guest("bob", "tap2i0", V4).asks_gateway()
    assert world.state(V4) == "challenged alice@?"
    assert "released on tap1i0: damped" in world.carries_out(world.engine.flush_port(world.now, "tap1i0"))
    assert f"installed {V4} alice@tap1i0 challenged: damped" in alice.asks_gateway()
    assert world.routes() == [f"{V4} alice"]
