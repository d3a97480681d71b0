"""Frames in a crafted order that a guest might try, and their result."""

from dataclasses import replace

import guest_frames
import pytest
from dialogue import BRIDGE, MAIN, World

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.settings import Limits, PortPolicy, Settings

V4, V6 = "2.57.57.30", "2001:678::80"


def test_repeated_dad_does_not_reserve_an_address():
    """A guest that sends nothing but DAD cannot postpone the probes to a challenger that uses the address."""
    world = World("2001:678::/32")
    alice, mallory = world.guest("alice", "tap1i0", V6), world.guest("mallory", "tap2i0", V6, awake=False)
    mallory.does_dad()
    alice.asks_gateway()
    for _ in range(5):
        mallory.does_dad()
        world.runs(0.9)
    assert world.state(V6) == "valid alice@tap1i0"


def test_challenger_on_the_port_that_goes_gets_nothing():
    """If the challenger is on the port that goes, it goes with the port: the binding departs."""
    world = World("2.57.57.0/24")
    alice, bob = world.guest("alice", "tap1i0", V4), world.guest("bob", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    bob.announces()
    assert world.unplugs("tap1i0") == [f"no route {V4}", f"withdrawn {V4} alice@tap1i0 departed: port-gone"]
    assert world.state(V4) == "departed alice@?"


def test_macs_of_other_guests_in_rarps_are_challenged_at_the_port_s_rate():
    """A guest that sends the MACs of all other guests in RARPs challenges no more addresses than its port may."""
    world = World("2.57.0.0/16", Settings(port=PortPolicy(addresses_ipv4=4, addresses_ipv6=4)))
    others = [world.guest(f"g{n}", f"tap{n}i0", f"2.57.1.{n}") for n in range(40)]
    mallory = world.guest("mallory", "tap999i0", "2.57.2.1")
    for guest in others:
        guest.asks_gateway()
    world.runs(1)
    said = [line for guest in others for line in mallory.says(guest_frames.rarp(guest.mac))]
    assert sum(line.startswith("challenged") for line in said) == 8
    world.runs(10)
    assert len(world.routes()) == 40


def test_repeated_rarp_does_not_use_up_the_probes():
    """A guest that is announced again and again is probed at its port's rate."""
    world = World("2.57.0.0/16")
    mallory = world.guest("mallory", "tap1i0", *(f"2.57.1.{n}" for n in range(16)))
    for address in mallory.addresses:
        mallory.asks_gateway(address)
    world.runs(5)
    asked = 0
    for _ in range(400):
        asked += sum(line.startswith("ask") for line in mallory.shows_up())
        world.runs(0.005)
    assert 48 <= asked <= 48 + 2 * 10 + 1


def test_full_port_cannot_take_over_an_address():
    """The limit of a port also counts for the addresses of silent neighbours."""
    world = World("2.57.57.0/24", Settings(port=PortPolicy(addresses_ipv4=1)))
    bob = world.guest("bob", "tap2i0", "2.57.57.1", V4)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    bob.asks_gateway()
    world.runs(1)
    alice.awake = False
    assert bob.asks_gateway(V4) == [f"refused {V4} bob@tap2i0: port-full"]


def test_port_fills_up_while_its_challenge_lasts():
    """What a port claimed meanwhile counts when its challenger would win."""
    world = World("2.57.57.0/24", Settings(port=PortPolicy(addresses_ipv4=1)))
    alice = world.guest("alice", "tap1i0", V4)
    bob = world.guest("bob", "tap2i0", V4, "2.57.57.1")
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    bob.asks_gateway()
    bob.asks_gateway("2.57.57.1")
    assert f"2.50 refused {V4} bob@tap2i0: port-full" in world.runs(4)
    assert world.routes() == [f"{V4} alice", "2.57.57.1 bob"]


def test_departed_binding_of_another_table_does_not_change():
    """A guest with the MAC of a binding that departed from another routing table is not taken for that guest."""
    world = World("2.57.57.0/24")
    world.engine.segment_changed(world.now, replace(BRIDGE, index=2, name="vmbr2", table=100))
    world.plugs("tap1i0", segment=2)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    world.unplugs("tap1i0")
    mallory = world.guest("mallory", "tap2i0", "2.57.57.99", mac=alice.mac)
    assert not [line for line in mallory.asks_gateway() + mallory.shows_up() if V4 in line]


def test_claims_of_other_ports_are_probed_while_one_port_uses_up_its_share():
    """In open mode a claim on another port waits for one probe at most, however much one port has claimed."""
    world = World(None, Settings(limits=Limits(probes_per_second=20)))
    mallory = world.guest("mallory", "tap1i0", *(f"2.57.1.{n}" for n in range(16)), awake=False)
    alice = world.guest("alice", "tap2i0", V4)
    for address in mallory.addresses:
        mallory.asks_gateway(address)
    alice.asks_gateway()
    assert f"0.05 ask alice@tap2i0 for {V4}" in world.runs(0.1)


def test_new_claims_do_not_delay_probes_to_bound_addresses():
    """Probes to bound addresses have a rate of their own, which no new claim uses up."""
    world = World(None, Settings(limits=Limits(probes_per_second=4)))
    alice = world.guest("alice", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(1)
    for n in range(8):
        world.guest(f"m{n}", f"tap{n + 10}i0", f"2.57.1.{n}", awake=False).asks_gateway()
    assert world.asks(V4) == [f"ask alice@tap2i0 for {V4}"]


def test_another_claim_does_not_end_a_hold_down():
    """Claims of an anchor that lost a challenge are ignored for 10 s, then 20 s, then 40 s."""
    world = World("2.57.57.0/24")
    alice, mallory = world.guest("alice", "tap1i0", V4), world.guest("mallory", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(1)
    heard = []
    for second in range(1, 80):
        if f"refused {V4} mallory@tap2i0: quarantined" not in mallory.announces():
            heard.append(second)
        world.runs(1)
    assert heard == [1, 12, 33, 74]
    assert world.state(V4) == "valid alice@tap1i0"


def test_frames_from_a_port_that_is_gone_change_nothing():
    """Frames that were read just before the port went are counted, and nothing else happens."""
    world = World("2.57.57.0/24")
    alice = world.guest("alice", "tap1i0", V4)
    world.unplugs("tap1i0")
    assert world.hears("tap1i0", guest_frames.announcement(alice.mac, V4)) == ["ignored on ?: unknown-port"]
    assert world.engine.snapshot() == []


def test_ports_that_come_and_go_leave_no_counters():
    """However many names ports had, the counters of ports that are gone are under one name."""
    world = World("2.57.57.0/24")
    for number in range(50):
        guest = world.guest(f"g{number}", f"tap{number}i0", V4)
        guest.does_dad()
        world.engine.port_changed(world.now, Port(world.indexes[guest.port], f"veth{number}i0", 1))
        guest.does_dad()
        world.unplugs(guest.port)
    assert {port for port, _ in world.engine.counters} == {"-"}
    assert sum(world.engine.counters.values()) == 100


@pytest.mark.slow
def test_number_of_departed_bindings_is_limited():
    """Of 5,000 that departed, the latest 4,096 are remembered."""
    world = World("10.0.0.0/8", Settings(port=PortPolicy(addresses_ipv4=5000)))
    world.plugs("tap1i0")
    for number in range(5000):
        key = Key(MAIN, parse_ip(f"10.0.{number >> 8}.{number & 255}"))
        world.carries_out(world.engine.adopt(world.now, key, parse_mac("02:00:00:00:00:09"), BRIDGE.index))
    world.carries_out(world.engine.segment_gone(world.now, BRIDGE.index))
    assert len(world.engine.snapshot()) == 4096
    assert not world.wanted


def test_flapping_link_refills_no_bucket():
    """A guest that sets its link down and up between bursts gets as many addresses bound as one whose link stays up."""
    world = World("2.57.0.0/16", Settings(port=PortPolicy(addresses_ipv4=8, addresses_ipv6=8)))
    mallory = world.guest("mallory", "tap1i0")
    installed = 0
    for flap in range(12):
        for number in range(20):
            said = mallory.asks_gateway(f"2.57.{flap}.{number}")
            installed += sum(line.startswith("route") for line in said)
        world.now += 0.1
        index = world.indexes["tap1i0"]
        world.unplugs("tap1i0")
        world.plugs("tap1i0", index)
    assert installed <= 16 + 12


def test_flapping_link_causes_no_more_probes():
    """A port may cause the same number of probes, however often its link goes down and up."""
    world = World(
        None,
        Settings(
            port=PortPolicy(addresses_ipv4=500, addresses_ipv6=500), limits=Limits(probes_per_second=40)
        ),
    )
    mallory = world.guest("mallory", "tap1i0")
    asked = 0
    for flap in range(5):
        for number in range(20):
            asked += sum(line.startswith("ask") for line in mallory.asks_gateway(f"2.57.{flap}.{number}"))
        index = world.indexes["tap1i0"]
        world.unplugs("tap1i0")
        world.plugs("tap1i0", index)
        world.now += 0.1
    assert asked <= 10 + 5


def test_a_port_queues_few_probes():
    """A guest that causes probes without end is probed no later than all its addresses take at its port's rate."""
    world = World()
    claimed = [f"2.57.57.{100 + n}" for n in range(11)]
    mallory = world.guest("mallory", "tap2i0", *claimed, awake=False)
    for n in range(1001):
        mallory.does_dad(claimed[n % 11])
        mallory.asks_gateway(claimed[n % 11])
        world.runs(0.002)
    mallory.awake = True
    world.runs(1)
    assert [world.state(address) for address in claimed] == ["valid mallory@tap2i0"] * 11


def test_queue_of_one_port_does_not_delay_a_challenger_on_another():
    """A claim that waits for its port's rate is decided at the challenger's port's rate once there is a challenger."""
    world = World(settings=Settings(limits=Limits(probes_per_second=20)))
    mallory = world.guest("mallory", "tap2i0", *(f"2.57.57.{100 + n}" for n in range(15)), awake=False)
    alice = world.guest("alice", "tap1i0", V4)
    for address in [*mallory.addresses, V4]:
        mallory.asks_gateway(address)
    alice.asks_gateway()
    world.runs(1)
    assert world.state(V4) == "valid alice@tap1i0"
