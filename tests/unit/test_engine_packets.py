"""Packets of an incumbent that answers no probe: evidence for as long as it sends them, and nobody else's."""

import guest_frames
import pytest
from dialogue import Guest, World

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.settings import SecondsOrNever, Settings, Timers

V4, V6 = "2.57.57.30", "2001:678::80"
PREFIXES = "2.57.57.0/24\n2001:678::/64"
PINNED = f"{V4} mac=52:02:45:00:00:01\n{V6} mac=52:02:45:00:00:01"

both = pytest.mark.parametrize("address", [V4, V6])


def settled(address: str, allow: str | None = PREFIXES, **more: bool) -> tuple[World, Guest]:
    """Let a guest be routed, have answered once, and answer nothing from now on."""
    world = World(allow, **more)
    alice = world.guest("alice", "tap1i0", address)
    alice.asks_gateway()
    world.runs(20)
    alice.awake = False
    return world, alice


def sends(world: World, guest: Guest, address: str, seconds: float, apart: float = 1.0) -> list[str]:
    """Let a guest send a packet every `apart` seconds."""
    said: list[str] = []
    for _ in range(round(seconds / apart)):
        said += world.runs(apart)
        said += guest.says(guest_frames.packet(guest.mac, address))
    return said


@both
@pytest.mark.parametrize("allow", [PREFIXES, PINNED, None])
def test_guest_that_answers_nothing_is_kept_while_it_sends(address: str, allow: str | None):
    """It is never withdrawn while it sends a packet every 5 s, and after the usual silence when it sends no more."""
    world, alice = settled(address, allow)
    sends(world, alice, address, 150, apart=5.0)
    assert not [made for made in world.decisions if made.verb == "withdrawn"]
    assert world.routes() == [f"{address} alice"]
    said = world.runs(60)
    assert [line.split(" ", 1)[1] for line in said if "withdrawn" in line] == [
        f"withdrawn {address} alice@tap1i0 departed: silent"
    ]


@both
def test_packets_are_looked_at_after_an_unanswered_probe_and_one_by_one(address: str):
    """The port is not listened to while its guest answers; then one packet of the incumbent alone is awaited."""
    world = World(PREFIXES, all_said=True)
    other = "2.57.57.31" if address == V6 else "2001:678::81"  # no window waits for its family
    alice = world.guest("alice", "tap1i0", address, other)
    alice.asks_gateway(address)
    alice.asks_gateway(other)
    world.runs(20)
    assert not [line for line in world.runs(120) if "listen" in line]
    alice.addresses = (other,)
    said: list[str] = []
    while not any("listen" in line for line in said):
        said += [line for line in world.runs(0.5) if "listen" in line or f"for {address}" in line]
    assert [line.split(" ", 1)[1] for line in said] == [
        f"ask alice@tap1i0 for {address}",
        f"ask alice@tap1i0 for {address}",
        f"listen to tap1i0 for {address} alone",
    ]
    packet = guest_frames.packet(alice.mac, address)
    assert alice.says(packet) == [
        "listen to tap1i0 no more",
        f"refreshed {address} alice@tap1i0 valid: evidence",
    ]
    assert not [line for line in alice.says(packet) if address in line]


@both
@pytest.mark.parametrize("allow", [PREFIXES, None])
def test_incumbent_that_sends_packets_keeps_its_address(address: str, allow: str | None):
    """A challenger that answers every probe does not get it, however often it tries."""
    world, alice = settled(address, allow)
    bob = world.guest("bob", "tap2i0", address)
    for _ in range(3):
        bob.asks_gateway()
        sends(world, alice, address, 12, apart=0.4)
        assert world.routes() == [f"{address} alice"]
    assert not [made for made in world.decisions if made.verb == "moved"]
    assert any(made.verb == "kept" and made.reason == "incumbent-answered" for made in world.decisions)


@both
@pytest.mark.parametrize("port", ["tap1i0", "tap2i0"])
def test_packet_of_another_anchor_is_no_evidence(address: str, port: str):
    """Neither a packet from another port nor one with another MAC keeps the route of a silent guest."""
    world, alice = settled(address)
    mac = alice.mac if port == "tap2i0" else "52:02:45:00:00:77"
    mallory = world.guest("mallory", port, mac=mac, awake=False)
    sends(world, mallory, address, 70, apart=0.5)
    assert world.routes() == []
    assert not [made for made in world.decisions if made.verb == "challenged"]


@both
def test_source_is_awaited_until_the_verdict_and_no_longer(address: str):
    """A silent guest is withdrawn, and its port is not listened to for its packets after that."""
    world, _ = settled(address)
    awaited = world.engine._services._snooping._awaited
    port = world.indexes["tap1i0"]
    while world.routes():
        world.runs(0.5)
        is_asked = world.state(address) == "probing alice@tap1i0"
        assert awaited.on_port(port) in ([(), (parse_ip(address),)] if is_asked else [()])
    assert awaited.on_port(port) == ()


@both
def test_guest_that_goes_on_sending_is_kept_over_a_restart(address: str):
    """An adopted guest counts by its packets from the port where the forwarding database has its MAC."""
    world = World(PREFIXES)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    world.plugs("tap2i0")
    world.adopts(address, alice, fdb_port="tap1i0")
    sends(world, alice, address, 150, apart=2.0)
    assert world.routes() == [f"{address} alice"]
    assert world.state(address) in ("valid alice@tap1i0", "probing alice@tap1i0")


@both
def test_packet_from_a_port_that_is_not_in_the_forwarding_database_adopts_nothing(address: str):
    """Before its first frame an adopted guest may be anywhere, and a packet with its MAC may be forged."""
    world = World(PREFIXES)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    mallory = world.guest("mallory", "tap2i0", mac=alice.mac, awake=False)
    world.adopts(address, alice, fdb_port="tap1i0")
    sends(world, mallory, address, 90)
    assert world.routes() == []


@both
def test_owner_on_another_port_comes_before_the_packets_of_an_inferred_one(address: str):
    """Somebody who forged the MAC before the owner spoke, and goes on by packets, loses when all ports are probed."""
    world = World(PREFIXES)
    alice = world.guest("alice", "tap1i0", address)
    mallory = world.guest("mallory", "tap2i0", mac=alice.mac, awake=False)
    world.adopts(address, alice)
    mallory.asks_gateway(address)
    assert world.state(address) == "valid alice@tap2i0"
    sends(world, mallory, address, 80, apart=0.5)
    assert world.state(address) == "valid alice@tap1i0"


def test_no_packet_counts_where_the_operator_looks_at_none():
    """With `data_window = 0` no port is ever listened to for packets."""
    world = World(PREFIXES, Settings(Timers(data_window=SecondsOrNever(0.0))), all_said=True)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(20)
    alice.awake = False
    said = sends(world, alice, V4, 60)
    assert not [line for line in said if "listen" in line]
    assert world.routes() == []


def test_no_more_sources_than_the_filter_holds_are_awaited_at_once():
    """Of ten addresses that fall silent together all are kept, although eight are awaited at a time."""
    world = World(PREFIXES)
    addresses = tuple(f"2.57.57.{number}" for number in range(1, 11))
    alice = world.guest("alice", "tap1i0", *addresses)
    for address in addresses:
        alice.asks_gateway(address)
    world.runs(20)
    alice.awake = False
    for _ in range(25):
        world.runs(2)
        for address in addresses:
            alice.says(guest_frames.packet(alice.mac, address))
    assert len(world.routes()) == 10
