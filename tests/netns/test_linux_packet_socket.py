"""Port sockets on real bridge ports."""

import contextlib
import select
import socket
import subprocess
from collections.abc import Iterator

import pytest

from rdnbr.core.model.interfaces import Port
from rdnbr.linux.packet.background_close import BackgroundClose
from rdnbr.linux.packet.packet_socket import Frame, PortSocket
from tests.netns.namespace import Namespace, until

pytestmark = pytest.mark.root

GUEST = bytes.fromhex("02000000000a")
ALL = b"\xff" * 6
ARP = bytes.fromhex("0001080006040001") + GUEST + bytes((2, 57, 57, 30)) + bytes(6) + bytes((2, 57, 57, 30))
GARP = ALL + GUEST + b"\x08\x06" + ARP
IP6 = bytes.fromhex("333300000001") + GUEST + b"\x86\xdd"
ADDRESSES = bytes.fromhex("fe80000000000000000000fffe00000a") + bytes.fromhex(
    "ff020000000000000000000000000001"
)


def ip6(next_header: int, payload: bytes) -> bytes:
    return (
        IP6
        + b"\x60\0\0\0"
        + len(payload).to_bytes(2, "big")
        + bytes((next_header, 255))
        + ADDRESSES
        + payload
    )


def icmp6(kind: int) -> bytes:
    return ip6(58, bytes((kind, 0, 0, 0)) + bytes(20))


class Net:
    """A bridge vmbr1 with two guests: port t0 leads to device g0, t1 to g1."""

    def __init__(self, namespace: Namespace) -> None:
        self.run = namespace
        namespace("ip link add vmbr1 type bridge mcast_snooping 0")
        namespace("ip link set vmbr1 up")
        self.ports, self.guests = [], []
        for number in (0, 1):
            namespace(f"ip link add t{number} type veth peer name g{number}")
            for device in (f"t{number}", f"g{number}"):
                namespace.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
            namespace(f"ip link set t{number} master vmbr1 up")
            namespace(f"ip link set g{number} up")
            with namespace.entered():
                self.ports.append(PortSocket(Port(namespace.index(f"t{number}"), f"t{number}", 0)))
                guest = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                guest.bind((f"g{number}", 3))
                guest.settimeout(5)
                self.guests.append(guest)
        until(lambda: "state forwarding" in namespace("bridge link show dev t1"))

    def heard(self, port: int, count: int) -> list[Frame]:
        """Wait for as many frames on a port, and return all that are there."""
        frames: list[Frame] = []
        until(lambda: frames.extend(self.ports[port].receive(100)) or len(frames) >= count)
        return frames + self.ports[port].receive(100)

    def received(self, guest: int) -> list[bytes]:
        """Return all that waits at a guest."""
        self.guests[guest].setblocking(False)
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(self.guests[guest].recv(2000))
        return frames

    def close(self) -> None:
        closer = BackgroundClose()
        for endpoint in (*self.ports, *self.guests):
            closer.close(endpoint)
        closer.finish()


@pytest.fixture
def net() -> Iterator[Net]:
    namespace = Namespace()
    try:
        network = Net(namespace)
        yield network
        network.close()
    finally:
        namespace.close()


def test_garp_is_heard_on_its_port_only(net: Net) -> None:
    """A broadcast is heard where its guest sent it, and not where the bridge floods it to."""
    net.guests[0].send(GARP)
    assert net.heard(0, 1) == [Frame(GARP, None, 42)]
    while net.guests[1].recv(2000) != GARP:
        pass  # now the bridge has flooded it
    assert net.ports[1].receive(100) == []


def test_vlan_pushed_by_the_sender(net: Net) -> None:
    """A tagged frame is told with its VLAN; a priority tag is no VLAN; an inner tag stays in the data."""
    for tag in ("81000064", "81006000", "88a8000a81000014"):
        net.guests[0].send(ALL + GUEST + bytes.fromhex(tag) + b"\x08\x06" + ARP)
    inner = ALL + GUEST + bytes.fromhex("81000014") + b"\x08\x06" + ARP
    assert net.heard(0, 3) == [Frame(GARP, 100, 42), Frame(GARP, None, 42), Frame(inner, 10, 46)]


def test_what_is_delivered(net: Net) -> None:
    """ARP, RARP, neighbour discovery (also behind an extension header) and listener reports are delivered."""
    wanted = [GARP, ALL + GUEST + b"\x80\x35" + ARP, *(icmp6(kind) for kind in (133, 134, 135, 136, 137))]
    wanted += [ip6(kind, bytes((58, 0)) + bytes(6) + b"\x88" + bytes(23)) for kind in (0, 43, 44, 60)]
    alert = bytes((58, 0)) + bytes.fromhex("050200000000")
    wanted += [ip6(0, alert + bytes([kind]) + bytes(23)) for kind in (131, 132, 143)]
    data = [
        ALL + GUEST + b"\x08\x00" + b"\x45" + bytes(100),
        ALL + GUEST + bytes.fromhex("88a8000a81000014") + b"\x08\x00" + b"\x45" + bytes(100),
        icmp6(128),
        icmp6(132),
        icmp6(138),
        ip6(17, bytes(100)),
        ip6(0, alert + bytes([130]) + bytes(23)),  # a query
        ip6(0, bytes((17, 0)) + bytes.fromhex("050200000000") + b"\x8f" + bytes(23)),
        ip6(44, bytes((17, 0)) + bytes(30)),
    ]
    for frame in [*data, *wanted]:
        net.guests[0].send(frame)
    assert [frame.data for frame in net.heard(0, len(wanted))] == wanted


def test_long_frames_are_cut(net: Net) -> None:
    """Of a long frame the beginning is delivered, and how long it was."""
    frame = GARP + bytes(1000)
    net.guests[0].send(frame)
    assert net.heard(0, 1) == [Frame(frame[:256], None, 1042)]


def test_send_reaches_its_guest(net: Net) -> None:
    """A frame sent on a port arrives at its guest, not at another, and is not heard by ourselves."""
    question = GUEST + bytes.fromhex("02000000000b") + b"\x08\x06" + ARP
    assert net.ports[0].send(question)
    while net.guests[0].recv(2000) != question:
        pass
    assert question not in net.received(1)
    assert net.ports[0].receive(100) == []


def test_budget(net: Net) -> None:
    """No more frames are taken than asked for; the others wait."""
    for _ in range(5):
        net.guests[0].send(GARP)
    until(lambda: len(net.ports[0].receive(2)) == 2)
    assert len(net.heard(0, 3)) == 3


def test_port_down_and_up(net: Net) -> None:
    """A port that went down is silent and takes nothing; up again, it is heard as before."""
    net.run("ip link set t0 down")
    assert net.ports[0].receive(100) == []
    assert not net.ports[0].send(GARP)
    net.run("ip link set t0 up")
    until(lambda: net.ports[0].send(GARP))

    def heard_again() -> bool:
        net.guests[0].send(GARP)
        return bool(net.ports[0].receive(100))

    until(heard_again)


def test_frames_from_before_the_port_went_down(net: Net) -> None:
    """What a guest said before its port went down is still heard."""
    net.guests[0].send(GARP)
    until(lambda: select.select([net.ports[0]], [], [], 0)[0])
    net.run("ip link set t0 down")
    assert net.ports[0].receive(1) == [Frame(GARP, None, 42)]


def test_port_whose_name_is_not_utf8(net: Net) -> None:
    """Frames of such a port are lost, one by one, and raise nothing; the other ports are heard."""
    with net.run.entered():
        subprocess.run([b"ip", b"link", b"set", b"t0", b"name", b"\xff\xfe"], check=True)
    net.guests[0].send(GARP)
    until(lambda: select.select([net.ports[0]], [], [], 0)[0])
    assert net.ports[0].attached
    assert net.ports[0].receive(1) == []
    net.guests[1].send(GARP)
    until(lambda: net.ports[1].receive(100) != [])


def test_port_deleted(net: Net) -> None:
    """A port that was deleted is contained: nothing to hear, nothing sent, and still to be closed."""
    net.run("ip link del t0")
    assert net.ports[0].receive(100) == []
    assert net.ports[0].receive(100) == []
    assert not net.ports[0].send(GARP)
    assert net.ports[0].drops() == 0


def test_no_such_port(net: Net) -> None:
    """To listen on a device that is gone fails, and the message names it."""
    with net.run.entered(), pytest.raises(OSError, match="tap100i0"):
        PortSocket(Port(4711, "tap100i0", 0))


def test_drops_are_counted(net: Net) -> None:
    """Frames lost to a full buffer are counted, cumulatively."""
    net.ports[0]._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2000)
    for _ in range(100):
        net.guests[0].send(GARP)
    until(lambda: net.ports[0].drops() > 0)
    first = net.ports[0].drops()
    kept = len(net.ports[0].receive(200))
    assert first + kept == 100
    assert net.ports[0].drops() == first
