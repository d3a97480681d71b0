"""Replay: captures go through the very engine of the daemon, with their own clock and a pretended kernel.

Nothing is read from the machine it runs on, not even `/etc/rdnbr`: the same captures and the same arguments give
the same output, byte for byte.

A capture on a guest's port also holds what the node sent there, and pcap has no field that tells. So the first MAC
that speaks from a gateway address is taken for the node's, and its frames count as outgoing; whoever else speaks
from there is a spoofer. What the bridge flooded to the port from other guests cannot be told at all. Both are kept
out by capturing with `tcpdump -Q in`.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush, merge
from pathlib import Path
from typing import NamedTuple, assert_never

from rdnbr.config.config import CommandLine, Config, ConfigError, load_allowlist, load_config
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.diff import plan
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.fib_entries import Host, Key
from rdnbr.core.model.interfaces import MAIN_TABLE, Port, Segment
from rdnbr.core.model.outputs import Announcement, Decision, DesiredHost, Output, Probe, SnoopData, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.core.wire.decode import decode
from rdnbr.core.wire.probe_frames import answer_frame
from rdnbr.replay import output as replay_output
from rdnbr.replay.pcap import CaptureError, Frame, read

GATEWAY4 = parse_ip("169.254.0.1")
GATEWAY6 = parse_ip("fe80::1")

UNSEEN_NODE = parse_mac("00:00:5e:00:53:fe")
"""The node's MAC where no frame shows it: one for documentation (RFC 7042 §2.1.2), which no guest has."""

ANSWER_TIME = 0.001
"""Seconds that a guest takes to answer a probe."""

_BRIDGE = 1
"""ifindex of the pretended bridge; its ports follow."""


class Arrival(NamedTuple):
    """A captured frame, and where it arrived."""

    at: float
    """Seconds since the epoch; never less than that of the arrival before."""
    port: str
    frame: Frame


class Tape:
    """Captures merged by time; it can be played again and again."""

    def __init__(self, paths: Sequence[Path], port: str | None = None) -> None:
        self._paths = paths
        self._port = port
        self.errors: list[str] = []
        """What was wrong with files when the tape was last played."""

    def __iter__(self) -> Iterator[Arrival]:
        self.errors = []
        return merge(*(self._play(path) for path in self._paths), key=lambda arrival: arrival.at)

    def start(self) -> float:
        """Return when the first frame arrived; 0 when there is none."""
        return next((arrival.at for arrival in self), 0.0)

    def _play(self, path: Path) -> Iterator[Arrival]:
        name = path.name.removesuffix(".gz")
        stem = Path(name).stem
        latest = 0.0
        try:
            for frame in read(path):
                # The order of a capture is that of arrival, whatever a stepped clock wrote beside it.
                latest = max(latest, frame.at)
                yield Arrival(latest, self._port or frame.interface or stem, frame)
        except CaptureError as error:
            self.errors.append(str(error))


def node_mac(tape: Iterable[Arrival]) -> MAC:
    """Return the first MAC that speaks from a gateway address, which is how a node is known."""
    for _, _, frame in tape:
        if frame.outgoing is not False and _from_gateway(frame.data):
            return MAC(frame.data[6:12])
    return UNSEEN_NODE


def _from_gateway(data: bytes) -> bool:
    if data[12:14] == b"\x86\xdd":
        return data[22:38] == GATEWAY6
    match decode(data):
        # An announcement is what thieves send; a gateway answers and asks.
        case Claim(source=Source.ARP_REQUEST | Source.ARP_REPLY, address=address):
            return address == GATEWAY4
        case _:
            return False


class Replay:
    """The engine, a pretended kernel, and guests that answer."""

    def __init__(
        self,
        mac: MAC,
        *,
        settings: Settings | None = None,
        allowlist: Allowlist | None = None,
        bridge: str = "vmbr1",
        silent: bool = False,
    ) -> None:
        self.engine = Engine(settings or Settings(), allowlist)
        self.kernel = FakeKernel({_BRIDGE: bridge})
        self.frames = 0
        """Frames captured; the answers that were made up are not among them."""
        self.claims = 0
        """How many of them were valid claims."""
        self.refused: Counter[Reason] = Counter()
        self.ignored: Counter[Reason] = Counter()
        self._mac = mac
        self._silent = silent
        self._ports: dict[str, int] = {}
        self._hosts: dict[Key, Host] = {}
        self._answers: list[tuple[float, int, int, bytes]] = []
        """Heap of answers on their way: time, number, ifindex of the port, frame."""
        self._asked = 0
        self.engine.segment_changed(Segment(_BRIDGE, bridge, mac, MAIN_TABLE, GATEWAY4, GATEWAY6))
        self.engine.local_addresses_changed(
            0.0, LocalAddresses(frozenset[IP]({GATEWAY4, GATEWAY6}), frozenset({mac}))
        )

    def feed(self, now: float, port: str, frame: Frame) -> Iterator[Decision]:
        """Take one captured frame, after all that was due before it."""
        yield from self.run_until(now)
        self.frames += 1
        decisions = list(self._feed(now, port, frame))
        for made in decisions:
            if made.verb is Verb.REFUSED:
                self.refused[made.reason] += 1
            elif made.verb is Verb.IGNORED:
                self.ignored[made.reason] += 1
        yield from decisions

    def run_until(self, until: float) -> Iterator[Decision]:
        """Handle what is due before `until`; at the same moment answers first, then deadlines, as live."""
        while True:
            answered = self._answers[0][0] if self._answers else until
            deadline = self.engine.next_deadline()
            if deadline is not None and deadline < min(answered, until):
                yield from self._carry_out(deadline, self.engine.expire_timers(deadline))
            elif answered < until:
                at, _, port, frame = heappop(self._answers)
                yield from self._carry_out(at, self.engine.handle_frame(at, port, frame))
            else:
                return

    def _feed(self, now: float, port: str, frame: Frame) -> Iterator[Decision]:
        ether = MAC(frame.data[6:12])
        if frame.outgoing or (frame.outgoing is None and ether == self._mac):  # F1
            yield Decision(now, Verb.IGNORED, Reason.OUTGOING, None, ether, port)
            return
        index = self._ports.get(port)
        if index is None:
            index = self._ports[port] = _BRIDGE + 1 + len(self._ports)
            self.engine.port_changed(now, Port(index, port, _BRIDGE))
        before = self.engine.claims
        outputs = self.engine.handle_frame(now, index, frame.data, length=frame.length)
        self.claims += self.engine.claims - before
        yield from self._carry_out(now, outputs)

    def _carry_out(self, now: float, outputs: Iterable[Output]) -> Iterator[Decision]:
        for output in outputs:
            match output:
                case Decision():
                    yield output
                case DesiredHost(key, host):
                    self._want(key, host)
                case Probe(guess=True):
                    pass  # of whom nobody heard, nobody knows whether he would answer
                case Probe(port, _, mac, question):
                    reply = None if self._silent else answer_frame(question, mac)
                    if reply is not None:
                        self._asked += 1
                        heappush(self._answers, (now + ANSWER_TIME, self._asked, port, reply))
                case Announcement() | SnoopData():
                    pass  # nobody here listens, and what is to be heard is in the capture
                case _:
                    assert_never(output)

    def _want(self, key: Key, host: Host | None) -> None:
        before = self._hosts.pop(key, None)
        if host is not None:
            self._hosts[key] = host
        wanted, found = ([] if item is None else [item] for item in (host, before))
        neighbours = [item.neighbour for item in found if item.neighbour is not None]
        operations = plan(wanted, [item.route for item in found], neighbours)
        refusals = self.kernel.apply(operations)
        assert not refusals, refusals


def main(
    pcaps: Sequence[Path],
    *,
    config: Path | None = None,
    allowlist: Path | None = None,
    port: str | None = None,
    bridge: str = "vmbr1",
    silent: bool = False,
    tail: float = 5.0,
    json: bool = False,
) -> int:
    """Replay captures and print what the daemon would have done.

    Args:
        pcaps: captures, each one port of the same bridge.
        config: configuration file; None for the defaults.
        allowlist: allowlist file; None for the one the configuration names, or open mode.
        port: port of all frames; None for the capture's interface, or the name of the file.
        bridge: name of the bridge.
        silent: nobody answers probes, so that only captured frames count.
        tail: seconds the clock runs on after the last frame.
        json: one JSON object a line, instead of text for people.

    Returns:
        The exit code: 1 when a file could not be read to its end.
    """
    try:
        settings, law = _settings(config, allowlist)
    except (ConfigError, AllowlistError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tape = Tape(pcaps, port)
    start = tape.start()
    replay = Replay(node_mac(tape), settings=settings, allowlist=law, bridge=bridge, silent=silent)
    replay.engine.set_clock(0.0, start)
    writer = replay_output.Json(start) if json else replay_output.Text(start)
    now = 0.0
    for at, name, frame in tape:
        now = at - start
        _write(writer.write_decisions(replay.feed(now, name, frame)))
    _write(writer.write_decisions(replay.run_until(now + tail)))
    if json or replay.frames or not tape.errors:
        _write(writer.write_summary(_outcome(replay)))
    sys.stdout.flush()
    for complaint in tape.errors:
        sys.stderr.write(f"{complaint}\n")
    return 1 if tape.errors else 0


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _outcome(replay: Replay) -> replay_output.Outcome:
    return replay_output.Outcome(
        replay.frames,
        replay.claims,
        replay.refused,
        replay.ignored,
        replay.engine.snapshot(),
        replay.kernel.lines(),
        open_mode=replay.engine.open_mode,
    )


def _settings(config: Path | None, allowlist: Path | None) -> tuple[Settings, Allowlist | None]:
    given = CommandLine(config=config, allowlist=allowlist)
    if config is not None:
        found = load_config(given)
    elif allowlist is not None:
        found = Config(allowlist=allowlist, given=given, allowlist_named=True)
    else:
        return Settings(), None
    if not found.allowlist_named:
        return found.settings, None
    return found.settings, load_allowlist(found.allowlist, found.allowlist_directory, required=True)
