"""Probes that cannot be sent: they are no probes, and their guests do not count as silent."""

from dataclasses import replace

import pytest
from dialogue import BRIDGE, MAIN, Guest, World, kinds

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.engine_outputs import Probe
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.settings import Limits, Settings

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.0.0/16\n2001:678::/64"
WITHOUT = {V4: replace(BRIDGE, gateway4=None), V6: replace(BRIDGE, gateway6=None)}
"""The bridge without the gateway address that a probe for the address comes from."""

both = pytest.mark.parametrize("address", [V4, V6])


def loses_gateway(world: World, address: str) -> list[str]:
    return world.carries_out(world.engine.segment_changed(world.now, WITHOUT[address]))


def gets_gateway_back(world: World) -> list[str]:
    return world.carries_out(world.engine.segment_changed(world.now, BRIDGE))


def settled(address: str, allow: str | None = ALLOW) -> tuple[World, Guest]:
    world = World(allow)
    alice = world.guest("alice", "tap1i0", address)
    alice.asks_gateway()
    world.runs(20)
    return world, alice


def takes_no_frames(world: World, *ports: str) -> None:
    """Let ports refuse all probes from now on; no port: let them take them again."""
    refused = {world.indexes[port] for port in ports}
    original = type(world)._carry_out

    def carry_out(output: object):
        if isinstance(output, Probe) and output.port in refused:
            world.engine.probe_unsent(world.now, output)
            yield f"cannot send on {world._port(output.port)}"
        else:
            yield from original(world, output)

    world._carry_out = carry_out


@both
@pytest.mark.parametrize("allow", [ALLOW, None])
def test_silent_guest_stays_while_there_is_no_gateway(address: str, allow: str | None):
    """Without a gateway address of its family a quiet guest cannot be probed, so it is not withdrawn, for hours."""
    world, _ = settled(address, allow)
    loses_gateway(world, address)
    said = world.runs(7200)
    assert kinds(said) == {"cannot"}
    assert world.routes() == [f"{address} alice"]
    assert world.engine.snapshot()[0].unsent == "no-gateway"


@both
def test_silent_guest_is_probed_at_once_when_the_gateway_is_back(address: str):
    """When the address is back, the sequence begins anew with the next turn, and decides as always."""
    world, alice = settled(address)
    loses_gateway(world, address)
    world.runs(600)
    gets_gateway_back(world)
    assert world.engine.explain(world.now, parse_ip(address)).bindings[0].deadline == world.now
    assert [line.split(maxsplit=1)[1] for line in world.runs(0.1)] == [
        f"ask alice@tap1i0 for {address}",
        f"refreshed {address} alice@tap1i0 valid: answered",
    ]
    alice.awake = False
    loses_gateway(world, address)
    world.runs(600)
    gets_gateway_back(world)
    said = world.runs(20)
    assert any(f"withdrawn {address} alice@tap1i0 departed: silent" in line for line in said)


def test_the_other_family_goes_on():
    """A bridge without its IPv4 address still probes IPv6, and withdraws who is silent there."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.asks_gateway(V4)
    alice.asks_gateway(V6)
    world.runs(20)
    alice.awake = False
    loses_gateway(world, V4)
    world.runs(100)
    assert world.routes() == [f"{V4} alice"]


@both
def test_claim_waits_for_the_gateway_and_causes_no_hold_down(address: str):
    """In open mode a claim waits until it can be verified; the claimant is not ignored for its silence."""
    world = World(None)
    loses_gateway(world, address)
    alice = world.guest("alice", "tap1i0", address)
    assert alice.asks_gateway()[-1] == f"cannot ask for {address}"
    world.runs(100)
    alice.asks_gateway()
    assert world.state(address) == "tentative alice@tap1i0"
    gets_gateway_back(world)
    world.runs(0.1)
    assert world.routes() == [f"{address} alice"]


@both
def test_challenger_does_not_win_while_there_is_no_gateway(address: str):
    """An incumbent that cannot be asked keeps its address; once it is asked, and answers, it keeps it for good."""
    world, _ = settled(address)
    loses_gateway(world, address)
    bob = world.guest("bob", "tap2i0", address)
    bob.asks_gateway()
    world.runs(100)
    assert world.routes() == [f"{address} alice"]
    gets_gateway_back(world)
    world.runs(5)
    assert world.state(address) == "valid alice@tap1i0"


@both
def test_adopted_route_stays_while_there_is_no_gateway(address: str):
    """A daemon that starts on a bridge without its address withdraws nobody whom it could not ask."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", address)
    world.adopts(address, alice)
    loses_gateway(world, address)
    world.runs(600)
    assert world.state(address) == "adopted alice@?"
    gets_gateway_back(world)
    world.runs(3)
    assert world.state(address) == "valid alice@tap1i0"


@both
def test_claim_to_an_adopted_route_without_a_mac_probes_once(address: str):
    """When the gateway is back, the first claim has all ports asked, and the turn after it does not ask again."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", address)
    world.plugs("tap2i0")
    world.carries_out(world.engine.adopt(world.now, Key(MAIN, parse_ip(address)), None, BRIDGE.index))
    loses_gateway(world, address)
    world.runs(600)
    gets_gateway_back(world)
    assert world.engine.explain(world.now, parse_ip(address)).bindings[0].deadline == world.now
    said = alice.asks_gateway() + world.runs(0.15)
    assert len([line for line in said if f"for {address}" in line and "ask " in line]) == 2
    world.runs(0.1)
    assert world.state(address) == "valid alice@tap1i0"


@pytest.mark.slow
def test_many_that_waited_are_probed_within_the_rate():
    """The return of the gateway makes no storm: 1,000 guests are probed at 200 a second, after a burst of 50."""
    world = World(ALLOW, Settings(limits=Limits()))
    names = [f"2.57.{n >> 8}.{n & 255}" for n in range(1000)]
    for number in range(100):
        guest = world.guest(f"g{number}", f"tap{number}i0", *names[number * 10 : number * 10 + 10])
        for address in guest.addresses:
            guest.asks_gateway(address)
    world.runs(30)
    loses_gateway(world, V4)
    world.runs(120)
    gets_gateway_back(world)
    asked = [line.split() for line in world.runs(6) if " ask " in line]
    assert len({address for *_, address in asked}) == 1000
    for second in range(6):
        begun = world.now - 6 + second
        assert sum(begun <= float(at) < begun + 1 for at, *_ in asked) <= 251


@both
@pytest.mark.parametrize("allow", [ALLOW, None])
def test_guest_whose_port_takes_no_frames_is_not_withdrawn(address: str, allow: str | None):
    """ENOBUFS, ENETDOWN: what was not sent was not answered either. Each second another probe is tried."""
    world, alice = settled(address, allow)
    alice.awake = False
    takes_no_frames(world, "tap1i0")
    said = world.runs(300)
    assert kinds(said) == {"cannot"}
    assert world.routes() == [f"{address} alice"]
    assert world.engine.snapshot()[0].unsent == "port"
    takes_no_frames(world)
    alice.awake = True
    assert any(f"refreshed {address} alice@tap1i0 valid: answered" in line for line in world.runs(2))
    assert world.engine.snapshot()[0].unsent is None


def test_one_unsent_probe_begins_the_sequence_anew():
    """Four unanswered probes from before the pause do not make the guest silent after it."""
    world, alice = settled(V4)
    alice.awake = False
    while world.state(V4) != "probing alice@tap1i0":
        world.runs(0.5)
    world.runs(5)
    takes_no_frames(world, "tap1i0")
    world.runs(60)
    takes_no_frames(world)
    said = world.runs(12)
    assert sum(" ask " in line for line in said) == 5
    assert world.routes() == [f"{V4} alice"]


@both
def test_challenger_whose_port_takes_no_frames_delays_nothing(address: str):
    """A challenger that keeps its own port from taking frames counts as silent, and holds up no withdrawal."""
    world, alice = settled(address)
    alice.awake = False
    bob = world.guest("bob", "tap2i0", address, awake=False)
    takes_no_frames(world, "tap2i0")
    bob.asks_gateway()
    said = world.runs(120)
    assert any("kept" in line and "rival-silent" in line for line in said)
    assert any(f"withdrawn {address} alice@tap1i0 departed: silent" in line for line in said)


@both
def test_claimant_whose_port_takes_no_frames_keeps_no_other_guest_out(address: str):
    """In open mode a claim whose claimant cannot be asked yields to another that answers."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    bob = world.guest("bob", "tap2i0", address)
    takes_no_frames(world, "tap1i0")
    alice.asks_gateway()
    world.runs(20)
    bob.asks_gateway()
    world.runs(4)
    assert world.routes() == [f"{address} bob"]


def test_port_that_goes_ends_the_wait():
    """While a probe waits, the rules about ports hold: the route goes with the port, in the same step."""
    world, _ = settled(V4)
    takes_no_frames(world, "tap1i0")
    world.runs(60)
    assert f"no route {V4}" in world.unplugs("tap1i0")
    assert world.routes() == []


def test_flushed_binding_does_not_wait():
    """What is forgotten is not probed when the gateway is back."""
    world, _ = settled(V4)
    loses_gateway(world, V4)
    world.runs(100)
    world.flushes()
    gets_gateway_back(world)
    assert world.runs(5) == []
