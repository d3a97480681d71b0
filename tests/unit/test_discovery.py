"""Addresses that the allowlist names for a guest are asked for when it may be there, and nothing is made of silence."""

import guest_frames
import pytest
from dialogue import World

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.settings import Limits, PortPolicy, Settings
from rdnbr.core.policy.local_addresses import LocalAddresses

V4, V6 = "2.57.57.30", "2001:678::80"
MAC = "52:02:45:00:00:01"
BY_MAC = f"{V4} mac={MAC}\n{V6} mac={MAC}"
BY_PORT = f"{V4} port=tap1i0\n{V6} port=tap9i9,tap1i0"
BY_VM = f"{V4} vm=1\n{V6} vm=1"
ASKED = [f"ask alice@tap1i0 for {V4}", f"ask alice@tap1i0 for {V6}"]


@pytest.mark.parametrize("allow", [BY_MAC, BY_PORT, BY_VM])
def test_rarp_has_the_named_addresses_asked_for(allow: str):
    """A RARP names only a MAC; what the allowlist gives to that MAC, port or guest number is asked for, and routed."""
    world = World(allow)
    world.plugs("tap1i0")
    world.runs(60)
    alice = world.guest("alice", "tap1i0", V4, V6)
    assert alice.shows_up() == ASKED
    assert world.runs(0.005)[:4] == [
        f"60.00 learned {V4} alice@tap1i0 valid: first-claim",
        f"60.00 route {V4} to alice",
        f"60.00 installed {V4} alice@tap1i0 valid: first-claim",
        f"60.00 ask alice@tap1i0 for {V4}",
    ]
    assert world.routes() == [f"{V4} alice", f"{V6} alice"]


@pytest.mark.parametrize("allow", [BY_PORT, BY_VM])
def test_port_that_appears_has_its_addresses_asked_for(allow: str):
    """Nobody has spoken yet, so whoever is there is asked, by broadcast."""
    world = World(allow)
    assert world.plugs("tap1i0") == [
        f"ask all of 00:00:00:00:00:00@tap1i0 for {V4}",
        f"ask all of 00:00:00:00:00:00@tap1i0 for {V6}",
    ]


def test_port_whose_rule_also_names_a_mac_asks_that_mac():
    """Who it must be is known: it alone is asked."""
    world = World(f"{V4} vm=1 mac={MAC}")
    assert world.plugs("tap1i0") == [f"ask {MAC}@tap1i0 for {V4}"]


def test_any_first_frame_has_the_addresses_asked_for():
    """A guest that only speaks from its link-local address is there; so its addresses may be."""
    world = World(BY_MAC)
    alice = world.guest("alice", "tap1i0", V4, V6)
    assert alice.announces("fe80::1:2") == ["ignored fe80::1:2 alice@tap1i0: link-local", *ASKED]


def test_one_family_has_the_other_asked_for():
    """A guest that makes one of its addresses known later has the other asked for then."""
    world = World(BY_MAC)
    alice = world.guest("alice", "tap1i0", V4, V6, awake=False)
    alice.announces("fe80::1:2")
    world.runs(60)
    alice.awake = True
    assert alice.asks_gateway()[-1] == f"ask alice@tap1i0 for {V6}"
    world.runs(1)
    assert world.routes() == [f"{V4} alice", f"{V6} alice"]


def test_silence_means_nothing():
    """Five questions at once, no decision, no binding, and no quarantine that would delay the guest's own claim."""
    world = World(BY_MAC)
    alice = world.guest("alice", "tap1i0", V4, V6, awake=False)
    assert alice.shows_up() == ASKED
    later = world.runs(29)
    assert [line.split()[0] for line in later] == [
        time for time in ("0.10", "0.30", "0.70", "1.50") for _ in (V4, V6)
    ]
    assert {line.split()[1] for line in later} == {"ask"}
    assert world.engine.snapshot() == []
    assert world.counted("tap1i0") == {"arrived": 1}
    assert f"route {V4} to alice" in alice.asks_gateway()


def test_questions_under_way_are_not_put_again():
    """The five RARPs of one migration have each address asked for once at a time."""
    world = World(BY_MAC)
    alice = world.guest("alice", "tap1i0", V4, V6, awake=False)
    assert alice.shows_up() == ASKED
    assert alice.shows_up() == []
    assert world.counted("tap1i0") == {"arrived": 2}


def test_later_rarp_starts_again():
    """On a migration's target the port appears minutes before its guest."""
    world = World(BY_VM)
    world.plugs("tap1i0")
    world.runs(120)
    alice = world.guest("alice", "tap1i0", V4, V6)
    assert alice.shows_up() == ASKED


def test_who_has_an_address_is_not_asked_on_another_port():
    """Only what nobody has is asked for."""
    world = World(f"{BY_MAC}\n")
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.shows_up()
    world.runs(20)
    bob = world.guest("bob", "tap2i0")
    assert bob.shows_up() == ["ignored bob@tap2i0: unknown-mac"]


@pytest.mark.parametrize(
    "rule", [f"{V4} port=tap*", "2.57.57.0/24 port=tap1i0", f"deny {V4} port=tap1i0", f"{V4} bridge=vmbr1"]
)
def test_rules_that_name_nobody_ask_for_nothing(rule: str):
    """A pattern, a range, a refusal and a whole bridge tell of nobody's address."""
    assert World(rule).plugs("tap1i0") == []


def test_rule_of_another_bridge_asks_for_nothing():
    """All qualifiers must match."""
    assert World(f"{V4} port=tap1i0 bridge=vmbr9").plugs("tap1i0") == []


def test_what_the_law_refuses_is_not_asked_for():
    """The node's own addresses are nobody's, whatever the allowlist says."""
    world = World(BY_PORT)
    world.engine.local_addresses_changed(0.0, LocalAddresses(frozenset({parse_ip(V4), parse_ip(V6)})))
    assert world.plugs("tap1i0") == []


def test_reload_asks_for_what_it_names():
    """A guest that kept silent while nobody expected it is asked as soon as somebody does."""
    world = World("2.57.57.0/24")
    world.guest("alice", "tap1i0", V4)
    assert world.reloads(BY_PORT)[0] == f"ask all of 00:00:00:00:00:00@tap1i0 for {V4}"


def test_reload_ends_questions_that_nobody_means_any_more():
    """What is permitted no longer is asked for no longer."""
    world = World(BY_PORT)
    world.plugs("tap1i0")
    world.reloads(V4)
    assert world.runs(29) == [
        f"{at} ask all of 00:00:00:00:00:00@tap1i0 for {V4}" for at in ("0.10", "0.30", "0.70", "1.50")
    ]


def test_port_that_goes_ends_its_questions():
    """Nobody is asked on a port that is not there."""
    world = World(BY_PORT)
    world.plugs("tap1i0")
    world.unplugs("tap1i0")
    assert world.runs(60) == []


def test_full_port_is_asked_for_nothing():
    """What it may not have it is not asked for."""
    world = World(f"{V4} port=tap1i0\n2.57.57.31", Settings(port=PortPolicy(addresses_ipv4=1)))
    alice = world.guest("alice", "tap1i0", "2.57.57.31", awake=False)
    alice.asks_gateway()
    world.runs(4)
    assert alice.shows_up() == ["refreshed 2.57.57.31 alice@tap1i0 probing: arrived"]


@pytest.mark.slow
def test_liar_of_many_macs_is_asked_at_a_port_share():
    """Who shows the MACs of a thousand rules gets a quarter of the pace, and no more at once than it may have."""
    macs = [f"52:02:45:00:{number >> 8:02x}:{number & 255:02x}" for number in range(1000)]
    allow = "\n".join(f"2.57.{number >> 8}.{number & 255} mac={mac}" for number, mac in enumerate(macs))
    settings = Settings(
        limits=Limits(probes_per_second=40), port=PortPolicy(new_addresses_per_second=1_000_000)
    )
    world = World(allow, settings)
    world.plugs("tap1i0")
    asked = [line for mac in macs for line in world.hears("tap1i0", guest_frames.rarp(mac)) if "ask" in line]
    assert len(asked) == 10
    assert len(world.engine._services._discovery._timers) == 48
    assert len([line for line in world.runs(3) if "ask" in line]) <= 30
