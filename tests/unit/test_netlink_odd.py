"""What the kernel may say that nobody expects: odd messages, dumps that changed under way."""

import struct
from errno import EAGAIN, ENOBUFS

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.interfaces import InterfaceAddress
from rdnbr.linux.netlink.links import read_address, read_link
from rdnbr.linux.netlink.monitor import LinkGone, Monitor, Overrun
from rdnbr.linux.netlink.netlink_socket import Message, NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import Request

NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE, NEWNEIGH, DELNEIGH = 16, 17, 20, 21, 24, 25, 28, 29
ERROR, DONE = 2, 3
DUMP_INTR = 0x10


def datagram(kind: int, body: bytes, *, flags: int = 0, sequence: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(*attributes: bytes, family: int = 0, index: int = 7) -> bytes:
    return struct.pack("=BxHiII", family, 1, index, 0x10001, 0) + b"".join(attributes)


def address(value: bytes, *, family: int = 2, length: int = 32, index: int = 7) -> bytes:
    return struct.pack("=BBBBI", family, length, 0, 0, index) + attribute(2, value)


class Said:
    """A netlink socket of a kernel that has said these datagrams, and may have lost some."""

    def __init__(self, *datagrams: bytes | OSError) -> None:
        self._waiting = list(datagrams)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        return self.recv(size), (0, 0)

    def recv(self, size: int) -> bytes:
        if not self._waiting:
            raise BlockingIOError(EAGAIN, "")
        said = self._waiting.pop(0)
        if isinstance(said, OSError):
            raise said
        return said[:size]


def monitor(*datagrams: bytes | OSError) -> Monitor:
    made = object.__new__(Monitor)
    made._socket = Said(*datagrams)  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (b"tap100i0\0", "tap100i0"),
        ("café".encode() + b"\0", "café"),
        (b"\xff\xfe\0", "\\xff\\xfe"),
        (b"tap100i0", "tap100i0"),
    ],
)
def test_names_are_any_bytes(name: bytes, read: str) -> None:
    """A device is read whatever bytes its name is made of; what is no text is shown as it would be typed."""
    found = read_link(Message(NEWLINK, 0, 0, link(attribute(3, name))))
    assert found is not None
    assert found.name == read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 15,
        link(),
        link(attribute(3, b"\0")),
        link(attribute(3, b"tap0\0"), index=0),
        link(attribute(3, b"tap0\0"), index=-4),
        link(attribute(3, b"tap0\0"), family=28),
        link(attribute(53, b"a-name-much-longer-than-fifteen-characters\0")),
        link() + b"\xff\xff\x03\x00tap0",
    ],
    ids=["empty", "short", "nothing", "no name", "zero", "negative", "family", "altname only", "cut"],
)
def test_what_is_no_device_is_passed_over(body: bytes) -> None:
    """A link message without a name of its own, a proper ifindex or the right family is nobody."""
    assert read_link(Message(NEWLINK, 0, 0, body)) is None


def test_odd_attributes_are_as_good_as_none() -> None:
    """A master, a MAC and a kind that cannot be read are read as absent; the device is there all the same."""
    odd = link(attribute(3, b"tap0\0"), attribute(10, b"\1\2"), attribute(1, b"\1\2\3"), attribute(18, b"\1"))
    found = read_link(Message(NEWLINK, 0, 0, odd))
    assert found is not None
    assert (found.master, found.mac, found.kind, found.table) == (None, bytes(6), None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        address(b"\2\x39\x39", length=24),
        address(bytes(16)),
        address(b"\1\2\3\4", family=5),
        address(b"\1\2\3\4", length=33),
        address(b"\1\2\3\4", index=0),
    ],
    ids=["empty", "short", "other family's", "unknown family", "long", "nobody's"],
)
def test_what_is_no_address_is_passed_over(body: bytes) -> None:
    """An address message of an unknown family, or with an impossible address or length, is nothing."""
    assert read_address(Message(NEWADDR, 0, 0, body)) is None


def test_address_is_read() -> None:
    """A proper one is."""
    found = read_address(Message(NEWADDR, 0, 0, address(b"\2\x39\x39\x1e")))
    assert found == InterfaceAddress(7, parse_ip("2.57.57.30"), 32)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE, NEWNEIGH, DELNEIGH, 99]),
            st.binary(max_size=80)
            | st.builds(
                lambda family, rest, attributes: bytes([family]) + rest + b"".join(attributes),
                st.sampled_from([0, 2, 10, 7, 28]),
                st.binary(min_size=7, max_size=15),
                st.lists(st.builds(attribute, st.integers(0, 60), st.binary(max_size=20)), max_size=6),
            ),
        ),
        max_size=5,
    )
)
def test_nothing_that_is_said_raises(messages: list[tuple[int, bytes]]) -> None:
    """Whatever the messages say, they are read or passed over, and what is said after them is heard."""
    last = datagram(DELLINK, link(attribute(3, b"tap0\0")))
    events = monitor(*(datagram(kind, body) for kind, body in messages), last).receive()
    assert events[-1] == LinkGone(7)


def test_message_too_short_to_be_read_is_a_loss() -> None:
    """Of a route message that ends early nobody knows what it told: everything is to be looked at."""
    assert monitor(datagram(NEWROUTE, b"\2\x20")).receive() == [Overrun()]


def test_what_waits_when_events_were_lost_is_thrown_away() -> None:
    """What was said before the loss is told; what was said after it, and before the look, is out of date."""
    gone = datagram(DELLINK, link(attribute(3, b"tap0\0")))
    lost = OSError(ENOBUFS, "")
    heard = monitor(gone, lost, gone, gone, lost, gone)
    assert heard.receive() == [LinkGone(7), Overrun()]
    assert heard.receive() == []


class Dumps:
    """A kernel that answers each dump with the next of these, each a list of (flags, body)."""

    def __init__(self, *dumps: list[tuple[int, bytes]]) -> None:
        self._dumps = list(dumps)
        self._answers: list[bytes] = []
        self.asked = 0

    def send(self, packet: bytes) -> None:
        (sequence,) = struct.unpack_from("=I", packet, 8)
        dump = self._dumps.pop(0)
        self.asked += 1
        self._answers = [datagram(NEWLINK, body, flags=flags, sequence=sequence) for flags, body in dump]
        self._answers.append(datagram(DONE, bytes(4), flags=dump[-1][0], sequence=sequence))

    def recv(self, _size: int) -> bytes:
        return self._answers.pop(0)


def bodies(kernel: Dumps) -> list[bytes]:
    netlink = object.__new__(NetlinkSocket)
    netlink._socket, netlink._sequence = kernel, 0  # type: ignore[assignment]
    return [message.body for message in netlink.dump(Request(18, 0, b""))]


def test_interrupted_dump_is_repeated() -> None:
    """When the kernel says that things changed while it told them, only what it tells the next time counts."""
    kernel = Dumps([(0, b"old1"), (DUMP_INTR, b"old2")], [(DUMP_INTR, b"old3")], [(0, b"new1"), (0, b"new2")])
    assert bodies(kernel) == [b"new1", b"new2"]
    assert kernel.asked == 3


def test_dump_that_is_interrupted_again_and_again_comes_to_an_end() -> None:
    """Under constant change all that was told in five dumps is returned."""
    kernel = Dumps(*([(DUMP_INTR, b"%d..." % number)] for number in range(9)))
    assert bodies(kernel) == [b"0...", b"1...", b"2...", b"3...", b"4..."]
