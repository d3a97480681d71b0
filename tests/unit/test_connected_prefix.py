"""A prefix appears on another interface of the node while guests have addresses in it."""

from dataclasses import replace

import pytest
from dialogue import NODE, Guest, World

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.interfaces import InterfaceAddress
from rdnbr.core.policy.local_addresses import node_local_addresses

ALLOW = "10.0.0.0/8\n2001:678::/64\n192.0.2.0/24"
GUEST = {4: "10.0.0.9", 6: "2001:678::80"}
OTHER = {4: "10.0.0.10", 6: "2001:678::81"}
PREFIX = {4: "10.0.0.0/8", 6: "2001:678::/48"}
OWN = {4: "10.0.0.1", 6: "2001:678::1"}

families = pytest.mark.parametrize("family", [4, 6])
modes = pytest.mark.parametrize("allow", [None, ALLOW], ids=["open", "allowlist"])


def node_has(world: World, *entries: tuple[str, int]) -> list[str]:
    """Give another interface of the node these addresses, with these lengths."""
    local = node_local_addresses(
        [], [InterfaceAddress(50, parse_ip(address), length) for address, length in entries], []
    )
    local = replace(local, addresses=NODE.addresses | local.addresses, macs=NODE.macs)
    return world.carries_out(world.engine.local_addresses_changed(world.now, local))


def prefix_comes(world: World, family: int) -> list[str]:
    return node_has(world, (OWN[family], int(PREFIX[family].partition("/")[2])))


def routed(world: World, name: str, port: str, *addresses: str) -> Guest:
    guest = world.guest(name, port, *addresses)
    for address in addresses:
        guest.asks_gateway(address)
    world.runs(5)
    assert {line.split()[0] for line in world.routes()} >= set(addresses)
    return guest


@families
@modes
def test_live_guest_keeps_its_route(allow: str | None, family: int):
    """The route stays, frames of the guest are evidence, and probes go on; silence still withdraws."""
    world = World(allow)
    alice = routed(world, "alice", "tap1i0", GUEST[family])
    assert prefix_comes(world, family) == [f"{PREFIX[family]} covers {GUEST[family]}"]
    assert alice.asks_gateway() == [f"refreshed {GUEST[family]} alice@tap1i0 valid: evidence"]
    world.runs(300)
    assert world.state(GUEST[family]) == "valid alice@tap1i0"
    alice.awake = False
    world.runs(100)
    assert world.routes() == []


@families
@modes
def test_new_claim_in_the_prefix_is_refused(allow: str | None, family: int):
    """An address without a route is refused as before, also to a guest that has another address in the prefix."""
    world = World(allow)
    alice = routed(world, "alice", "tap1i0", GUEST[family])
    prefix_comes(world, family)
    assert alice.asks_gateway(OTHER[family]) == [f"refused {OTHER[family]} alice@tap1i0: connected-prefix"]


@families
def test_claim_that_waits_for_its_answer_is_no_route(family: int):
    """An address that was claimed, and not installed yet, is given up when the prefix comes."""
    world = World(None)
    world.guest("alice", "tap1i0", GUEST[family], awake=False).asks_gateway()
    lines = prefix_comes(world, family)
    assert lines == [f"expired {GUEST[family]} alice@tap1i0: no-longer-permitted"]


def test_prefix_is_reported_once():
    """Many guests in a prefix are one report. The prefix is reported again when it returns, and another one at once."""
    world = World(ALLOW)
    addresses = [f"10.0.0.{last}" for last in range(10, 18)]
    routed(world, "alice", "tap1i0", *addresses)
    assert prefix_comes(world, 4) == ["10.0.0.0/8 covers 10.0.0.10"]
    assert world.reloads(ALLOW) == []
    assert node_has(world) == []
    assert prefix_comes(world, 4) == ["10.0.0.0/8 covers 10.0.0.10"]
    routed(world, "bob", "tap2i0", "192.0.2.9")
    assert node_has(world, ("10.0.0.1", 8), ("192.0.2.1", 24)) == ["192.0.2.0/24 covers 192.0.2.9"]
    assert len(world.routes()) == 9


@pytest.mark.slow
def test_many_guests_stay_through_all_slices():
    """More guests than one slice handles stay, and are one report."""
    world = World("10.0.0.0/8")
    for port in range(50):
        guest = world.guest(f"guest{port}", f"tap{port}i0")
        for last in range(8):
            guest.asks_gateway(f"10.0.{port}.{last + 10}")
    lines = prefix_comes(world, 4)
    while world.engine.reauthorizing:
        lines += world.carries_out(world.engine.handle_slice(world.now))
    assert lines == ["10.0.0.0/8 covers 10.0.0.10"]
    assert len(world.routes()) == 400


@families
def test_all_is_as_before_when_the_prefix_goes(family: int):
    """Guests that kept their routes still have them, and the addresses of the prefix can be claimed again."""
    world = World(ALLOW)
    routed(world, "alice", "tap1i0", GUEST[family])
    bob = world.guest("bob", "tap2i0", OTHER[family])
    prefix_comes(world, family)
    bob.asks_gateway()
    assert node_has(world) == []
    assert f"route {OTHER[family]} to bob" in bob.asks_gateway()
    assert len(world.routes()) == 2


@families
def test_guest_that_the_allowlist_names_is_searched_for_when_the_prefix_goes(family: int):
    """A guest that was refused, and says nothing more, is found if a rule names it."""
    world = World(f"{ALLOW}\n{GUEST[family]} port=tap1i0")
    prefix_comes(world, family)
    world.guest("alice", "tap1i0", GUEST[family]).asks_gateway()
    world.runs(20)
    assert world.routes() == []
    node_has(world)
    world.runs(1)
    assert world.routes() == [f"{GUEST[family]} alice"]


@families
def test_own_address_and_next_hop_take_the_address(family: int):
    """An address that the node itself has, or has as its router, is withdrawn, in a connected prefix or not."""
    world = World(ALLOW)
    routed(world, "alice", "tap1i0", GUEST[family])
    prefix_comes(world, family)
    lines = node_has(world, (GUEST[family], 32 if family == 4 else 128))
    assert f"no route {GUEST[family]}" in lines


@families
def test_restart_adopts_what_is_in_the_prefix(family: int):
    """A route that the kernel holds is live: it is adopted, reported, and verified."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", GUEST[family])
    prefix_comes(world, family)
    assert world.adopts(GUEST[family], alice) == [
        f"adopted {GUEST[family]} alice@? adopted: found-in-kernel",
        f"route {GUEST[family]} to alice",
        f"{PREFIX[family]} covers {GUEST[family]}",
    ]
    world.runs(120)
    assert world.state(GUEST[family]) == "valid alice@tap1i0"


def test_port_that_returns_is_a_new_claim():
    """With its port the guest loses its route, and its next claim is refused while the prefix is there."""
    world = World(ALLOW)
    alice = routed(world, "alice", "tap1i0", GUEST[4])
    prefix_comes(world, 4)
    world.unplugs("tap1i0")
    assert world.routes() == []
    world.plugs("tap1i0")
    assert alice.asks_gateway() == [f"refused {GUEST[4]} alice@tap1i0: connected-prefix"]


def test_challenge_goes_on_in_the_prefix():
    """The address has a route, whoever has it: it passes to another guest by the usual rules, and only by these."""
    world = World(ALLOW)
    alice = routed(world, "alice", "tap1i0", GUEST[4])
    bob = world.guest("bob", "tap2i0", GUEST[4])
    prefix_comes(world, 4)
    bob.announces()
    world.runs(3)
    assert world.state(GUEST[4]) == "valid alice@tap1i0"
    alice.awake = False
    world.runs(12)
    bob.announces()
    world.runs(3)
    assert world.state(GUEST[4]) == "valid bob@tap2i0"


@families
def test_reload_that_forbids_the_address(family: int):
    """The allowlist decides about a route in a connected prefix as about any other."""
    world = World(ALLOW)
    routed(world, "alice", "tap1i0", GUEST[family])
    prefix_comes(world, family)
    assert f"no route {GUEST[family]}" in world.reloads("192.0.2.0/24")


@families
def test_rule_that_says_connected(family: int):
    """The address is a guest's: it is claimed although the prefix is there, and nothing is reported."""
    world = World(f"{ALLOW}\n{GUEST[family]} port=tap1i0 connected")
    prefix_comes(world, family)
    alice = world.guest("alice", "tap1i0", GUEST[family])
    assert f"route {GUEST[family]} to alice" in alice.asks_gateway()
    assert world.reloads(f"{ALLOW}\n{GUEST[family]} port=tap1i0 connected") == []
    bob = world.guest("bob", "tap2i0")
    assert bob.asks_gateway(GUEST[family]) == [f"refused {GUEST[family]} bob@tap2i0: pinned"]
    assert bob.asks_gateway(OTHER[family]) == [f"refused {OTHER[family]} bob@tap2i0: connected-prefix"]


@families
def test_rule_that_says_connected_does_not_give_away_the_node(family: int):
    """The node's own addresses stay the node's."""
    world = World(f"{ALLOW}\n{OWN[family]} connected")
    prefix_comes(world, family)
    alice = world.guest("alice", "tap1i0")
    assert alice.asks_gateway(OWN[family]) == [f"refused {OWN[family]} alice@tap1i0: own-address"]


def test_guest_that_departed_in_silence_is_probed_when_the_prefix_goes():
    """Slow probes wait while a prefix covers the address, and find the guest afterwards."""
    world = World(ALLOW)
    alice = routed(world, "alice", "tap1i0", GUEST[4])
    prefix_comes(world, 4)
    alice.awake = False
    world.runs(100)
    alice.awake = True
    world.runs(700)
    assert world.routes() == []
    node_has(world)
    world.runs(700)
    assert world.state(GUEST[4]) == "valid alice@tap1i0"


def test_explanation_names_the_prefix():
    """The address is not refused while it has a route; the explanation names the prefix all the same."""
    world = World(ALLOW)
    routed(world, "alice", "tap1i0", GUEST[4])
    prefix_comes(world, 4)
    explained = world.engine.explain(world.now, parse_ip(GUEST[4]))
    assert (explained.refused, explained.connected_prefix) == (None, "10.0.0.0/8")
    assert explained.cases[0].reason is None
    explained = world.engine.explain(world.now, parse_ip(OTHER[4]))
    assert (explained.refused, explained.connected_prefix) == ("connected-prefix", "10.0.0.0/8")


@families
def test_probe_by_hand_finds_the_guest_that_a_connected_rule_names(family: int):
    """A probe for any MAC may find the one that the rule names, on a port that no rule names."""
    world = World(f"{ALLOW}\n{GUEST[family]} mac=52:02:45:00:00:01 connected")
    prefix_comes(world, family)
    world.guest("alice", "tap1i0", GUEST[family])
    world.asks(GUEST[family])
    world.runs(2)
    assert world.routes() == [f"{GUEST[family]} alice"]
