"""A segment, its ports and guests with readable names, around the very engine: tests read as dialogues.

Whatever a guest does returns what came of it, one line an output, in order:

    learned 2.57.57.30 alice@tap1i0 valid: first-claim       a decision
    route 2.57.57.30 to alice                                a wish for the kernel; `no route …` takes it back
    ask alice@tap1i0 for 2.57.57.30                          a question on a port; `ask all of …` is broadcast,
                                                             `…, from 0.0.0.0` an ARP probe of RFC 5227
    cannot ask for 2.57.57.30                                the bridge has no address of the family to ask from
    tell tap1i0 of the gateway                               an announcement
    tell alice@tap1i0 of 169.254.0.1                         the same, to one guest alone; only where `all_said`
    listen to tap1i0 without 2.57.57.30                      IP packets are looked at; only where `all_said`
    listen to tap1i0 for 2.57.57.30 alone                    a packet of a guest that answers nothing is awaited
    listen to tap1i0 no more                                 and no longer
    10.0.0.0/8 covers 10.0.0.9                               a connected prefix contains addresses of guests

Lines of `runs` begin with their time in seconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import guest_frames

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.claim import Claim
from rdnbr.core.model.engine_outputs import (
    Announcement,
    CoveringPrefix,
    Decision,
    DesiredHost,
    NoteForNextRun,
    Output,
    Probe,
    SnoopData,
    UnsentProbe,
)
from rdnbr.core.model.fib_entries import Host, Key
from rdnbr.core.model.interfaces import InterfaceAddress, Port, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.allowlist import Allowlist, parse
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.core.wire.decode import decode
from rdnbr.core.wire.probe_frames import answer_frame

GATEWAY4, GATEWAY6 = "169.254.0.1", "fe80::1"
MAIN = 254
BRIDGE = Segment(
    1,
    "vmbr1",
    parse_mac(guest_frames.NODE),
    MAIN,
    parse_ip(GATEWAY4),
    parse_ip(GATEWAY6),
    addresses=(InterfaceAddress(1, parse_ip(GATEWAY4), 32), InterfaceAddress(1, parse_ip(GATEWAY6), 64)),
)
NODE = LocalAddresses(frozenset({parse_ip(GATEWAY4), parse_ip(GATEWAY6)}), frozenset({(1, BRIDGE.mac)}))


def rules(text: str | None) -> Allowlist | None:
    """Read an allowlist; None is open mode."""
    return None if text is None else parse([("allowlist", text)])


@dataclass
class Guest:
    """A guest behind a port. It answers questions for its addresses while it is awake."""

    world: "World"
    name: str
    port: str
    mac: str
    addresses: tuple[str, ...]
    awake: bool = True

    @property
    def anchor(self) -> Anchor:
        return Anchor(self.world.indexes[self.port], parse_mac(self.mac))

    def says(self, frame: bytes) -> list[str]:
        """Send a frame."""
        return self.world.hears(self.port, frame)

    def asks_gateway(self, address: str | None = None) -> list[str]:
        address = address or self.addresses[0]
        return self.says(guest_frames.request(self.mac, address, GATEWAY6 if ":" in address else GATEWAY4))

    def asks_unconfirmed(self, address: str | None = None) -> list[str]:
        return self.says(guest_frames.unconfirmed(self.mac, address or self.addresses[0], GATEWAY6))

    def announces(self, address: str | None = None, *, override: bool = True) -> list[str]:
        return self.says(guest_frames.announcement(self.mac, address or self.addresses[0], override=override))

    def does_dad(self, address: str | None = None, nonce: bytes = b"") -> list[str]:
        return self.says(guest_frames.intent(self.mac, address or self.addresses[0], nonce))

    def shows_up(self) -> list[str]:
        """Have QEMU announce it by RARP."""
        return self.says(guest_frames.rarp(self.mac))

    def answers(self, address: str | None = None, *, override: bool = True) -> list[str]:
        address = address or self.addresses[0]
        asker = GATEWAY6 if ":" in address else GATEWAY4
        return self.says(guest_frames.reply(self.mac, address, asker, override=override))

    def would_answer(self, probe: Probe) -> bool:
        broadcast = bool(probe.frame[0] & 1)
        return (
            self.awake
            and self.world.indexes.get(self.port) == probe.port
            and (broadcast or parse_mac(self.mac) == probe.mac)
            and any(parse_ip(address) == probe.address for address in self.addresses)
        )


@dataclass
class World:
    """One node's engine, with a clock."""

    allow: str | None = None
    settings: Settings = field(default_factory=Settings)
    now: float = 0.0
    answer_time: float = 0.001
    """Seconds a guest takes to answer."""
    all_said: bool = False
    """Whether lines tell of greetings and windows, too, which come with most first frames."""

    def __post_init__(self) -> None:
        self.engine = Engine(self.settings, rules(self.allow))
        self.indexes: dict[str, int] = {}
        self.guests: list[Guest] = []
        self.wanted: dict[Key, Host] = {}
        self.questions: list[Probe] = []
        self.decisions: list[Decision] = []
        self.notes: dict[Key, AdoptionNote] = {}
        """What the next run would know of those that were adopted."""
        self.frames = 0
        self._answers: list[tuple[float, str, bytes]] = []
        self.engine.segment_changed(self.now, BRIDGE)
        self.engine.local_addresses_changed(self.now, NODE)

    def guest(self, name: str, port: str, *addresses: str, awake: bool = True, mac: str = "") -> Guest:
        """Let a guest be there, silent as yet, and its port too."""
        if port not in self.indexes:
            self.plugs(port)
        mac = mac or f"52:02:45:00:00:{len(self.guests) + 1:02x}"
        guest = Guest(self, name, port, mac, addresses, awake)
        self.guests.append(guest)
        return guest

    def plugs(self, port: str, index: int | None = None, segment: int = BRIDGE.index) -> list[str]:
        """Let a port appear, with an ifindex that no port had before unless told which."""
        self._indexed = getattr(self, "_indexed", 9) + 1
        self.indexes[port] = index or self._indexed
        return self.carries_out(self.engine.port_changed(self.now, Port(self.indexes[port], port, segment)))

    def unplugs(self, port: str) -> list[str]:
        self._answers = [waiting for waiting in self._answers if waiting[1] != port]
        return self.carries_out(self.engine.port_gone(self.now, self.indexes.pop(port)))

    def loses_segment(self) -> list[str]:
        """Let the bridge go, and its ports with it."""
        return self.carries_out(self.engine.segment_gone(self.now, BRIDGE.index))

    def reloads(self, allow: str | None) -> list[str]:
        return self.carries_out(self.engine.set_allowlist(self.now, rules(allow)))

    def adopts(
        self,
        address: str,
        guest: Guest,
        device: int = BRIDGE.index,
        fdb_port: str | None = None,
        pinned_port: str | None = None,
    ) -> list[str]:
        """Find a route in the kernel, and the guest's MAC on the port `fdb_port` in the bridge's table, or pinned."""
        key = Key(MAIN, parse_ip(address))
        port = self.indexes[fdb_port] if fdb_port else None
        note, pinned = self.notes.get(key), self.indexes[pinned_port] if pinned_port else None
        return self.carries_out(
            self.engine.adopt(self.now, key, parse_mac(guest.mac), device, port, None, note, pinned)
        )

    def crashes(self, down: float = 2.0, known: str = "awake") -> list[str]:
        """Kill the daemon; another one starts `down` seconds later, and the bridge knows who is awake, all or none."""
        self.stalls(down)
        self.engine = Engine(self.settings, rules(self.allow))
        self.engine.segment_changed(self.now, BRIDGE)
        self.engine.local_addresses_changed(self.now, NODE)
        for name, index in self.indexes.items():
            self.engine.port_changed(self.now, Port(index, name, BRIDGE.index))
        said: list[str] = []
        for key, host in list(self.wanted.items()):
            guest = next(guest for guest in self.guests if parse_mac(guest.mac) == host.mac)
            is_known = known == "all" or (known == "awake" and guest.awake)
            fdb_port = guest.port if is_known else None
            said += self.adopts(show_ip(key.address), guest, fdb_port=fdb_port)
        return said

    def recalls(self, address: str, guest: Guest, fdb_port: str | None) -> list[str]:
        """Find a neighbour without a route in the kernel, and the guest's MAC on the port in the bridge's table."""
        key, port = Key(MAIN, parse_ip(address)), self.indexes[fdb_port] if fdb_port else None
        return self.carries_out(
            self.engine.probe_orphaned_neighbour(self.now, key, parse_mac(guest.mac), BRIDGE.index, port)
        )

    def finds(self, guest: Guest, *addresses: str, fdb_port: str | None = None) -> list[str]:
        """Find a guest that was there before rdnbr in the kernel's neighbours, and in the bridge's table."""
        port = self.indexes[fdb_port] if fdb_port else None
        found = [parse_ip(address) for address in addresses]
        return self.carries_out(
            self.engine.find_guest(self.now, BRIDGE.index, port, parse_mac(guest.mac), found)
        )

    def flushes(self, address: str | None = None) -> list[str]:
        return self.carries_out(self.engine.flush(self.now, parse_ip(address) if address else None))

    def asks(self, address: str) -> list[str]:
        """Have the operator ask by hand."""
        return self.carries_out(self.engine.probe(self.now, parse_ip(address)))

    def hears(self, port: str, frame: bytes, *, vlan: int | None = None) -> list[str]:
        """Let a frame arrive on a port."""
        self.frames += 1
        return self.carries_out(self.engine.handle_frame(self.now, self.indexes.get(port, 0), frame, vlan))

    def runs(self, seconds: float) -> list[str]:
        """Let time pass; guests that are awake answer, deadlines are judged when they are due."""
        until = self.now + seconds
        said: list[str] = []
        while True:
            deadline = self.engine.next_deadline()
            moments = [at for at, _, _ in self._answers] + [deadline if deadline is not None else until]
            at = min(moments)
            if at >= until:
                break
            self.now = max(self.now, at)
            waiting = [item for item in self._answers if item[0] <= self.now]
            for item in waiting:
                self._answers.remove(item)
                said += self._timed(self.hears(item[1], item[2]))
            if not waiting:
                said += self._timed(self.ticks())
        self.now = until
        return said

    def stalls(self, seconds: float) -> None:
        """Let time pass in which the daemon does nothing; what guests would answer is lost."""
        self.now += seconds
        self._answers.clear()

    def ticks(self, *, unread: bool = False) -> list[str]:
        return self.carries_out(self.engine.expire_timers(self.now, unread=unread))

    def state(self, address: str) -> str | None:
        """Return `state name@port` of a binding, or None."""
        for view in self.engine.snapshot():
            if view.address == parse_ip(address):
                return f"{view.state} {self._who(view.mac)}@{view.port or '?'}"
        return None

    def routes(self) -> list[str]:
        return [f"{show_ip(key.address)} {self._who(host.mac)}" for key, host in self.wanted.items()]

    def counted(self, port: str) -> dict[str, int]:
        return {reason.value: count for (name, reason), count in self.engine.counters.items() if name == port}

    def carries_out(self, outputs: Iterable[Output]) -> list[str]:
        """Do what the engine asks for, and write it down."""
        return [line for output in outputs for line in self._carry_out(output)]

    def rivals(self) -> list[str]:
        """Say which decisions named a rival, and whom."""
        return [
            f"{made.verb} {self._who(made.mac)}, rival {self._who(made.challenger.mac)}@{made.challenger.port or '?'}"
            for made in self.decisions
            if made.challenger is not None
        ]

    def _carry_out(self, output: Output) -> Iterator[str]:
        match output:
            case Decision(_, verb, reason, address, mac, port, state):
                self.decisions.append(output)
                who = f" {self._who(mac)}@{port or '?'}" if mac else f" on {port or '?'}"
                what = f" {show_ip(address)}" if address else ""
                yield f"{verb}{what}{who}{f' {state}' if state else ''}: {reason}"
            case DesiredHost(key, None):
                self.wanted.pop(key, None)
                yield f"no route {show_ip(key.address)}"
            case DesiredHost(key, Host() as host):
                self.wanted[key] = host
                yield f"route {show_ip(key.address)} to {self._who(host.mac)}"
            case NoteForNextRun(key, None):
                self.notes.pop(key, None)
            case NoteForNextRun(key, AdoptionNote() as note):
                self.notes[key] = note
            case Probe(port, address, mac, frame):
                self.questions.append(output)
                broadcast = "all of " if frame[0] & 1 else ""
                sender = ", from 0.0.0.0" if from_zero(frame) else ""
                yield f"ask {broadcast}{self._who(mac)}@{self._port(port)} for {show_ip(address)}{sender}"
                for guest in self.guests:
                    if guest.would_answer(output):
                        reply = answer_frame(frame, parse_mac(guest.mac))
                        assert reply is not None
                        self._answers.append((self.now + self.answer_time, guest.port, reply))
            case UnsentProbe(_, address):
                yield f"cannot ask for {show_ip(address)}"
            case Announcement(port, frame) if frame[0] & 1:
                yield f"tell {self._port(port)} of the gateway"
            case Announcement(port, frame) if self.all_said:
                told = decode(frame)
                assert isinstance(told, Claim)
                assert told.address is not None
                yield f"tell {self._who(MAC(frame[:6]))}@{self._port(port)} of {show_ip(told.address)}"
            case CoveringPrefix(prefix, address):
                yield f"{prefix} covers {show_ip(address)}"
            case SnoopData(port, None, _, ()) if self.all_said:
                yield f"listen to {self._port(port)} no more"
            case SnoopData(port, None, _, awaited) if self.all_said:
                yield f"listen to {self._port(port)} for {', '.join(map(show_ip, awaited))} alone"
            case SnoopData(port, tuple() as without, families) if self.all_said:
                which = {(4,): " for IPv4", (16,): " for IPv6"}.get(families, "")
                known = ", ".join(map(show_ip, without)) or "exception"
                yield f"listen to {self._port(port)}{which} without {known}"

    def _timed(self, lines: Iterable[str]) -> list[str]:
        return [f"{self.now:.2f} {line}" for line in lines]

    def _who(self, mac: MAC | None) -> str:
        if mac is None:
            return "somebody"
        return next((guest.name for guest in self.guests if parse_mac(guest.mac) == mac), show_mac(mac))

    def _port(self, index: int) -> str:
        return next((name for name, number in self.indexes.items() if number == index), f"#{index}")


def from_zero(frame: bytes) -> bool:
    """Tell whether a frame is an ARP probe of RFC 5227."""
    return frame[12:14] == b"\x08\x06" and frame[28:32] == bytes(4)


def kinds(lines: Iterable[str]) -> set[str]:
    """Return the first words of lines, without their times."""
    return {line.split()[1] if line[0].isdigit() else line.split()[0] for line in lines}


__all__ = ["BRIDGE", "GATEWAY4", "GATEWAY6", "IP", "MAIN", "Guest", "Reason", "World", "kinds", "rules"]
