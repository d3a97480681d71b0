"""Addresses that several ports are asked for: the fastest answer does not win (proxy ARP)."""

import guest_frames
import pytest
from dialogue import BRIDGE, GATEWAY4, MAIN, Guest, World, from_zero

from rdnbr.core.bindings.answer_collection import COLLECTED
from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.settings import Settings, Timers

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.57.0/24\n2001:678::/64"
QUICK = Settings(Timers(adopt_grace=0.01))
"""What is adopted is probed at once."""

both = pytest.mark.parametrize("address", [V4, V6])
modes = pytest.mark.parametrize("allow", [ALLOW, None])


def found(allow: str | None, address: str, *, first: str) -> tuple[World, Guest, Guest]:
    """Return a node whose routes have lost their neighbours, alice who has the address, and a proxy.

    `first` answers first, for it is on the port that is asked first.
    """
    world = World(allow, QUICK)
    names = ["alice", "proxy"] if first == "alice" else ["proxy", "alice"]
    guests = {name: world.guest(name, f"tap{number}i0", address) for number, name in enumerate(names)}
    proxy = guests["proxy"]
    would = type(proxy).would_answer
    proxy.would_answer = lambda probe: would(proxy, probe) and not from_zero(probe.frame)
    adopts(world, address)
    return world, guests["alice"], proxy


def adopts(world: World, address: str) -> None:
    world.carries_out(world.engine.adopt(world.now, Key(MAIN, parse_ip(address)), None, BRIDGE.index))


@both
@modes
def test_single_answer_wins_after_a_moment(address: str, allow: str | None):
    """Without a second answer, a route without its neighbour gets it after the time of the collection."""
    world = World(allow, QUICK)
    world.guest("alice", "tap1i0", address)
    world.plugs("tap2i0")
    adopts(world, address)
    said = world.runs(COLLECTED - 0.01)
    assert any(f"noted {address} alice@tap1i0: collected" in line for line in said)
    assert world.state(address) == "adopted 00:00:00:00:00:00@?"
    world.runs(0.05)
    assert world.state(address) == "valid alice@tap1i0"
    assert world.routes() == [f"{address} alice"]


@modes
@pytest.mark.parametrize("first", ["alice", "proxy"])
def test_proxy_arp_does_not_get_an_adopted_address(allow: str | None, first: str):
    """Two answers are a conflict; the last probe comes from 0.0.0.0, and only the owner answers it."""
    world, _, _ = found(allow, V4, first=first)
    said = world.runs(5)
    assert any("kept" in line and "several-answers" in line for line in said)
    assert world.state(V4) == "adopted 00:00:00:00:00:00@?"
    world.runs(60)
    assert world.routes() == [f"{V4} alice"]
    assert not [made for made in world.decisions if made.verb == "withdrawn"]


@modes
def test_conflict_that_is_over_does_not_delay_a_withdrawal(allow: str | None):
    """Once the owner was told apart from the proxy, its silence counts as that of any other guest."""
    world, alice, proxy = found(allow, V4, first="alice")
    while not world.routes() or world.state(V4) != "valid alice@tap0i0":
        world.runs(0.1)
        assert world.now < 60
    alice.awake = proxy.awake = False
    world.runs(55)
    assert world.routes() == []


@pytest.mark.parametrize("first", ["alice", "proxy"])
@pytest.mark.parametrize("rule", ["port=tap{port}i0", "mac={mac}"])
def test_guest_that_the_allowlist_names_wins(first: str, rule: str):
    """A claimant that a rule names by `port=` or `mac=` needs no second question."""
    port = 0 if first == "alice" else 1
    mac = "52:02:45:00:00:01" if first == "alice" else "52:02:45:00:00:02"
    world, _, _ = found(f"{V4} {rule.format(port=port, mac=mac)}", V4, first=first)
    world.runs(0.3)
    assert world.routes() == [f"{V4} alice"]


@pytest.mark.parametrize("first", ["alice", "proxy"])
def test_advertisement_of_a_proxy_does_not_override(first: str):
    """RFC 4861 §7.2.8: a proxy does not set the Override flag, and so its answer comes after the owner's."""
    world, alice, proxy = found(ALLOW, V6, first=first)
    alice.awake = proxy.awake = False
    world.runs(0.01)
    answers = [alice.answers, lambda: proxy.answers(override=False)]
    for answer in answers if first == "alice" else reversed(answers):
        answer()
    world.runs(0.3)
    assert world.routes() == [f"{V6} alice"]
    assert [made.mac for made in world.decisions if made.reason == "several-answers"] == [proxy.anchor.mac]


@both
@modes
def test_conflict_that_never_ends_withdraws_nobody(address: str, allow: str | None):
    """Two guests that both answer everything are a conflict for good: the route stays as it was found."""
    world = World(allow, QUICK)
    world.guest("alice", "tap1i0", address)
    world.guest("bob", "tap2i0", address)
    adopts(world, address)
    world.runs(600)
    assert world.routes() == [f"{address} somebody"]
    assert not [made for made in world.decisions if made.verb in ("withdrawn", "moved")]


@both
def test_claim_before_the_first_probe_has_everybody_asked(address: str):
    """A guest that claims an adopted address unasked does not have it before all others were asked."""
    world = World(ALLOW, Settings(Timers(adopt_grace=60.0)))
    world.guest("alice", "tap1i0", address)
    bob = world.guest("bob", "tap2i0", address, awake=False)
    adopts(world, address)
    said = bob.asks_gateway()
    assert sum(line.startswith("ask all of") for line in said) == 2
    world.runs(0.3)
    assert world.state(address) == "adopted 00:00:00:00:00:00@?"


def test_silence_still_withdraws():
    """When nobody answers, an adopted address of an unknown MAC goes as every other."""
    world = World(ALLOW, QUICK)
    world.guest("alice", "tap1i0", V4, awake=False)
    adopts(world, V4)
    world.runs(60)
    assert world.routes() == []


def test_claims_of_a_port_that_goes_do_not_count():
    """An answer counts only while its port is there."""
    world, _, _ = found(ALLOW, V4, first="proxy")
    world.runs(0.1)
    world.unplugs("tap0i0")
    world.runs(0.3)
    assert world.routes() == [f"{V4} alice"]


def test_allowlist_that_changes_meanwhile_decides():
    """A claim is permitted or refused by the allowlist that is in force when its time is over."""
    world = World(ALLOW, QUICK)
    world.guest("alice", "tap1i0", V4)
    adopts(world, V4)
    world.runs(0.1)
    world.reloads("2.57.58.0/24")
    world.runs(1)
    assert world.routes() == []


@both
@modes
@pytest.mark.parametrize("first", ["alice", "liar"])
def test_guest_that_was_there_before_the_start_wins(address: str, allow: str | None, first: str):
    """A guest that answers every probe, and was not in the forwarding database at the start, does not get it."""
    world = World(allow, Settings(Timers(adopt_grace=30.0)))
    names = ["alice", "liar"] if first == "alice" else ["liar", "alice"]
    guests = {name: world.guest(name, f"tap{number}i0", address) for number, name in enumerate(names)}
    alice = guests["alice"]
    world.engine.remember_fdb({(BRIDGE.index, alice.anchor.mac): alice.anchor.port})
    adopts(world, address)
    world.runs(60)
    assert world.routes() == [f"{address} alice"]
    assert world.state(address).endswith(f"alice@{alice.port}")


@pytest.mark.parametrize("first", ["alice", "proxy"])
def test_proxy_that_was_there_does_not_win_against_a_quiet_owner(first: str):
    """The entry of an owner that was quiet for five minutes is gone; its answer to 0.0.0.0 tells it from a proxy."""
    world, _, proxy = found(ALLOW, V4, first=first)
    world.engine.remember_fdb({(BRIDGE.index, proxy.anchor.mac): proxy.anchor.port})
    world.runs(60)
    assert world.routes() == [f"{V4} alice"]


@both
def test_guest_that_was_on_another_port_has_no_precedence(address: str):
    """The forwarding database names the port; the same MAC elsewhere is a claimant like any other."""
    world = World(ALLOW, QUICK)
    alice = world.guest("alice", "tap1i0", address)
    world.guest("bob", "tap2i0", address)
    world.engine.remember_fdb({(BRIDGE.index, alice.anchor.mac): world.indexes["tap2i0"]})
    adopts(world, address)
    world.runs(60)
    assert world.routes() == [f"{address} somebody"]


@both
@modes
def test_search_of_the_operator_makes_no_race(address: str, allow: str | None):
    """`rdnbr probe` of an address that nobody has: one answer is a claim like any other, two get nobody a route."""
    world = World(allow)
    world.guest("alice", "tap1i0", address)
    world.guest("carol", "tap3i0", "2.57.57.33")
    world.asks(address)
    world.runs(1)
    assert world.routes() == [f"{address} alice"]
    world = World(allow)
    world.guest("alice", "tap1i0", address)
    world.guest("proxy", "tap2i0", address)
    world.asks(address)
    world.runs(5)
    assert world.routes() == []
    assert {made.reason for made in world.decisions} >= {"collected", "several-answers"}


@pytest.mark.slow
def test_flood_of_claims_is_bounded():
    """A guest that claims an adopted address with a thousand MACs adds nothing to memory, and wins nothing."""
    world = World(ALLOW, Settings(Timers(adopt_grace=60.0)))
    world.plugs("tap1i0")
    adopts(world, V4)
    for number in range(1000):
        mac = f"52:02:45:99:{number >> 8:02x}:{number & 255:02x}"
        world.hears("tap1i0", guest_frames.request(mac, V4, GATEWAY4))
    (collected,) = world.engine._claim_handler.answers._answers.values()
    assert len(collected) == 8
    world.runs(1)
    assert world.state(V4) == "adopted 00:00:00:00:00:00@?"


@both
def test_port_that_is_renamed_meanwhile_has_its_new_name(address: str):
    """The claims of a port wait for a moment, in which it may get another name; no rule for the old name counts."""
    world = World(f"{address} port=tap1i0", QUICK)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    adopts(world, address)
    alice.asks_gateway()
    world.carries_out(
        world.engine.port_changed(world.now, Port(world.indexes["tap1i0"], "tap9i0", BRIDGE.index))
    )
    said = world.runs(COLLECTED + 0.01)
    assert any(f"refused {address} alice@tap9i0: pinned" in line for line in said)
    assert not any("tap1i0" in line for line in said if "refused" in line)


@both
def test_claim_that_is_older_than_its_rivals_rule_does_not_win(address: str):
    """A reload comes between two claims: the claimant whom the new rule names comes before the other."""
    world = World(ALLOW, QUICK)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    bob = world.guest("bob", "tap2i0", address, awake=False)
    adopts(world, address)
    alice.asks_gateway()
    world.reloads(f"{ALLOW}\n{address} port=tap2i0")
    bob.asks_gateway()
    said = world.runs(COLLECTED + 0.01)
    assert any(f"refused {address} alice@tap1i0: several-answers" in line for line in said)
    assert world.routes() == [f"{address} bob"]
