"""The whole engine: each three bytes of the input are an event; remaining bytes are ignored.

The first byte chooses the kind of event, the others choose the guest and the address. There are few guests and few
addresses, so that events often concern the same ones.
"""

from collections.abc import Iterator

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import IP, MAC, ZERO_MAC, parse_ip, parse_mac
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.engine_outputs import Announcement, Decision, DesiredHost, Output, Probe, SnoopData
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import InterfaceAddress, Port, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Limits, PortPolicy, Settings, Timers
from rdnbr.core.policy.allowlist import parse
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.core.wire import arp, ndp
from rdnbr.core.wire.probe_frames import answer_frame
from tests.scapy_reads import with_checksum

GATEWAY4, GATEWAY6 = parse_ip("169.254.0.1"), parse_ip("fe80::1")
NODE_MAC = parse_mac("02:00:00:00:00:01")
TABLE = 254
OWN4, OWN6 = InterfaceAddress(1, GATEWAY4, 32), InterfaceAddress(1, GATEWAY6, 64)
SEGMENTS = (
    Segment(1, "vmbr1", NODE_MAC, TABLE, GATEWAY4, GATEWAY6, addresses=(OWN4, OWN6)),
    Segment(2, "vmbr2", NODE_MAC, TABLE, GATEWAY4, None, addresses=(OWN4,)),
)
NODES = (
    LocalAddresses(frozenset({GATEWAY4, GATEWAY6}), frozenset({(1, NODE_MAC), (2, NODE_MAC)})),
    LocalAddresses(
        frozenset({GATEWAY4, GATEWAY6, parse_ip("2.57.57.31")}), frozenset({(1, NODE_MAC), (2, NODE_MAC)})
    ),
)
MACS = tuple(MAC(b"\x52\x02\x45\x00\x00" + bytes([last])) for last in range(3))
ADDRESSES = tuple(
    parse_ip(text)
    for text in (
        "2.57.57.30",
        "2.57.57.31",
        "2.57.57.32",
        "169.254.0.1",
        "2001:678:3a4:100::80",
        "2001:678:3a4:100::81",
        "2001:678:3a4:100::82",
        "fe80::1",
    )
)
STRICT = """\
2.57.57.0/24 port=tap1*
2.57.57.32 vip
2.57.57.33 anycast
2.57.57.34 static
2001:678:3a4:100::/64 vm=2
2.57.57.30 vm=1
2001:678:3a4:100::80 port=tap1i0
"""
ALLOWLISTS = (
    None,
    parse([("open", "2.57.57.0/24\n2001:678:3a4:100::/64\n")]),
    parse([("strict", STRICT)]),
)
SETTINGS = (
    Settings(),
    Settings(
        Timers(reprobe=2.0, probe_count=2, departed=5.0, freeze=3.0),
        Limits(probes_per_second=2, addresses=3),
        PortPolicy(addresses_ipv4=1, addresses_ipv6=2, new_addresses_per_second=1, mac_check="log"),
        mobility="newest-wins",
    ),
)
TIMES = (0.0, 0.001, 0.5, 1.1, 2.1, 10.0, 61.0, 400.0)


def seeds() -> Iterator[bytes]:
    """Return typical inputs: a guest, a conflict, an address that moves, a node that restarts."""
    answered, time = bytes([7, 0, 0]), bytes([11, 8, 0])
    for what in (0, 4):
        learned, challenger = bytes([0, 0, what]), bytes([2, 5, what])
        yield bytes([3, 0, what]) + time + answered + time
        yield bytes([18, 1, 0]) + learned + answered + time + bytes([14, 0, 0]) + time
        yield bytes([18, 1, 0]) + learned + answered + challenger + time + answered + time
        yield bytes([21, 0, what]) + time + bytes([25, 0, what]) + answered + time
    yield bytes([18, 2, 0]) + b"".join(bytes([2, who, 2, 10, 3, 0]) for who in (0, 5, 0, 5, 0, 5, 0))
    yield bytes([20, 1, 0]) + b"".join(bytes([0, who, who]) for who in range(9)) + bytes([20, 0, 0])


class World:
    """An engine, and what must hold after each of its events."""

    def __init__(self) -> None:
        self.now = 0.0
        self.engine = Engine(SETTINGS[0], ALLOWLISTS[0])
        self.frames = 0
        self.wanted: dict[Key, MAC] = {}
        self.probes: list[Probe] = []
        self.ports: set[int] = set()
        for segment in SEGMENTS:
            self.engine.segment_changed(0.0, segment)
        self.take(self.engine.local_addresses_changed(self.now, NODES[0]))
        for index in range(3):
            self.plug(index, 0)

    def take(self, outputs: list[Output]) -> None:
        """Apply the outputs of an event, and check everything."""
        # A port that goes with this event may have been probed before.
        ports = self.ports | set(self.engine.ports)
        for output in outputs:
            match output:
                case Decision(at=at):
                    assert at == self.now
                case Probe(port=port):
                    assert port in ports
                    self.probes.append(output)
                case Announcement(port=port):
                    assert port in ports
                case SnoopData(port=port):
                    assert port in self.engine.ports
                case DesiredHost(key, None):
                    self.wanted.pop(key, None)
                case DesiredHost(key, host):
                    assert host is not None
                    assert 0 <= host.metric < 1 << 24
                    self.wanted[key] = host.mac
        self.ports = set(self.engine.ports)
        self.look()

    def look(self) -> None:
        """Check that bindings, desired entries, ports, deadlines and counters agree."""
        views = self.engine.snapshot()
        names = {port.name for port in self.engine.ports.values()}
        assert len({view.address for view in views}) == len(views)
        assert {
            Key(TABLE, view.address): view.mac for view in views if view.state in WITH_ROUTE
        } == self.wanted
        assert all(view.port in names for view in views if view.port is not None)
        assert not views or self.engine.next_deadline() is not None
        assert sum(self.engine.counters.values()) == self.frames

    def hear(self, port: int, frame: bytes) -> None:
        """Let a frame arrive."""
        self.frames += 1
        self.take(self.engine.handle_frame(self.now, port, frame))

    def plug(self, port: int, segment: int) -> None:
        """Let a port appear, or appear elsewhere."""
        if SEGMENTS[segment].index in self.engine.segments:
            up = Port(10 + port, f"tap{port + 1}i{segment}", SEGMENTS[segment].index)
            self.take(self.engine.port_changed(self.now, up))

    def tick(self) -> None:
        """Let the next deadline expire."""
        deadline = self.engine.next_deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.take(self.engine.expire_timers(self.now))
            after = self.engine.next_deadline()
            assert after is None or after > self.now


def try_one(content: bytes) -> None:
    """Run all events, then remove all ports and segments: at the end nothing may be left."""
    world = World()
    for at in range(0, len(content) - 2, 3):
        kind, who, what = content[at : at + 3]
        happen(world, kind, who, what)
    for segment in SEGMENTS:
        world.take(world.engine.segment_gone(world.now, segment.index))
    while world.engine.snapshot():
        assert {view.state for view in world.engine.snapshot()} == {State.DEPARTED}
        world.tick()
    assert not world.wanted


def ask(mac: MAC, address: IP) -> bytes:
    if len(address) == 4:
        return arp.request(mac, address, GATEWAY4)
    return ndp.solicitation(mac, address, GATEWAY6)


def ask_unconfirmed(mac: MAC, address: IP) -> bytes:
    """Send a solicitation as an optimistic node does (RFC 4429)."""
    return without_option(ask(mac, address)) if len(address) == 16 else ask(mac, address)


def announce(mac: MAC, address: IP) -> bytes:
    if len(address) == 4:
        return arp.announcement(mac, address)
    return ndp.router_announcement(mac, address)


def intend(mac: MAC, address: IP) -> bytes:
    if len(address) == 4:
        return arp.request(mac, IP(bytes(4)), address)
    return without_option(ndp.solicitation(mac, IP(bytes(16)), address))


def reply(mac: MAC, address: IP) -> bytes:
    if len(address) == 4:
        return arp.reply(mac, address, NODE_MAC, GATEWAY4)
    return ndp.advertisement(mac, address, NODE_MAC, GATEWAY6)


def show_up(mac: MAC, _: IP) -> bytes:
    """Announce a MAC as QEMU does for a migrated guest."""
    frame = bytearray(arp.request(mac, IP(bytes(4)), IP(bytes(4))))
    frame[12:14] = arp.ETHERTYPE_RARP
    frame[21] = 3
    return bytes(frame)


def send(mac: MAC, address: IP) -> bytes:
    """Send an IP packet to a distant host."""
    if len(address) == 4:
        return NODE_MAC + mac + b"\x08\x00\x45" + bytes(11) + address + bytes(4)
    return NODE_MAC + mac + b"\x86\xdd\x60" + bytes(5) + b"\x11\x40" + address + bytes(16)


def lie(mac: MAC, address: IP) -> bytes:
    """Claim an address for another MAC than the Ethernet source."""
    frame = bytearray(ask(mac, address))
    frame[11] ^= 0x10
    return bytes(frame)


def without_option(frame: bytes) -> bytes:
    shorter = bytearray(frame[:-8])
    shorter[18:20] = b"\0\x18"  # payload length
    return with_checksum(shorter)


FRAMES = (ask, ask_unconfirmed, announce, intend, reply, show_up, lie)


def happen(world: World, kind: int, who: int, what: int) -> None:
    """Run one event. The lowest two bits of `who` choose a guest, the next two its port."""
    port, segment = who % 3, SEGMENTS[what % 2]
    mac, address = MACS[who % 4 % 3], ADDRESSES[what % len(ADDRESSES)]
    engine, now = world.engine, world.now
    match kind % 32:
        case kind if kind < len(FRAMES):
            world.hear(10 + (who >> 2 & 3), FRAMES[kind](mac, address))
        case 7 | 8 | 9 if world.probes:
            asked = world.probes[-1 - what % len(world.probes)]
            answered = answer_frame(asked.frame, mac if asked.mac == ZERO_MAC else asked.mac)
            assert answered is not None
            world.hear(asked.port, answered)
        case 10:
            world.now += TIMES[who % len(TIMES)]
        case 11 | 12 | 13:
            for _ in range(who % 16):
                world.tick()
        case 14:
            world.take(engine.port_gone(now, 10 + port))
        case 15:
            world.plug(port, what % 2)
        case 16:
            world.take(engine.segment_gone(now, segment.index))
        case 17:
            world.take(engine.segment_changed(now, segment))
        case 18:
            world.take(engine.set_allowlist(now, ALLOWLISTS[who % len(ALLOWLISTS)]))
        case 19:
            world.take(engine.local_addresses_changed(now, NODES[who % len(NODES)]))
        case 20:
            engine.configure(now, SETTINGS[who % len(SETTINGS)])
        case 21:
            # Adoption only finds keys in the kernel, and only while the engine has no binding for them.
            key = Key(TABLE, address)
            if key not in world.wanted:
                world.take(engine.adopt(now, key, mac, segment.index, 10 + (who >> 2 & 3)))
        case 22:
            world.take(engine.kernel_refused(now, Key(TABLE, address), Reason.KERNEL_REFUSED))
        case 23:
            world.take(engine.kernel_accepted(now, Key(TABLE, address)))
        case 24:
            world.take(engine.flush(now, address if who else None))
        case 25:
            world.take(engine.probe(now, address))
        case 26 | 27:
            world.hear(10 + (who >> 2 & 3), send(mac, address))
        case _:
            world.tick()
