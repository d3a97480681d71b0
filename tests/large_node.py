"""A daemon with many guests: its turn without root, without packet or netlink sockets, and without waiting.

The daemon is the real one, with its loop, control socket and log. What stands in for the machine is the fake kernel, a
netlink monitor and ports that say what a test puts into them, an nft that accepts everything, and a clock that moves
when a test moves it.

Each port has 25 guests with one IPv4 and one IPv6 address each, so that 1,000 ports have 50,000 bindings.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import structlog

from rdnbr.config.config import CommandLine, load_allowlist, load_config
from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac, show_ip
from rdnbr.core.model.fib_entries import Operation
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Port, Segment
from rdnbr.core.model.pin import PinKey, PinOperation, PinRefusal, PutPin
from rdnbr.core.wire import probe_frames
from rdnbr.daemon import command_handler, kernel_watcher, loop, mac_pinning
from rdnbr.linux.netlink.monitor import Event, LinkChanged, LinkGone
from rdnbr.linux.nft import command as nft
from rdnbr.linux.packet.packet_socket import Frame

GUESTS = 25
"""Guests on each port."""
BRIDGE = 2
FIRST_PORT = 1000
START = 1_000_000.0
"""Seconds on the clock when the daemon starts."""
EPOCH = 1_800_000_000.0
"""Seconds since 1970 at `START`."""
SEGMENT = Segment(
    BRIDGE, "vmbr1", parse_mac("02:00:00:00:00:01"), 254, parse_ip("169.254.0.1"), parse_ip("fe80::1")
)
PORT_POLICY = "[port]\naddresses_ipv4 = 64\naddresses_ipv6 = 64\n"
NO_RATES = "[limits]\nprobes_per_second = 1000000\n" + PORT_POLICY + "new_addresses_per_second = 1000000\n"
"""The configuration while the guests claim their addresses."""


class Guest:
    """A guest of one port, with one address of each family."""

    def __init__(self, port: int, number: int) -> None:
        self.port = FIRST_PORT + port
        self.mac = MAC(bytes([0x52, 0x54, 0, port >> 8, port & 0xFF, number]))
        place = bytes([port >> 8, port & 0xFF, number + 1])
        self.addresses = (IP(b"\x0a" + place), IP(bytes.fromhex("20010db8") + bytes(9) + place))

    def answer(self, address: IP) -> bytes:
        """Return the frame by which the guest answers a probe."""
        question = probe_frames.probe_frame(SEGMENT, address, self.mac, broadcast=False)
        assert question is not None
        frame = probe_frames.answer_frame(question, self.mac)
        assert frame is not None
        return frame


class Clock:
    """The `time` module, as far as the daemon reads clocks that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return EPOCH + self.now - START

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Receiver:
    """Ports without sockets: frames arrive when a test puts them here, and the frames that were sent are kept."""

    drained = True

    def __init__(self, *_: Any) -> None:
        self.frames: list[tuple[int, Frame]] = []
        self.sent: list[tuple[int, bytes]] = []
        self._open: dict[int, Port] = {}

    def open(self, port: Port, *_: Any) -> None:
        self._open[port.index] = port

    def close(self, index: int) -> None:
        self._open.pop(index, None)

    def close_all(self) -> None:
        self._open.clear()

    def snoop_data(self, _index: int, _without: object, _families: object, _awaited: object = ()) -> None:
        pass

    def is_detached(self, _index: int) -> bool:
        return False

    def __contains__(self, index: int) -> bool:
        return index in self._open

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._open))

    def receive(self, *_: Any) -> Iterator[tuple[int, Frame]]:
        frames, self.frames = self.frames, []
        yield from frames

    def send(self, index: int, frame: bytes) -> bool:
        self.sent.append((index, frame))
        return True

    def drops(self) -> Mapping[int, int]:
        return {}

    def next_deadline(self) -> None:
        return None


class Monitor:
    """Netlink, as far as a test says something in its name."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._readable = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._readable

    def say(self, events: Collection[Event]) -> None:
        self.events += events
        os.eventfd_write(self._readable, 1)

    def receive(self) -> list[Event]:
        os.eventfd_read(self._readable)
        events, self.events = self.events, []
        return events

    def close(self) -> None:
        os.close(self._readable)


class Kernel(FakeKernel):
    """The fake kernel, in the place of the real one. It keeps the operations that were applied."""

    def __init__(self) -> None:
        super().__init__({BRIDGE: SEGMENT.name})
        self.applied: list[Operation] = []

    def apply(self, operations: Sequence[Operation]) -> list[Refusal]:
        self.applied += operations
        return super().apply(operations)

    def close(self) -> None:
        pass


class Nft:
    """An nft that carries out a script at once, and keeps it."""

    busy = False
    scripts: list[str]

    def __init__(self, _selector: Any) -> None:
        self.scripts = []

    def start(self, script: str, done: Any) -> None:
        self.scripts.append(script)
        done(None)

    def finish(self) -> None:
        pass


class Signals:
    """No signals arrive."""

    def __init__(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Pins:
    """Forwarding databases that take every pin."""

    def __init__(self) -> None:
        self.pins: dict[PinKey, int] = {}

    def close(self) -> None:
        """Keep the pins."""

    def read(self) -> dict[PinKey, int]:
        return dict(self.pins)

    def apply(self, operations: Sequence[PinOperation]) -> list[PinRefusal]:
        for operation in operations:
            if isinstance(operation, PutPin):
                self.pins[operation.pin.key] = operation.pin.port
            else:
                self.pins.pop(operation.pin.key, None)
        return []


class LargeNode:
    """A daemon whose guests are all bound, and have answered."""

    def __init__(self, ports: int, directory: Path, *, rules: int = 20_000, enforce: bool = False) -> None:
        """Start the daemon, and let every guest claim its addresses.

        Args:
            ports: how many; each has `GUESTS` guests.
            directory: an empty one, for the configuration and the control socket.
            rules: most rules for single addresses that the allowlist has.
            enforce: whether the packet filter is on.
        """
        self.directory = directory
        self.guests = [Guest(port, number) for port in range(ports) for number in range(GUESTS)]
        self.links = [Link(BRIDGE, SEGMENT.name, "bridge", SEGMENT.mac, None, up=True, carrier=True)]
        for port in range(ports):
            mac, name = MAC(bytes([2, 0, 0, 1, port >> 8, port & 0xFF])), f"tap{port + 1}i0"
            self.links.append(Link(FIRST_PORT + port, name, "tun", mac, BRIDGE, up=True, carrier=True))
        self.write_allowlist(rules)
        self.write_config(NO_RATES, enforce=enforce)
        self.log = directory / "log"
        self._close = ExitStack()
        self._replace_machine()
        config = load_config(CommandLine(config=directory / "rdnbr.toml"))
        allowlist = load_allowlist(config.allowlist, config.allowlist_directory, required=True)
        self.daemon = loop.Daemon(config, allowlist, dry_run=False)
        self._close.callback(self.daemon.close)
        self._bind_guests()
        self.write_config(PORT_POLICY, enforce=enforce)
        self.reply("reload")
        self.settle()
        self.receiver.sent.clear()

    def close(self) -> None:
        self._close.close()

    def write_allowlist(self, rules: int, *, comment: str = "") -> None:
        """Write an allowlist that permits all guests: two prefixes, and up to `rules` rules for single addresses."""
        lines = [f"# {comment}", "10.0.0.0/8", "2001:db8::/32"]
        for guest in self.guests:
            vm = guest.port - FIRST_PORT + 1
            lines += [f"{show_ip(address)} vm={vm}" for address in guest.addresses]
        (self.directory / "allowlist").write_text("\n".join(lines[: rules + 3]) + "\n")

    def write_config(self, settings: str, *, enforce: bool) -> None:
        """Write the configuration file."""
        places = f'allowlist = "{self.directory}/allowlist"\nsocket = "{self.directory}/socket"\n'
        (self.directory / "rdnbr.toml").write_text(f"{places}enforce = {str(enforce).lower()}\n{settings}")

    def turn(self, *events: Event, frames: Collection[tuple[int, bytes]] = ()) -> None:
        """Run one turn of the loop, with what netlink and the ports say."""
        if events:
            self.monitor.say(events)
        self.receiver.frames += [(index, Frame(frame, None, len(frame))) for index, frame in frames]
        self.daemon._turn(self.clock.now, self.daemon._selector.select(0))
        assert not self.daemon._fault_in_turn, self.log.read_text()[-2000:]

    def wait(self) -> float:
        """Return for how many seconds the loop would wait now; 0: it has something to do at once."""
        return self.daemon._timeout()

    def await_news(self) -> None:
        """Wait as the loop does, for a thread of the daemon at most, since the clock stands still."""
        if self.wait() > 0:
            self.daemon._selector.select(5.0)

    def make_due(self, owner: object, name: str) -> None:
        """Let what the daemon does at times be due now; `name` is the attribute with the time."""
        assert hasattr(owner, name)
        setattr(owner, name, self.clock.now)

    def settle(self, turns: int = 200) -> int:
        """Run turns without news until nothing is due at this moment; return how many that took."""
        for number in range(turns):
            if self.wait() > 0:
                return number
            self.turn()
        return turns

    def request(self, command: str, **given: str) -> "Request":
        """Send a request to the control socket; the turns of its reply are the caller's to run."""
        request = Request(self, {"command": command} | given)
        self._close.callback(request.close)
        return request

    def reply(self, command: str, **given: str) -> Any:
        """Send a request, and run turns until its reply is there."""
        request = self.request(command, **given)
        while not request.complete:
            self.await_news()
            self.turn()
            request.read()
        request.close()
        return json.loads(request.received)

    def remove_bridge(self) -> list[Event]:
        """Remove the bridge from the kernel, with the routes over it; return what netlink says of it.

        The ports stay without a bridge, as on Linux.
        """
        self.kernel.remove_device(BRIDGE)
        ports = [replace(link, master=None) for link in self.links if link.index != BRIDGE]
        self.links = ports
        return [*map(LinkChanged, ports), LinkGone(BRIDGE)]

    def answer_probes(self) -> None:
        """Let every guest answer the probes that were sent."""
        sent, self.receiver.sent = self.receiver.sent, []
        answers = [
            (port, probe_frames.answer_frame(frame, MAC(frame[:6])))
            for port, frame in sent
            if not frame[0] & 1
        ]
        self.turn(frames=[(port, answer) for port, answer in answers if answer is not None])

    def _bind_guests(self) -> None:
        ports: dict[int, list[bytes]] = {}
        for guest in self.guests:
            ports.setdefault(guest.port, []).extend(map(guest.answer, guest.addresses))
        for _ in range(2):  # a claim, which causes a probe, and the answer
            for port, frames in ports.items():
                self.turn(frames=[(port, frame) for frame in frames])

    def _replace_machine(self) -> None:
        self.clock, self.monitor, self.receiver = Clock(), Monitor(), Receiver()

        class ThisKernel(Kernel):
            def __init__(kernel) -> None:  # noqa: N805
                super().__init__()
                self.kernel = kernel

        own = [InterfaceAddress(BRIDGE, SEGMENT.gateway4, 32), InterfaceAddress(BRIDGE, SEGMENT.gateway6, 64)]
        sink = self._close.enter_context(self.log.open("w", buffering=1))
        log = structlog.wrap_logger(
            structlog.PrintLogger(sink),
            processors=[structlog.processors.JSONRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger("info"),
        )
        for place, name, value in (
            (kernel_watcher, "Monitor", lambda: self.monitor),
            (kernel_watcher, "snapshot", lambda: (self.links, own)),
            (kernel_watcher, "next_hops", frozenset),
            (loop, "PacketReceiver", lambda *_: self.receiver),
            (loop, "KernelFib", ThisKernel),
            (mac_pinning, "KernelPins", Pins),
            (loop, "Signals", Signals),
            (loop, "logger", lambda: log),
            (loop, "hold_instance_lock", lambda *_: None),
            (loop, "watchdog_interval", lambda: 30.0),
            (command_handler, "remove_all_pins", lambda: 0),
            (nft, "is_installed", lambda: True),
            (nft, "run", lambda *_: ""),
            (nft, "list_table", lambda: None),
            (nft, "remove_table", lambda: False),
            (nft, "Nft", Nft),
        ):
            self._close.enter_context(mock.patch.object(place, name, value))
        for name, module in list(sys.modules.items()):
            if name.startswith("rdnbr.") and getattr(module, "time", None) is time:
                self._close.enter_context(mock.patch.object(module, "time", self.clock))


class Request:
    """A request to the control socket, and what was received of its reply."""

    def __init__(self, node: LargeNode, document: dict[str, str]) -> None:
        self.received = bytearray()
        self._peer = socket.socket(socket.AF_UNIX)
        self._peer.connect(str(node.directory / "socket"))
        self._peer.sendall(json.dumps(document).encode() + b"\n")
        self._peer.setblocking(False)

    @property
    def complete(self) -> bool:
        return self.received.endswith(b"\n")

    def read(self) -> None:
        """Read what has arrived."""
        try:
            while received := self._peer.recv(1 << 20):
                self.received += received
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._peer.close()


__all__ = ["BRIDGE", "FIRST_PORT", "GUESTS", "START", "Event", "Guest", "LargeNode", "LinkGone"]
