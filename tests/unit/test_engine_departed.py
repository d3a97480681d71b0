"""What departed in silence is probed on, more and more seldom, for as long as its port is there."""

from itertools import pairwise

import pytest
from dialogue import World, kinds

from rdnbr.core.model.settings import Limits, PortPolicy, Settings

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.57.0/24\n2001:678::/64"

modes = pytest.mark.parametrize("allow", [None, ALLOW, f"{V4} mac=52:02:45:00:00:01\n{V6} port=tap*"])
families = pytest.mark.parametrize("address", [V4, V6])


def departed(address: str, allow: str | None = ALLOW, settings: Settings | None = None) -> World:
    """Return a node whose guest alice had the address, and fell silent 100 s ago."""
    world = World(allow, settings or Settings())
    alice = world.guest("alice", "tap1i0", address)
    alice.asks_gateway()
    world.runs(5)
    alice.awake = False
    world.runs(100)
    assert world.state(address) == "departed alice@tap1i0"
    return world


def probes(lines: list[str]) -> list[float]:
    return [float(line.split()[0]) for line in lines if line.split()[1] == "ask"]


@families
@modes
def test_silent_guest_is_probed_on_more_and_more_seldom(allow: str | None, address: str):
    """30 s after it departed, then 60 s later, 120, 240, 480, and each 600 s from then on; nothing is decided of it."""
    world = departed(address, allow)
    said = [line for line in world.runs(4000) if f"for {address}" in line or " ask " not in line]
    times = probes(said)
    assert len(said) == len(times)
    apart = [round(later - earlier) for earlier, later in pairwise(times)]
    assert apart == [120, 240, 480, 600, 600, 600, 600, 600][: len(apart)]
    assert times[-1] > 3500


@families
@modes
def test_answer_makes_it_valid_again(allow: str | None, address: str):
    """A guest that only answers is routed again with its first answer, in open mode as well."""
    world = departed(address, allow)
    world.runs(1000)
    world.guests[0].awake = True
    said = [line.partition(" ")[2] for line in world.runs(600) if address in line]
    assert said[1:4] == [
        f"learned {address} alice@tap1i0 valid: answered",
        f"route {address} to alice",
        f"installed {address} alice@tap1i0 valid: answered",
    ]


@families
def test_all_addresses_of_the_guest_come_back_with_the_first(address: str):
    """What departed with it, at the same MAC, is probed at once."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.asks_gateway(V4)
    alice.asks_gateway(V6)
    world.runs(5)
    alice.awake = False
    world.runs(400)
    alice.awake = True
    world.asks(address)
    world.runs(0.1)
    assert sorted(world.routes()) == sorted([f"{V4} alice", f"{V6} alice"])


def test_guest_with_another_mac_answers_as_well():
    """Each second probe is a broadcast one: a guest that was restored has another MAC."""
    world = departed(V4)
    world.guest("carol", "tap1i0", V4)
    world.runs(200)
    assert world.routes() == [f"{V4} carol"]


def test_operator_has_it_probed_at_once():
    """`rdnbr probe` does not wait; then the waits begin anew."""
    world = departed(V4)
    world.runs(3000)
    assert world.asks(V4) == [f"ask alice@tap1i0 for {V4}"]
    assert probes(world.runs(100)) == pytest.approx([world.now - 40], abs=1)
    world.guests[0].awake = True
    world.asks(V4)
    world.runs(0.1)
    assert world.routes() == [f"{V4} alice"]


def test_port_that_goes_ends_it_and_the_memory_lasts_from_then():
    """After its port has gone it is remembered for 300 s, as any other, and probed when the port is back."""
    world = departed(V4)
    world.runs(2000)
    index = world.indexes["tap1i0"]
    world.unplugs("tap1i0")
    assert world.runs(299) == []
    assert world.plugs("tap1i0", index) == [
        f"learned {V4} alice@tap1i0 tentative: arrived",
        f"ask alice@tap1i0 for {V4}",
    ]
    world.unplugs("tap1i0")
    world.runs(299)
    assert world.runs(2) == [f"{world.now - 1:.2f} expired {V4} alice@?: forgotten"]


def test_sign_of_life_that_comes_to_nothing_changes_nothing():
    """A guest that boots shows its MAC long before it has its address: it is probed on as before."""
    world = departed(V4)
    alice = world.guests[0]
    assert alice.shows_up()[0] == f"learned {V4} alice@tap1i0 tentative: arrived"
    assert world.runs(4)[-1].endswith(f"expired {V4} alice@tap1i0 departed: silent")
    alice.awake = True
    assert f"installed {V4} alice@tap1i0 valid: answered" in " ".join(world.runs(31))


@pytest.mark.parametrize("then", ["silence", "link down"])
def test_claim_of_another_guest_that_comes_to_nothing_changes_nothing(then: str):
    """Who claims the address of a silent neighbour, and does not answer, does not end the neighbour's probes."""
    world = departed(V4, allow=None)
    mallory = world.guest("mallory", "tap2i0", V4, awake=False)
    assert mallory.asks_gateway()[0] == f"learned {V4} mallory@tap2i0 tentative: awaiting-answer"
    if then == "link down":
        world.unplugs("tap2i0")
    else:
        world.runs(4)
    assert world.state(V4) == "departed alice@tap1i0"
    assert world.rivals() == ["expired alice, rival mallory@tap2i0"]
    world.guests[0].awake = True
    world.runs(31)
    assert world.routes() == [f"{V4} alice"]


def test_another_guest_that_has_the_address_ends_it():
    """Who has the address has it: the silent one is not asked any more."""
    world = departed(V4)
    bob = world.guest("bob", "tap2i0", V4)
    bob.asks_gateway()
    assert not [line for line in world.runs(700) if "alice" in line]
    assert world.routes() == [f"{V4} bob"]


def test_reload_that_permits_it_no_longer_ends_it():
    """Nobody asks for what an answer could not bring back."""
    world = departed(V4)
    world.reloads("2001:678::/64")
    assert kinds(world.runs(310)) == {"expired"}
    assert world.state(V4) is None


def test_flush_ends_it():
    """What the operator flushes is forgotten."""
    world = departed(V4)
    assert world.flushes() == [f"expired {V4} alice@tap1i0: flushed"]
    assert world.runs(1000) == []


def test_full_port_is_not_asked():
    """While the port has as many addresses as it may have, an answer would be refused."""
    world = departed(V4, settings=Settings(port=PortPolicy(addresses_ipv4=1)))
    world.guest("carol", "tap1i0", "2.57.57.31").asks_gateway()
    said = world.runs(2000)
    assert not [line for line in said if "for 2.57.57.30" in line]


def test_port_is_asked_for_as_many_addresses_as_it_may_have():
    """A guest that leaves addresses behind, one after the other, keeps no more probes busy than its port may have."""
    world = World(ALLOW, Settings(port=PortPolicy(addresses_ipv4=2)))
    for number in range(5):
        world.guest(f"g{number}", "tap1i0", f"2.57.57.{number}").asks_gateway()
        world.runs(1)
        world.guests[-1].awake = False
        world.runs(70)
    world.runs(300)
    asked = {line.split(" for ")[1].split(",")[0] for line in world.runs(1300) if " ask " in line}
    assert asked == {"2.57.57.3", "2.57.57.4"}
    assert len(world.engine.snapshot()) == 2


def test_adopted_guest_that_is_silent_is_probed_on_where_the_bridge_saw_it():
    """After a restart the port is known only by the forwarding database; its answer on that port is enough."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    world.guest("bob", "tap2i0")
    world.adopts(V4, alice, fdb_port="tap1i0")
    world.runs(100)
    assert world.state(V4) == "departed alice@?"
    alice.awake = True
    world.runs(100)
    assert world.routes() == [f"{V4} alice"]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1, 20, 200])
def test_slow_probes_stay_within_a_tenth_of_the_rate(rate: int):
    """However many guests fall silent at once: in no span of time more than a tenth of the probe rate."""
    world = World(ALLOW, Settings(limits=Limits(probes_per_second=rate)))
    for number in range(60):
        alice = world.guest(f"g{number}", f"tap{number}i0", f"2.57.57.{number}")
        alice.asks_gateway()
    world.runs(60)
    for guest in world.guests:
        guest.awake = False
    world.runs(1500)
    assert {str(view.state) for view in world.engine.snapshot()} == {"departed"}
    times = probes(world.runs(2000))
    assert len(times) > min(150 * rate, 150)
    for start in range(0, len(times), 7):
        for end in (start, start + 3, start + 50, start + 400):
            if end < len(times):
                assert end - start + 1 <= (times[end] - times[start]) * rate / 10 + rate / 10 + 2
    # One wake-up sends many probes.
    assert len(set(times)) <= 2001
