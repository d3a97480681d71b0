"""Ports read in turns, one of them flooded."""

import selectors
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rdnbr.core.model.interfaces import Port
from rdnbr.linux.packet.filters import ANSWERS, CLAIMS
from rdnbr.linux.packet.packet_socket import Frame, PortSocket
from rdnbr.linux.packet.receiver import BUDGET, PAUSE, PacketReceiver
from tests.netns.namespace import Namespace, until

pytestmark = pytest.mark.root

GUEST, NODE, ALL = bytes.fromhex("02000000000a"), bytes.fromhex("020000000001"), b"\xff" * 6
PAIRS = GUEST + bytes((2, 57, 57, 30)) + NODE + bytes((169, 254, 0, 1))
REQUEST = ALL + GUEST + bytes.fromhex("0806 0001 0800 06 04 0001") + PAIRS
REPLY = NODE + GUEST + bytes.fromhex("0806 0001 0800 06 04 0002") + PAIRS
REPLY_TO_ALL = ALL + REPLY[6:]
RARP = ALL + GUEST + bytes.fromhex("8035 0001 0800 06 04 0003") + PAIRS
IP6 = GUEST + bytes.fromhex("86dd 60000000 0018 3aff") + bytes(32)
ASKING = NODE + IP6 + bytes.fromhex("87000000") + bytes(20)
ANSWERING = NODE + IP6 + bytes.fromhex("88000000 40000000") + bytes(16)
OF_ITS_LINK = NODE + IP6 + bytes.fromhex("88000000 40000000 fe80") + bytes(14)
"""The answer to a solicitation of its link-local address, which no probe asks for and every neighbour can."""
ANNOUNCING = bytes.fromhex("333300000001") + IP6 + bytes.fromhex("88000000 20000000") + bytes(16)
RATE = 10


class Wire:
    """A port t0, and the guest's end of it."""

    def __init__(self, namespace: Namespace) -> None:
        namespace("ip link add t0 type veth peer name g0")
        for device in ("t0", "g0"):
            namespace.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
            namespace(f"ip link set {device} up")
        self.port = Port(namespace.index("t0"), "t0", 0)
        self.selector = selectors.DefaultSelector()
        self.receiver = PacketReceiver(self.selector)
        with namespace.entered():
            self.receiver.open(self.port, RATE)
            self.guest = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.guest.bind(("g0", 0))

    def heard(self, now: float) -> list[bytes]:
        """What one turn of the loop reads."""
        for key, mask in self.selector.select(0):
            key.data(mask)
        return [frame.data for _, frame in self.receiver.receive(now)]

    def close(self) -> None:
        self.guest.close()
        self.receiver.close_all()
        self.selector.close()


@pytest.fixture
def wire(namespace: Namespace) -> Iterator[Wire]:
    wire = Wire(namespace)
    with namespace.entered():  # the second ear is opened where the daemon lives
        yield wire
    wire.close()


@pytest.fixture
def flooded(wire: Wire) -> Wire:
    """A wire that has just carried more than its rate, with more to be read."""
    for _ in range(3 * BUDGET):
        wire.guest.send(REQUEST)
    until(lambda: wire.heard(0.0))
    assert not wire.heard(0.0)
    return wire


def test_port_beyond_its_rate_is_left_unread_for_a_moment(flooded: Wire) -> None:
    """Nothing that waits is read until the moment is over, and nobody waits for it."""
    assert flooded.receiver.drained
    assert flooded.receiver.next_deadline() == PAUSE
    assert flooded.heard(PAUSE) == [REQUEST] * BUDGET


def test_answers_are_heard_through_a_flood(flooded: Wire) -> None:
    """What a guest answers is read at once, although its port is left unread."""
    flooded.guest.send(REPLY)
    until(lambda: flooded.heard(0.0) == [REPLY])


def test_answers_are_heard_once(flooded: Wire) -> None:
    """An answer is no claim as well."""
    flooded.guest.send(REPLY)
    until(lambda: flooded.heard(0.0) == [REPLY])
    assert [flooded.heard(now) for now in (1.0, 2.0, 3.0)] == [[REQUEST] * BUDGET, [REQUEST] * BUDGET, []]


def test_closed_port_is_closed_for_good(flooded: Wire) -> None:
    """A port that goes while it is left unread takes both ears with it."""
    flooded.receiver.close(flooded.port.index)
    assert list(flooded.receiver) == []
    assert flooded.receiver.next_deadline() is None
    assert not flooded.selector.get_map()


def test_ear_closed_in_the_turn_that_woke_it_stays_closed(wire: Wire) -> None:
    """A port that somebody closes between the look at what is ready and its own turn is not read."""
    wire.guest.send(REQUEST)
    woken = wire.selector.select(5.0)
    assert len(woken) == 1
    wire.receiver.close(wire.port.index)
    for key, mask in woken:
        key.data(mask)
    assert list(wire.receiver.receive(0.0)) == []
    assert wire.receiver.drained


def test_rate_changes_where_a_port_is_listened_on(wire: Wire) -> None:
    """A port that is opened again with another rate is held to that from now on, and loses nothing."""
    wire.guest.send(REQUEST)
    wire.receiver.open(wire.port, 1000)
    heard: list[bytes] = []
    for _ in range(2 * RATE):
        wire.guest.send(REQUEST)
    until(lambda: heard.extend(wire.heard(0.0)) or len(heard) == 2 * RATE + 1)
    assert wire.receiver.next_deadline() is None


def test_port_in_another_segment_is_listened_on_anew(wire: Wire) -> None:
    """What a port said in its old segment is not heard in the new one; what it says then is."""
    wire.guest.send(REQUEST)
    wire.receiver.open(replace(wire.port, segment=7), RATE)
    assert wire.heard(0.0) == []
    wire.guest.send(REPLY)
    until(lambda: wire.heard(0.0) == [REPLY])


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (REQUEST, False),
        (REPLY, True),
        (REPLY_TO_ALL, False),
        (RARP, False),
        (ASKING, False),
        (ANSWERING, True),
        (OF_ITS_LINK, False),
        (ANNOUNCING, False),
    ],
)
def test_every_frame_is_a_claim_or_an_answer(wire: Wire, frame: bytes, answer: bool) -> None:
    """Answers are those that are said to one MAC alone; of the two filters exactly one takes each frame."""
    claims, answers = PortSocket(wire.port, CLAIMS), PortSocket(wire.port, ANSWERS)
    wire.guest.send(frame)
    heard: list[Frame] = []
    hears, deaf = (answers, claims) if answer else (claims, answers)
    until(lambda: heard.extend(hears.receive(10)) or heard)
    assert [one.data for one in heard] == [frame]
    assert deaf.receive(10) == []
    claims.close()
    answers.close()


def test_port_that_was_another_device_is_lost(wire: Wire, namespace: Namespace) -> None:
    """A port is known to be lost when its device is gone, though another took its name and number; not before."""
    index = wire.port.index
    assert not wire.receiver.is_detached(index)
    assert not wire.receiver.is_detached(index + 1000)
    namespace("ip link set t0 down")
    assert not wire.receiver.is_detached(index)
    namespace("ip link del t0")
    namespace(f"ip link add t0 index {index} type veth peer name g0")
    assert wire.receiver.is_detached(index)
