"""Addresses that the allowlist names and nobody has are probed on; `rdnbr probe` probes any address."""

import pytest
from dialogue import World, kinds

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.settings import Limits, PortPolicy, Settings

V4, V6 = "2.57.57.30", "2001:678::80"
MAC = "52:02:45:00:00:01"
ALL = f"{V4} %s\n{V6} %s"
BY_PORT, BY_VM, BY_MAC = (ALL.replace("%s", rule) for rule in ("port=tap1i0", "vm=1", f"mac={MAC}"))


def probes(lines: list[str], address: str) -> list[float]:
    return [float(line.split()[0]) for line in lines if f"for {address}" in line]


@pytest.mark.parametrize("address", [V4, V6])
@pytest.mark.parametrize("allow", [BY_PORT, BY_VM])
def test_named_address_is_probed_on_more_and_more_seldom(allow: str, address: str):
    """Five times at once, after 30 s, then at doubling waits, at last every 10 minutes."""
    world = World(allow)
    world.plugs("tap1i0")
    world.runs(29)
    assert probes(world.runs(4000), address) == [30, 90, 210, 450, 930, 1530, 2130, 2730, 3330, 3930]


@pytest.mark.parametrize("allow", [BY_PORT, BY_VM, BY_MAC])
@pytest.mark.parametrize("address", [V4, V6])
def test_guest_that_only_answers_is_found(allow: str, address: str):
    """A late secondary address: the guest has it an hour after its port appeared, and never says so."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4, V6, awake=False)
    alice.announces("fe80::1:2")
    world.runs(3600)
    alice.awake = True
    said = world.runs(601)
    assert sorted(world.routes()) == sorted([f"{V4} alice", f"{V6} alice"])
    assert f"learned {address} alice@tap1i0 valid: first-claim" in " ".join(said)


def test_address_that_has_its_guest_is_not_probed():
    """What somebody has is probed as bindings are, and no more."""
    world = World(BY_PORT)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(29)
    said = world.runs(2000)
    assert not [line for line in said if f"for {V4}" in line and "ask alice" not in line]
    assert probes(said, V6)


def test_port_that_goes_ends_it():
    """Nobody is asked on a port that is not there."""
    world = World(BY_PORT)
    world.plugs("tap1i0")
    world.runs(100)
    world.unplugs("tap1i0")
    assert world.runs(1000) == []


def test_reload_that_names_nothing_ends_it_and_one_that_names_begins_it():
    """The rounds follow the allowlist; a reload begins with the first wait."""
    world = World(BY_PORT)
    world.plugs("tap1i0")
    world.runs(1000)
    world.reloads("2.57.57.0/24")
    assert world.runs(1000) == []
    world.reloads(BY_PORT)
    world.runs(29)
    assert probes(world.runs(2), V4)


def test_reload_that_names_the_mac_of_a_guest_has_it_asked_for():
    """The guest is there for long, with another address: its MAC is known, and need not be seen again."""
    world = World("2.57.57.31")
    alice = world.guest("alice", "tap1i0", "2.57.57.31", V4)
    alice.asks_gateway()
    world.runs(10)
    world.reloads(f"2.57.57.31\n{V4} mac={MAC}")
    world.runs(0.1)
    assert world.routes() == ["2.57.57.31 alice", f"{V4} alice"]


def test_guest_that_arrives_again_and_again_does_not_postpone_the_rounds():
    """Keepalived announces its addresses each few seconds; the others are probed all the same."""
    world = World(f"{BY_PORT}\n2.57.57.99 port=tap1i0")
    alice = world.guest("alice", "tap1i0", "2.57.57.99", awake=False)
    said = []
    for _ in range(20):
        alice.announces()
        said += world.runs(6)
    assert 30.0 in probes(said, V4)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [2, 20])
def test_rounds_of_a_large_allowlist_stay_within_a_tenth_of_the_rate(rate: int):
    """50 ports with 5 named addresses each: a tenth of the rate is for them and for what departed, together."""
    allow = "\n".join(
        f"2.57.{number}.{port % 256} port=tap{port}i0" for port in range(50) for number in range(5)
    )
    world = World(f"{allow}\n2.58.0.0/16", Settings(limits=Limits(probes_per_second=rate)))
    for number in range(50):
        guest = world.guest(f"g{number}", f"tap{number}i0", f"2.58.0.{number}", awake=number % 2 == 0)
        if number % 2 == 0:
            guest.asks_gateway()
    world.runs(600)
    for guest in world.guests:
        guest.awake = False
    world.runs(1400)
    times = [float(line.split()[0]) for line in world.runs(1000) if " ask " in line]
    assert len(times) > min(90 * rate, 400)
    for start in range(0, len(times), 7):
        for end in (start, start + 3, start + 50, start + 400):
            if end < len(times):
                assert end - start + 1 <= (times[end] - times[start]) * rate / 10 + rate / 10 + 2
    assert len(set(times)) <= 1001


def test_rounds_probe_no_more_than_the_port_may_have():
    """A port with a thousand rules is probed for as many addresses as it may have."""
    allow = "\n".join(f"2.57.{number >> 8}.{number & 255} port=tap1i0" for number in range(1000))
    world = World(allow, Settings(port=PortPolicy(addresses_ipv4=4, addresses_ipv6=4)))
    world.plugs("tap1i0")
    world.runs(29)
    assert len(world.runs(2)) == 8


OPEN_AND_RULED = [None, "2.57.57.0/24\n2001:678::/64", BY_MAC, BY_PORT]


@pytest.mark.parametrize("allow", OPEN_AND_RULED)
@pytest.mark.parametrize("address", [V4, V6])
def test_operator_has_an_unknown_address_probed(allow: str | None, address: str):
    """On every port that may have it, by broadcast; the guest that answers has it."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4, V6, awake=False)
    world.plugs("tap2i0")
    world.runs(29)
    alice.awake = True
    world.asks(address)
    assert world.engine.searched_ports(parse_ip(address)) == ["tap1i0"] + ["tap2i0"] * (allow != BY_PORT)
    world.runs(0.5)
    assert f"{address} alice" in world.routes()


@pytest.mark.parametrize("allow", OPEN_AND_RULED)
def test_silence_of_an_unknown_address_has_no_consequence(allow: str | None):
    """Five probes on each port, no decision."""
    world = World(allow)
    world.plugs("tap1i0")
    world.runs(29)
    world.asks(V4)
    said = world.runs(0.9)
    assert kinds(said) == {"ask"}
    assert len(probes(said, V4)) >= 4
    assert world.engine.snapshot() == []


@pytest.mark.parametrize("address", ["169.254.0.1", "9.9.9.9", "fe80::5"])
def test_address_that_nobody_may_have_is_not_probed(address: str):
    """Neither the node's own nor one that no rule permits."""
    world = World(BY_PORT)
    world.plugs("tap1i0")
    world.runs(10)
    assert world.asks(address) == []
    assert world.engine.searched_ports(parse_ip(address)) == []
    assert world.runs(10) == []


def test_operator_has_a_bound_address_probed_in_any_state():
    """One more probe, which does not shorten the time that the guest has for its answer."""
    world = World("2.57.57.0/24")
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    alice.asks_gateway()
    for _ in range(20):
        assert world.asks(V4)[0].startswith("ask ")
        world.runs(0.5)
    assert world.state(V4) == "probing alice@tap1i0"
    assert "withdrawn" in kinds(world.runs(12))
