"""IP packets of a port: which are heard, and that the others stay in the kernel."""

import json
import struct
import time
from collections.abc import Iterator

import guest_frames
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Dot1Q, Ether

from rdnbr.core.model.address import parse_ip
from rdnbr.linux.packet.filters import PACKET_SNAPLEN, packets
from rdnbr.linux.packet.packet_socket import PortSocket
from tests.e2e.flood import Burst
from tests.netns.namespace import Namespace, until
from tests.netns.test_linux_receiver import Wire

pytestmark = pytest.mark.root

SOL_PACKET, PACKET_STATISTICS = 263, 6
MAC, NODE = "02:00:00:00:00:0a", "02:00:00:00:00:01"
V4, V6 = "2.57.57.30", "2001:678::80"
FENCE = guest_frames.packet(MAC, "2.57.57.99")
"""What everybody hears: when it was heard, all that was sent before it was decided about."""


@pytest.fixture
def wire(namespace: Namespace) -> Iterator[Wire]:
    wire = Wire(namespace)
    with namespace.entered():
        yield wire
    wire.close()


def hears(wire: Wire, frame: bytes, *without: str) -> bool:
    """Tell whether a port hears a frame among its packets."""
    ear = PortSocket(wire.port, packets([parse_ip(source) for source in without]))
    wire.guest.send(frame)
    wire.guest.send(FENCE)
    heard: list[bytes] = []
    until(lambda: heard.extend(one.data for one in ear.receive(10)) or FENCE[:PACKET_SNAPLEN] in heard)
    ear.close()
    return heard[0] != FENCE[:PACKET_SNAPLEN]


def sent(source: str) -> bytes:
    return guest_frames.packet(MAC, source)


@pytest.mark.parametrize(
    "frame",
    [
        sent(V4),
        sent("2.57.57.31"),
        sent("223.255.255.1"),
        sent(V6),
        sent("fd00::1"),
        bytes(Ether(src=MAC, dst=NODE) / IPv6(src=V6, dst="2001:db8::1") / ICMPv6EchoRequest()),
        bytes(Ether(src=MAC, dst=NODE) / IP(src=V4, dst="192.0.2.1") / UDP() / bytes(1400)),
    ],
    ids=lambda frame: Ether(frame).summary(),
)
def test_packets_are_heard(wire: Wire, frame: bytes) -> None:
    """Whatever comes from an address that somebody could have."""
    assert hears(wire, frame)


@pytest.mark.parametrize(
    "frame",
    [
        guest_frames.request(MAC, V4, "169.254.0.1"),
        guest_frames.rarp(MAC),
        guest_frames.request(MAC, V6, "fe80::1"),
        guest_frames.reply(MAC, V6, "fe80::1"),
        bytes(Ether(src=MAC, dst=NODE) / Dot1Q(vlan=100) / IP(src=V4, dst="192.0.2.1") / UDP()),
        bytes(Ether(src=MAC, dst=NODE) / IPv6(src=V6, dst="ff02::16") / IPv6ExtHdrHopByHop() / UDP()),
        bytes(Ether(src=MAC, dst=NODE, type=0x88CC) / bytes(46)),
        *(sent(source) for source in ("0.0.0.0", "127.0.0.1", "169.254.3.3", "224.0.0.1", "255.255.255.255")),
        *(sent(source) for source in ("::", "::1", "::ffff:2.57.57.30", "fe80::3", "ff02::1")),
    ],
    ids=lambda frame: Ether(frame).summary(),
)
def test_other_frames_are_not(wire: Wire, frame: bytes) -> None:
    """ARP and NDP have an ear of their own; what is tagged, or comes from nobody's address, nobody asks about."""
    assert not hears(wire, frame)


@pytest.mark.parametrize(("source", "neighbour"), [(V4, "2.57.57.31"), (V6, "2001:678::81")])
def test_sources_that_were_heard_are_left_out(wire: Wire, source: str, neighbour: str) -> None:
    """A source is heard until it is named, and another that differs in the last bit still."""
    others = [f"2.57.58.{number}" for number in range(8)] + [f"2001:678::{number:x}:1" for number in range(8)]
    frame = guest_frames.packet(MAC, source)
    assert hears(wire, frame, *others)
    assert not hears(wire, frame, *others, source)
    assert not hears(wire, frame, source, *others)
    assert hears(wire, guest_frames.packet(MAC, neighbour), source, *others)


@pytest.mark.parametrize("families", [(), (4,), (16,), (4, 16)])
def test_awaited_sources_are_heard_beside_others(wire: Wire, families: tuple[int, ...]) -> None:
    """Eight are awaited, of either family; of other sources those of the families are heard, and no tagged packet."""
    awaited = [*(f"2.57.58.{number}" for number in range(3)), V4, V6]
    awaited += [f"2001:678::{number:x}:1" for number in range(3)]
    without = [f"2001:678::{number:x}:2" for number in range(7)]
    ear = PortSocket(wire.port, packets(map(parse_ip, without), families, [parse_ip(one) for one in awaited]))
    others = ["2.57.57.31", "2001:678::81"]
    for source in (*awaited, *without, *others):
        wire.guest.send(sent(source))
    wire.guest.send(bytes(Ether(src=MAC, dst=NODE) / Dot1Q(vlan=100) / IP(src=V4, dst="192.0.2.1") / UDP()))
    wire.guest.send(guest_frames.request(MAC, V6, "fe80::1"))
    wire.guest.send(sent(V4))
    wanted = [*awaited, *(one for one in others if (16 if ":" in one else 4) in families), V4]
    heard: list[bytes] = []
    until(lambda: heard.extend(one.data for one in ear.receive(50)) or len(heard) >= len(wanted))
    ear.close()
    assert heard == [sent(source)[:PACKET_SNAPLEN] for source in wanted]


def test_packets_are_heard_only_when_asked_for(wire: Wire) -> None:
    """First not, then but for whom was heard, then no more."""
    index, first, second = wire.port.index, sent(V4), sent("2.57.57.31")
    request = guest_frames.request(MAC, V4, "169.254.0.1")

    def heard(*frames: bytes) -> list[bytes]:
        for frame in (*frames, request):
            wire.guest.send(frame)
        found: list[bytes] = []
        until(lambda: found.extend(wire.heard(time.monotonic())) or request in found)
        return [frame for frame in found if frame != request]

    assert heard(first) == []
    wire.receiver.snoop_data(index, [])
    until(lambda: heard(first) == [first[:PACKET_SNAPLEN]])
    wire.receiver.snoop_data(index, [parse_ip(V4)])
    until(lambda: heard(first, second) == [second[:PACKET_SNAPLEN]])
    wire.receiver.snoop_data(index, None, awaited=[parse_ip(V4)])
    until(lambda: heard(first, second) == [first[:PACKET_SNAPLEN]])
    wire.receiver.snoop_data(index, None)
    assert heard(first, second) == []
    assert len(wire.selector.get_map()) == 1


def test_ports_that_are_not_heard_have_no_packets_either(wire: Wire) -> None:
    """Who is told to listen where nobody listens does nothing."""
    wire.receiver.snoop_data(4711, [])
    wire.receiver.snoop_data(4711, None)
    assert len(wire.selector.get_map()) == 1


def test_port_that_goes_takes_its_packets_along(wire: Wire) -> None:
    """Closed is closed."""
    wire.receiver.snoop_data(wire.port.index, [])
    wire.receiver.close(wire.port.index)
    assert not wire.selector.get_map()


def test_arp_is_heard_through_a_flood_of_packets(wire: Wire) -> None:
    """Packets that nobody reads take no room from ARP and NDP, and make no port talk too much."""
    wire.receiver.snoop_data(wire.port.index, [])
    burst = Burst([sent(V4)] * 256)
    for _ in range(40):
        burst.send(wire.guest)
    request = guest_frames.request(MAC, V4, "169.254.0.1")
    wire.guest.send(request)
    heard: list[bytes] = []
    until(lambda: heard.extend(wire.heard(0.0)) or request in heard)
    assert wire.receiver.drops() == {wire.port.index: 0}


@pytest.mark.alone
def test_no_packet_reaches_user_space_outside_of_a_window(wire: Wire, namespace: Namespace) -> None:
    """Of 300,000 packets none passes the port's filter, by the kernel's own count."""
    endpoint = wire.receiver._receiver[wire.port.index].socket._socket
    before = received(namespace)
    endpoint.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)  # they start again when they are read
    burst = Burst([sent(V4)] * 128 + [sent("9.9.9.9")] * 128)
    for _ in range(300_000 // 256):
        burst.send(wire.guest)
    assert struct.unpack("=II", endpoint.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)) == (0, 0)
    assert received(namespace) - before >= 299_000


def received(namespace: Namespace) -> int:
    [link] = json.loads(namespace("ip -j -s link show dev t0"))
    return int(link["stats64"]["rx"]["packets"])
