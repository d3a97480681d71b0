"""Guests that arrive are told where their gateway is, each for itself, and no more often than they arrive."""

from dataclasses import replace

import guest_frames
from dialogue import BRIDGE, World
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.engine_outputs import Announcement
from rdnbr.core.model.interfaces import InterfaceAddress, Port
from rdnbr.core.model.settings import PortPolicy, Settings

ALLOW = "2.57.57.0/24\n2001:678::/64"
V4, V6 = "2.57.57.30", "2001:678::80"


def told(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("tell")]


def world(**settings: object) -> World:
    return World(ALLOW, Settings(**settings), all_said=True)


BOTH = ["tell alice@tap1i0 of 169.254.0.1", "tell alice@tap1i0 of fe80::1"]


def test_first_frame_of_a_guest_has_it_told():
    """A guest whose first frame names one address is told of the gateways of both families."""
    alice = world().guest("alice", "tap1i0", V4)
    assert told(alice.asks_gateway()) == BOTH


def test_guest_that_goes_on_speaking_is_told_once():
    """Traffic is no arrival."""
    here = world()
    alice = here.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    here.runs(60)
    assert told(alice.asks_gateway()) == []


def test_link_local_frames_and_unknown_macs_are_arrivals():
    """What counts is that somebody is there, whatever becomes of the frame."""
    here = world()
    alice = here.guest("alice", "tap1i0", V4)
    bob = here.guest("bob", "tap2i0", V4)
    assert told(alice.announces("fe80::5002:45ff:fe00:1")) == BOTH
    assert told(bob.shows_up()) == ["tell bob@tap2i0 of 169.254.0.1", "tell bob@tap2i0 of fe80::1"]


def test_announcement_is_another_arrival_after_five_seconds():
    """The announcements of one migration come within a second; a later one means that the guest was away."""
    here = world()
    alice = here.guest("alice", "tap1i0", V4)
    assert told(alice.shows_up()) == BOTH
    here.runs(0.8)
    assert told(alice.shows_up()) + told(alice.announces()) == []
    here.runs(4.3)
    assert told(alice.announces()) == BOTH


def test_guest_on_a_port_that_appears_again_arrives_again():
    """With the port goes what was known of who was told."""
    here = world()
    alice = here.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    here.unplugs("tap1i0")
    here.plugs("tap1i0")
    assert told(alice.asks_gateway()) == BOTH


def test_flood_of_macs_is_told_at_the_pace_of_the_port():
    """Who speaks with another MAC in each frame is told of no more of them than the port may have addresses."""
    here = world(port=PortPolicy(addresses_ipv4=3, addresses_ipv6=4))
    here.plugs("tap1i0")
    frames = [guest_frames.rarp(f"52:02:45:00:01:{number:02x}") for number in range(100)]
    assert sum(len(told(here.hears("tap1i0", frame))) for frame in frames) == 2 * (3 + 4)


def test_node_is_not_told_of_itself():
    """A frame that was reflected, or forged with the node's MAC, is nobody's arrival."""
    here = world()
    here.plugs("tap1i0")
    assert told(here.hears("tap1i0", guest_frames.rarp(guest_frames.NODE))) == []


def test_frame_with_two_senders_is_nobodys_arrival():
    """Where ARP sender and frame differ, whoever it was is not there to be told."""
    here = world()
    here.plugs("tap1i0")
    frame = Ether(guest_frames.request("52:02:45:00:00:01", V4, "169.254.0.1"))
    frame.src = "52:02:45:00:00:02"
    assert told(here.hears("tap1i0", bytes(frame))) == []


def test_greeting_is_what_guests_believe():
    """A gratuitous ARP reply, and an unsolicited NA with router and override flags; both to the guest's MAC alone."""
    here = world()
    alice = here.guest("alice", "tap1i0", V4)
    outputs = here.engine.handle_frame(0.0, here.indexes["tap1i0"], guest_frames.rarp(alice.mac))
    arp, na = (Ether(output.frame) for output in outputs if isinstance(output, Announcement))
    assert (arp.dst, arp.src, arp[ARP].op) == (alice.mac, guest_frames.NODE, 2)
    assert (arp[ARP].psrc, arp[ARP].pdst) == ("169.254.0.1", "169.254.0.1")
    assert (arp[ARP].hwsrc, arp[ARP].hwdst) == (guest_frames.NODE, guest_frames.NODE)
    assert (na.dst, na.src, na[IPv6].src, na[IPv6].dst) == (
        alice.mac,
        guest_frames.NODE,
        "fe80::1",
        "ff02::1",
    )
    assert (na[ICMPv6ND_NA].R, na[ICMPv6ND_NA].S, na[ICMPv6ND_NA].O) == (1, 0, 1)
    assert (na[ICMPv6ND_NA].tgt, na[ICMPv6NDOptDstLLAddr].lladdr) == ("fe80::1", guest_frames.NODE)


def test_segment_without_a_gateway_of_a_family_tells_of_the_other():
    """Nobody is told of a gateway that is not there."""
    here = world()
    here.engine.segment_changed(here.now, replace(BRIDGE, gateway6=None, addresses=BRIDGE.addresses[:1]))
    assert told(here.guest("alice", "tap1i0", V4).asks_gateway()) == ["tell alice@tap1i0 of 169.254.0.1"]


def test_bridge_that_changes_its_mac_tells_all_its_ports():
    """All guests hold a dead MAC then: each port of that bridge, and no other, hears of the new one."""
    here = world()
    for port in ("tap1i0", "tap2i0"):
        here.plugs(port)
    here.engine.segment_changed(here.now, replace(BRIDGE, index=2, name="vmbr2"))
    here.plugs("tap3i0", segment=2)
    here.engine.segment_changed(here.now, replace(BRIDGE, mac=parse_mac("02:00:00:00:00:02")))
    assert here.ticks() == ["tell tap1i0 of the gateway"] * 2 + ["tell tap2i0 of the gateway"] * 2
    assert told(here.ticks()) == []


def test_all_addresses_of_the_bridge_are_told():
    """Any of them may be the guest's gateway, and each is told once; the sources of probes come first."""
    here = world()
    lengths = {"169.254.1.1": 32, "10.0.0.1": 24, "2001:db8::1": 64}
    more = [InterfaceAddress(1, parse_ip(text), length) for text, length in lengths.items()]
    here.engine.segment_changed(here.now, replace(BRIDGE, addresses=(*more, *BRIDGE.addresses, *more)))
    assert told(here.guest("alice", "tap1i0", V4).asks_gateway()) == [
        f"tell alice@tap1i0 of {own}" for own in ("169.254.0.1", "fe80::1", *lengths)
    ]


def test_guest_is_told_of_sixteen_addresses_at_most():
    """An arrival costs a bounded number of frames, however many addresses the bridge has."""
    here = world()
    many = tuple(InterfaceAddress(1, parse_ip(f"10.0.{number}.1"), 24) for number in range(100))
    here.engine.segment_changed(here.now, replace(BRIDGE, addresses=many + BRIDGE.addresses))
    lines = told(here.guest("alice", "tap1i0", V4).asks_gateway())
    assert lines[:2] == BOTH
    assert len(lines) == 16


def test_many_addresses_are_told_in_smaller_batches():
    """After a change of the MAC the frames are counted, not the ports: 16 for each port, about 100 at once."""
    here = world()
    many = tuple(InterfaceAddress(1, parse_ip(f"10.0.{number}.1"), 24) for number in range(100))
    for number in range(20):
        here.engine.port_changed(0.0, Port(100 + number, f"tap{number}i0", BRIDGE.index))
    here.engine.segment_changed(here.now, replace(BRIDGE, mac=parse_mac("02:00:00:00:00:02"), addresses=many))
    batches = [len(told(here.ticks()))]
    batches += [len([line for line in here.runs(0.11) if "tell" in line]) for _ in range(3)]
    assert batches == [112, 112, 96, 0]


def test_many_ports_are_told_in_batches():
    """Fifty ports at once, then a pause; however often the MAC changes meanwhile, each is told of the last one."""
    here = world()
    for number in range(120):
        here.engine.port_changed(0.0, Port(100 + number, f"tap{number}i0", BRIDGE.index))
    here.engine.segment_changed(here.now, replace(BRIDGE, mac=parse_mac("02:00:00:00:00:02")))
    assert len(told(here.ticks())) == 2 * 50
    here.engine.segment_changed(here.now, replace(BRIDGE, mac=parse_mac("02:00:00:00:00:03")))
    batches = [len([line for line in here.runs(0.1) if "tell" in line]) for _ in range(4)]
    assert sum(batches) == 2 * 120
    assert max(batches) == 2 * 50
