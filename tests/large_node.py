"""One node with many guests: the daemon's turn without root, sockets or waiting.

The parts are the daemon's own: the engine, the actuator, the kernel watcher and the command handler. What stands in
for the machine is the fake kernel, a monitor that is told what netlink says, a receiver without sockets, and a clock
that moves when a test says so.

Each port has 25 guests with an IPv4 and an IPv6 address each: 1,000 ports have 50,000 bindings.
"""

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import structlog

from rdnbr.config.config import CommandLine, load, load_allowlist
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac, show_ip
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Port
from rdnbr.core.model.outputs import Output, Probe
from rdnbr.core.model.settings import Limits, PortPolicy
from rdnbr.core.wire import probe_frames
from rdnbr.daemon import command_handler, kernel_watcher
from rdnbr.daemon.actuator import Actuator
from rdnbr.linux.netlink.monitor import Event, LinkGone
from rdnbr.operator.control.protocol import Command, Document
from rdnbr.operator.logging.decision_log import DecisionLog
from rdnbr.operator.logging.events import Events

GUESTS = 25
"""Guests on each port."""
BRIDGE = 2
FIRST_PORT = 1000
START = 1_000_000.0
"""Seconds on the fake clock when the node starts."""
GATEWAY4, GATEWAY6 = parse_ip("169.254.0.1"), parse_ip("fe80::1")
BRIDGE_MAC = parse_mac("02:00:00:00:00:01")

UNLIMITED = Limits(probes_per_second=10_000_000, addresses=65_536)
ROOM = PortPolicy(addresses_ipv4=64, addresses_ipv6=64, new_addresses_per_second=1_000_000)


class Guest:
    """A guest of one port, with one address of each family."""

    def __init__(self, port: int, number: int) -> None:
        self.port = FIRST_PORT + port
        self.mac = MAC(bytes([0x52, 0x54, 0, port >> 8, port & 0xFF, number]))
        self.addresses = (
            IP(bytes([10, port >> 8, port & 0xFF, number + 1])),
            IP(bytes.fromhex("20010db8") + bytes(8) + bytes([0, port >> 8, port & 0xFF, number + 1])),
        )


class Receiver:
    """Ports without sockets: what is sent is kept, and what arrives is put here by the test."""

    drained = True

    def __init__(self) -> None:
        self.frames: list[tuple[int, tuple[bytes, None, None]]] = []
        self.sent: list[tuple[int, bytes]] = []
        self._open: dict[int, Port] = {}

    def open(self, port: Port, _frames_per_second: int) -> None:
        self._open[port.index] = port

    def close(self, index: int) -> None:
        self._open.pop(index, None)

    def snoop_data(self, index: int, without: Collection[IP] | None) -> None:
        pass

    def is_detached(self, _index: int) -> bool:
        return False

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._open))

    def receive(self, _now: float) -> Iterator[tuple[int, tuple[bytes, None, None]]]:
        frames, self.frames = self.frames, []
        yield from frames

    def send(self, index: int, frame: bytes) -> bool:
        self.sent.append((index, frame))
        return True

    def drops(self) -> Mapping[int, int]:
        return {}


class Monitor:
    """Netlink, as far as a test says something in its name."""

    def close(self) -> None:
        pass


class Selector:
    """Nothing is ever ready."""

    def register(self, *_: Any) -> None:
        pass

    def unregister(self, *_: Any) -> None:
        pass


class LargeNode:
    """A daemon with so many ports, and every guest of theirs bound and answered."""

    def __init__(self, ports: int, directory: Path, *, rules: int | None = None) -> None:
        """Start the node, and let every guest claim its addresses.

        Args:
            ports: how many; each has `GUESTS` guests.
            directory: an empty one, for the allowlist.
            rules: how many rules the allowlist has for single addresses; None: one for each address, at most 20,000.
        """
        self.now = START
        self.guests = [Guest(port, number) for port in range(ports) for number in range(GUESTS)]
        self.directory = directory
        addresses = [(address, guest) for guest in self.guests for address in guest.addresses]
        self.write_allowlist(min(20_000, len(addresses)) if rules is None else rules)
        self._config_file = directory / "rdnbr.toml"
        self._config_file.write_text(f'allowlist = "{directory / "allowlist"}"\n')
        config = load(CommandLine(config=self._config_file))
        allowlist = load_allowlist(config.allowlist, config.allowlist_directory, required=True)
        crowd = replace(config.settings, limits=UNLIMITED, port=ROOM)
        # Somewhere that renders and throws away, as a log that is read quickly.
        sink = open(os.devnull, "w")  # noqa: SIM115, PTH123
        log = structlog.wrap_logger(
            structlog.PrintLogger(sink),
            processors=[structlog.processors.JSONRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger("info"),
        )
        self.decision_log = DecisionLog(log, verbose=False)
        events = Events(log.error)
        events.subscribe("the log", self.decision_log)
        self.receiver, self.kernel = Receiver(), FakeKernel({})
        self.actuator = Actuator(Engine(crowd, allowlist), self.receiver, events, log)
        links = [Link(BRIDGE, "vmbr1", "bridge", BRIDGE_MAC, None, up=True, carrier=True)]
        for port in range(ports):
            mac = MAC(bytes([2, 0, 0, 1, port >> 8, port & 0xFF]))
            name = f"tap{port + 1}i0"
            links.append(Link(FIRST_PORT + port, name, "tun", mac, BRIDGE, up=True, carrier=True))
        own = [InterfaceAddress(BRIDGE, GATEWAY4, 32), InterfaceAddress(BRIDGE, GATEWAY6, 64)]
        self._patches = ExitStack()
        for module, name, value in (
            (kernel_watcher, "Monitor", Monitor),
            (kernel_watcher, "snapshot", lambda: (links, own)),
            (kernel_watcher, "next_hops", frozenset),
            (command_handler, "time", mock.Mock(monotonic=lambda: self.now, monotonic_ns=time.monotonic_ns)),
        ):
            self._patches.enter_context(mock.patch.object(module, name, value))
        self.watcher = kernel_watcher.KernelWatcher(self.now, Selector(), self.actuator, config)
        self.actuator.use(self.kernel, dry_run=False)
        self.handler = command_handler.CommandHandler(
            self.now, Selector(), self.actuator, self.watcher, config, self.wall
        )
        self.engine = self.actuator.engine
        self.engine.set_clock(self.now, 1_800_000_000.0)
        self.watcher.update_engine(self.now)
        self.segment = self.engine.segments[BRIDGE]
        self._sink = sink
        self._bind_all()
        self.engine.configure(self.now, replace(config.settings, port=ROOM))
        self.turn()

    def close(self) -> None:
        self._patches.close()
        self._sink.close()

    def write_allowlist(self, rules: int, *, comment: str = "") -> None:
        """Write an allowlist with so many rules for single addresses, and two that permit all of them."""
        lines = [f"# {comment}", "10.0.0.0/8", "2001:db8::/32"]
        for guest in self.guests:
            vm = guest.port - FIRST_PORT + 1
            lines += [f"{show_ip(address)} vm={vm}" for address in guest.addresses]
        (self.directory / "allowlist").write_text("\n".join(lines[: rules + 3]) + "\n")

    def wall(self, at: float) -> datetime:
        return datetime.fromtimestamp(1_800_000_000.0 + at - START, UTC)

    def answer_of(self, guest: Guest, address: IP) -> bytes:
        """Return the frame by which a guest answers a probe."""
        question = probe_frames.question(self.segment, address, guest.mac, broadcast=False)
        assert question is not None
        frame = probe_frames.answer(question, guest.mac)
        assert frame is not None
        return frame

    def turn(self, *events: Event, frames: Collection[tuple[int, bytes]] = ()) -> None:
        """Run one turn of the loop, with what netlink and the ports say."""
        now, works = self.now, self.actuator
        if events:
            self.watcher._heard += events
        self.receiver.frames += [(index, (frame, None, None)) for index, frame in frames]
        self.engine.set_clock(now, 1_800_000_000.0 + now - START)
        self.watcher.handle_events(now)
        for index, frame in self.receiver.receive(now):
            works.take(now, self.engine.handle_frame(now, index, *frame))
        self.handler.turn(now)
        works.take(now, self.engine.expire_timers(now))
        self.watcher.compare(now)
        works.finish(now)
        self.decision_log.log_suppressed(now)

    def command(self, command: Command, address: IP | None = None) -> Document:
        return self.handler.answer(command, address)

    def show(self) -> bytes:
        """Answer `show --json`, as the control socket does."""
        return json.dumps({"ok": True, "result": self.command("bindings")}, ensure_ascii=False).encode()

    def answer_probes(self) -> None:
        """Let every guest answer for what it was asked."""
        sent, self.receiver.sent = self.receiver.sent, []
        for port, frame in sent:
            guest_mac = MAC(frame[:6])
            reply = probe_frames.answer(frame, guest_mac)
            if reply is not None and not frame[0] & 1:
                self.actuator.take(self.now, self.engine.handle_frame(self.now, port, reply))

    def port_goes(self, number: int) -> None:
        """Let the kernel say that a port is gone."""
        self.turn(LinkGone(FIRST_PORT + number))

    def bridge_goes(self) -> None:
        """Let the kernel say that the bridge is gone, with what leads over it."""
        self.kernel.remove_device(BRIDGE)
        self.turn(LinkGone(BRIDGE))

    def _bind_all(self) -> None:
        for _ in range(2):  # the claim, which is probed, and the answer
            for guest in self.guests:
                for address in guest.addresses:
                    self.turn_of_frame(guest, address)
        self.turn()
        self.receiver.sent.clear()

    def turn_of_frame(self, guest: Guest, address: IP) -> list[Output]:
        outputs = self.engine.handle_frame(self.now, guest.port, self.answer_of(guest, address))
        self.actuator.take(self.now, outputs)
        return outputs


__all__ = ["BRIDGE", "FIRST_PORT", "GUESTS", "START", "Guest", "LargeNode", "Probe"]
