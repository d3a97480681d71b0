"""Faults of rdnbr itself: what an exception costs, in a daemon whose turns the test makes."""

import json
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from dialogue import rules
from guest_frames import announcement

from rdnbr.config.config import Config
from rdnbr.core.bindings import engine as engine_module
from rdnbr.core.bindings.expiry import Expiry
from rdnbr.core.model.reason import Reason
from rdnbr.daemon.loop import Daemon
from rdnbr.linux.netlink import monitor
from tests.netns.namespace import Namespace, until

pytestmark = pytest.mark.root

FIRST, SECOND = "52:02:45:00:00:01", "52:02:45:00:00:02"
STRANGE = announcement(FIRST, "2.57.57.66")
"""The frame that the planted faults are about."""


class PlantedError(Exception):
    """A fault that a test has planted."""


@dataclass
class Node:
    """A daemon, the guests' ends of its two ports, and what it has logged."""

    daemon: Daemon
    guests: tuple[socket.socket, socket.socket]
    path: Path
    namespace: Namespace
    lines: list[dict[str, object]]
    now: float = field(default_factory=time.monotonic)

    def turn(self, after: float = 0.01) -> None:
        self.now += after
        self.daemon._turn(self.now, self.daemon._selector.select(0))

    def states(self) -> dict[str, str]:
        return {
            ".".join(map(str, one.address)): one.state.value for one in self.daemon._parts.engine.snapshot()
        }

    def addresses(self) -> set[str]:
        return {".".join(map(str, one.address)) for one in self.daemon._parts.engine.snapshot()}

    def faults(self) -> list[dict[str, object]]:
        return [line for line in self.lines if str(line["event"]).startswith("internal error")]

    def count(self) -> int:
        counters = self.show("counters")["counters"]
        return sum(one.get("internal-error", 0) for one in counters.values())

    def kernel_count(self) -> int:
        return self.show("counters")["kernel"]["internal-error"]

    def show(self, command: str, address: str | None = None):
        reply = self.request(command, address)
        assert reply["ok"], reply
        return reply["result"]

    def request(self, command: str, address: str | None = None):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(0.01)
            client.connect(str(self.path))
            client.sendall(json.dumps({"command": command, "address": address}).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n"):
                self.turn(0.001)
                try:
                    received += client.recv(1 << 20)
                except TimeoutError:
                    continue
            return json.loads(received)

    def other_guest_is_learned(self) -> bool:
        self.guests[1].send(announcement(SECOND, "2.57.57.31"))
        self.turn()
        return "2.57.57.31" in self.addresses()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    namespace = Namespace()
    try:
        namespace("ip link add vmbr1 type bridge")
        namespace("ip addr add 169.254.0.1/32 dev vmbr1")
        for number in (1, 2):
            namespace(f"ip link add tap{number}i0 type veth peer name g{number}")
        for device in ("vmbr1", "tap1i0", "g1", "tap2i0", "g2"):
            namespace.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
        for number in (1, 2):
            namespace(f"ip link set tap{number}i0 master vmbr1")
        for device in ("vmbr1", "tap1i0", "g1", "tap2i0", "g2"):
            namespace(f"ip link set {device} up")
        path = tmp_path / "rdnbr.sock"
        with (
            structlog.testing.capture_logs() as lines,
            namespace.entered(),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as first,
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as second,
        ):
            first.bind(("g1", 0))
            second.bind(("g2", 0))
            daemon = Daemon(Config(socket=path), rules("2.57.57.0/24"), dry_run=False)
            try:
                yield Node(daemon, (first, second), path, namespace, lines)
            finally:
                daemon.close()
    finally:
        namespace.close()


def raise_for_strange(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Make a function raise when one of its arguments is `STRANGE`."""
    real = getattr(owner, name)

    def planted(*arguments, **more):
        if any(argument == STRANGE for argument in arguments):
            raise PlantedError
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, planted)


def test_fault_in_the_decoder(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that the decoder fails on is counted and logged in hex; other guests are learned."""
    raise_for_strange(monkeypatch, engine_module, "decode")
    node.guests[0].send(STRANGE)
    node.turn()
    assert node.other_guest_is_learned()
    assert node.count() == 1
    (line,) = node.faults()
    assert (line["hex"], line["port"], line["step"]) == (STRANGE.hex(), "tap1i0", "frames")
    assert isinstance(line["exc_info"], PlantedError)


def test_port_is_paused_after_a_fault(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault the frames of a port are dropped for a second, then for two; the log has one line of it all."""
    raise_for_strange(monkeypatch, engine_module, "decode")
    for pause in (1.0, 2.0):
        node.guests[0].send(STRANGE)
        node.turn()
        node.guests[0].send(announcement(FIRST, "2.57.57.30"))
        node.turn(pause - 0.1)
        assert "2.57.57.30" not in node.addresses()
        node.now += 0.2
    assert node.count() == 4
    node.guests[0].send(announcement(FIRST, "2.57.57.30"))
    node.turn()
    assert "2.57.57.30" in node.addresses()
    assert len(node.faults()) == 1


def test_fault_in_the_engine(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the engine had put out before an exception is applied: what it says is bound gets its route."""
    count = node.daemon._parts.engine.counters.count

    def planted(port: str, reason: Reason) -> None:
        if reason is Reason.FIRST_CLAIM or (port == "tap1i0" and reason is not Reason.INTERNAL_ERROR):
            raise PlantedError
        count(port, reason)

    monkeypatch.setattr(node.daemon._parts.engine.counters, "count", planted)
    node.guests[0].send(STRANGE)
    node.turn()
    monkeypatch.undo()
    assert "2.57.57.66" in node.addresses()
    events = node.show("events")["events"]
    assert [(one["address"], one["decision"]) for one in events] == [
        ("2.57.57.66", "learned"),
        ("2.57.57.66", "installed"),
    ]
    assert node.daemon._parts.engine.drain_outputs() == []
    assert node.other_guest_is_learned()
    assert node.count() == 1
    (line,) = node.faults()
    assert line["hex"] == STRANGE.hex()


def test_show_lists_what_is_bound(node: Node) -> None:
    """Without any fault the slices of `show` are the bindings that the engine has, and no fault is counted."""
    node.guests[0].send(announcement(FIRST, "2.57.57.32"))
    assert node.other_guest_is_learned()
    rows = node.show("bindings")["bindings"]
    assert [(row["address"], row["port"]) for row in rows] == [
        ("2.57.57.31", "tap2i0"),
        ("2.57.57.32", "tap1i0"),
    ]
    assert [row["bindings"] for row in node.show("ports")["ports"]] == [1, 1]
    assert (node.count(), node.kernel_count(), node.faults()) == (0, 0, [])


def test_fault_in_a_command(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that fails is answered with an error; the next one is executed, and other guests are learned."""

    def planted(*_):
        raise PlantedError

    monkeypatch.setattr(node.daemon._parts.engine, "probe", planted)
    assert node.other_guest_is_learned()
    reply = node.request("probe", "2.57.57.31")
    assert not reply["ok"]
    assert "PlantedError" in reply["error"]
    assert node.kernel_count() == 1
    (line,) = node.faults()
    assert bytes.fromhex(line["hex"]).startswith(b'{"command": "probe"')


def test_fault_of_a_timer_costs_its_binding_a_minute(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A binding whose timer fails is handled again after a minute; the timers of others go on."""
    real = Expiry._expire_binding

    def planted(self, now, binding, **more):
        if binding.key.address == bytes([2, 57, 57, 30]):
            raise PlantedError
        real(self, now, binding, **more)

    node.guests[0].send(announcement(FIRST, "2.57.57.30"))
    node.turn()
    assert node.other_guest_is_learned()
    monkeypatch.setattr(Expiry, "_expire_binding", planted)
    for _ in range(200):
        node.turn(0.1)
    assert node.states()["2.57.57.30"] != "departed"
    assert node.states()["2.57.57.31"] == "departed"
    assert node.kernel_count() == 1
    assert len(node.faults()) == 1


def test_fault_of_all_timers_is_no_busy_loop(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that fail in each turn are tried after 1 s, 2 s, 4 s; frames are handled meanwhile."""
    node.guests[0].send(announcement(FIRST, "2.57.57.30"))
    node.turn()

    def planted(*_, **__):
        raise PlantedError

    monkeypatch.setattr(node.daemon._parts.engine, "expire_timers", planted)
    tries = []
    for eighth in range(80):  # sums of eighths are exact, whatever the clock shows
        node.turn(0.125)
        before = len(tries)
        tries += [eighth / 8] * (node.daemon._parts.actuator.counters.get("internal-error", 0) - before)
    assert tries == [0.0, 1.0, 3.0, 7.0]
    assert node.other_guest_is_learned()
    assert len(node.faults()) == 1


def test_fault_of_the_comparison_stops_no_route(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """While comparing the kernel's tables fails, routes are installed, and the loop does not spin."""

    def planted(_now):
        raise PlantedError

    monkeypatch.setattr(node.daemon._kernel_watcher, "compare", planted)
    node.turn(100)
    assert node.other_guest_is_learned()
    routes, _ = node.daemon._parts.actuator._backend.read_entries()
    assert [route.address for route in routes] == [bytes([2, 57, 57, 31])]
    (comparison,) = [step for step in node.daemon._steps if step.name == "comparison"]
    assert comparison.next_deadline(node.now) > node.now
    assert len(node.faults()) == 1


def test_fault_in_a_netlink_event(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an event that fails all interfaces are read again: a port that went with it is known to be gone."""
    assert node.other_guest_is_learned()

    def planted(*_, **__):
        raise PlantedError

    monkeypatch.setattr(node.daemon._parts.engine, "port_gone", planted)
    node.namespace("ip link set tap2i0 nomaster")
    until(lambda: node.turn(0.1) or node.faults())
    monkeypatch.undo()
    until(
        lambda: (
            node.turn(0.1) or "tap2i0" not in [port.name for port in node.daemon._parts.engine.ports.values()]
        )
    )
    node.guests[0].send(announcement(FIRST, "2.57.57.30"))
    node.turn()
    assert "2.57.57.30" in node.addresses()
    assert node.kernel_count() >= 1
    assert len(node.faults()) == 1


def test_netlink_message_that_cannot_be_read(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that the reader fails on is logged in hex, and everything is read again."""

    def planted(_message):
        raise PlantedError

    monkeypatch.setattr(monitor, "_events", planted)
    node.namespace("ip link set tap1i0 nomaster")
    until(lambda: node.turn(0.1) or node.faults())
    monkeypatch.undo()
    until(
        lambda: (
            node.turn(0.1) or "tap1i0" not in [port.name for port in node.daemon._parts.engine.ports.values()]
        )
    )
    assert node.other_guest_is_learned()
    assert node.kernel_count() >= 1
    (line,) = node.faults()
    assert b"tap1i0" in bytes.fromhex(line["hex"])


def test_callback_that_fails_ends_nothing(node: Node) -> None:
    """A callback of the selector that raises is counted, and the others are called."""

    def planted(_mask):
        raise PlantedError

    reader, writer = socket.socketpair()
    with reader, writer:
        writer.send(b"x")
        node.daemon._selector.register(reader, selectors.EVENT_READ, planted)
        assert node.other_guest_is_learned()
        node.daemon._selector.unregister(reader)
    assert node.kernel_count() >= 1
    assert len(node.faults()) == 1
