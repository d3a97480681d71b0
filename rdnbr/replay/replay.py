"""Replay: captures go through the engine and the actuator of the daemon, with a clock of their own.

The kernel and the guests are simulated. Nothing is read from the machine that replay runs on, not even `/etc/rdnbr`:
the same captures and the same arguments give the same output, byte for byte.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rdnbr.config.config import CommandLine, Config, ConfigError, load_allowlist, load_config
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.actuator import Actuator
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.install_errors import RefusalReport
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.engine_outputs import CoveringPrefix, Decision, Output, Probe, UnsentProbe, Verb
from rdnbr.core.model.interfaces import InterfaceAddress, Port, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.core.model.vrf_tables import MAIN_TABLE
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.core.probing.simulated_guests import SimulatedGuests
from rdnbr.operator.text.phrases import counted
from rdnbr.replay import output as replay_output
from rdnbr.replay.gaps import Gap
from rdnbr.replay.output import FramedDecision
from rdnbr.replay.pcap import Frame
from rdnbr.replay.tape import GATEWAY4, GATEWAY6, Tape, node_mac

_BRIDGE = 1
"""ifindex of the simulated bridge; its ports follow."""


class RefusedError(Exception):
    """The simulated kernel refused an entry, which means a mistake in rdnbr."""


class _NoTrouble:
    """The observer of a kernel that neither refuses nor fails."""

    def entries_refused(self, reports: Sequence[RefusalReport]) -> None:
        raise RefusedError(reports)

    def guests_covered(self, covering: CoveringPrefix) -> None:
        pass

    def removals_contested(self, addresses: Sequence[IP]) -> None:
        raise RefusedError(addresses)

    def probe_unsent(self, now: float, probe: Probe | UnsentProbe) -> None:
        raise RefusedError(now, probe)

    def kernel_unanswered(self, error: OSError) -> None:
        raise RefusedError(error)

    def kernel_answered(self) -> None:
        raise RefusedError


class Replay:
    """The engine and the actuator of the daemon, with a simulated kernel, simulated guests and a clock of its own."""

    def __init__(
        self,
        mac: MAC,
        *,
        settings: Settings | None = None,
        allowlist: Allowlist | None = None,
        bridge: str = "vmbr1",
        silent: bool = False,
    ) -> None:
        """Begin without ports and bindings.

        Args:
            mac: of the node.
            settings: None for the defaults.
            allowlist: None for open mode.
            bridge: name of the bridge.
            silent: no guest answers probes.
        """
        self.engine = Engine(settings or Settings(), allowlist)
        self.kernel = FakeKernel({_BRIDGE: bridge})
        self.frames = 0
        """Captured frames; the answers of simulated guests are not counted."""
        self.claims = 0
        """How many of them were valid claims."""
        self.refused: Counter[Reason] = Counter()
        self.ignored: Counter[Reason] = Counter()
        self.skipped: list[float] = []
        """Seconds that the clock jumped, for each long gap (`gaps`)."""
        self._now = 0.0
        self._guests = SimulatedGuests(silent=silent)
        self._decisions: list[FramedDecision] = []
        """Decisions that were not returned yet."""
        self._actuator = Actuator(self.engine, self.kernel, self._guests, self._keep, _NoTrouble())
        self._mac = mac
        self._ports: dict[str, int] = {}
        own = InterfaceAddress(_BRIDGE, GATEWAY4, 32), InterfaceAddress(_BRIDGE, GATEWAY6, 64)
        self.engine.segment_changed(
            0.0, Segment(_BRIDGE, bridge, mac, MAIN_TABLE, GATEWAY4, GATEWAY6, addresses=own)
        )
        self.engine.local_addresses_changed(
            0.0, LocalAddresses(frozenset[IP]({GATEWAY4, GATEWAY6}), frozenset({(_BRIDGE, mac)}))
        )

    def feed(self, now: float, port: str, frame: Frame) -> Iterator[FramedDecision]:
        """Handle one captured frame, after everything that was due before it."""
        yield from self.run_until(now)
        self.frames += 1
        self._handle_frame(now, port, frame)
        for decision, _ in self._decisions:
            if decision.verb is Verb.REFUSED:
                self.refused[decision.reason] += 1
            elif decision.verb is Verb.IGNORED:
                self.ignored[decision.reason] += 1
        yield from self._drain_decisions()

    def run_until(self, until: float) -> Iterator[FramedDecision]:
        """Handle everything that is due before `until`: answers of guests, and at the same moment timers after them."""
        gap = Gap(self._now, until, self.engine)
        while True:
            answered = self._guests.next_deadline()
            deadline = self.engine.next_deadline()
            if deadline is not None and deadline < min(until, until if answered is None else answered):
                self._now = gap.advance(max(self._now, deadline))
                self._carry_out(self._now, self.engine.expire_timers(self._now))
            elif answered is not None and answered < until:
                self._now = answered
                for port, frame in self._guests.receive(answered):
                    self._carry_out(answered, self.engine.handle_frame(answered, port, frame))
            else:
                break
            yield from self._drain_decisions()
        self._now = until
        if gap.skipped:
            self.skipped.append(gap.skipped)

    def _handle_frame(self, now: float, port: str, frame: Frame) -> None:
        sender = MAC(frame.data[6:12])
        if frame.outgoing or (frame.outgoing is None and sender == self._mac):  # F1
            self._keep(Decision(now, Verb.IGNORED, Reason.OUTGOING, None, sender, port), frame.data)
            return
        index = self._ports.get(port)
        if index is None:
            index = self._ports[port] = _BRIDGE + 1 + len(self._ports)
            self.engine.port_changed(now, Port(index, port, _BRIDGE))
        before = self.engine.claims
        outputs = self.engine.handle_frame(now, index, frame.data, length=frame.length)
        self.claims += self.engine.claims - before
        self._carry_out(now, outputs, frame.data)

    def _carry_out(self, now: float, outputs: Iterable[Output], frame: bytes | None = None) -> None:
        self._actuator.handle_outputs(outputs, frame)
        self._actuator.apply_changes(now)

    def _keep(self, decision: Decision, frame: bytes | None) -> None:
        self._decisions.append(FramedDecision(decision, frame))

    def _drain_decisions(self) -> Iterator[FramedDecision]:
        yield from self._decisions
        self._decisions.clear()


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
    frames: bool = False,
) -> int:
    """Replay captures and print what the daemon would have done.

    Args:
        pcaps: captures, each one port of the same bridge.
        config: configuration file; None for the defaults.
        allowlist: allowlist file; None for the one that the configuration names, or open mode.
        port: port of all frames; None for the capture's interface, or the name of the file.
        bridge: name of the bridge.
        silent: no guest answers probes, so that only captured frames count.
        tail: seconds for which the clock runs on after the last frame.
        json: one JSON object a line, instead of text for people.
        frames: print with each decision the captured frame that caused it, in words.

    Returns:
        The exit code: 1 when a file could not be read to its end.
    """
    try:
        settings, permitted = _settings(config, allowlist)
    except (ConfigError, AllowlistError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tape = Tape(pcaps, port)
    start = tape.start()
    replay = Replay(node_mac(tape), settings=settings, allowlist=permitted, bridge=bridge, silent=silent)
    replay.engine.set_clock(0.0, start)
    writer = replay_output.Json(start, frames=frames) if json else replay_output.Text(start, frames=frames)
    now = 0.0
    for at, name, frame in tape:
        now = at - start
        _write(writer.write_decisions(replay.feed(now, name, frame)))
    _write(writer.write_decisions(replay.run_until(now + tail)))
    if json or replay.frames or not tape.errors:
        _write(writer.write_summary(_outcome(replay)))
    sys.stdout.flush()
    for message in (*tape.notes, *_skipped(replay.skipped), *tape.errors):
        sys.stderr.write(f"{message}\n")
    return 1 if tape.errors else 0


def _skipped(gaps: Sequence[float]) -> Iterator[str]:
    if gaps:
        days = max(gaps) / 86_400
        yield (
            f"the clock jumped over {counted(len(gaps), 'long gap')}, the longest of {days:,.1f} days: "
            "probes that guests would have answered in them are not printed"
        )


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
