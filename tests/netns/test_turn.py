"""One turn of the loop: the order of its steps, seen where everything is ready at once."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dialogue import rules
from guest_frames import announcement, intent

from rdnbr.config.config import Config
from rdnbr.daemon.loop import Daemon
from tests.netns.namespace import Namespace, until

pytestmark = pytest.mark.root

FIRST, SECOND = "52:02:45:00:00:01", "52:02:45:00:00:02"


@pytest.fixture
def namespace() -> Iterator[Namespace]:
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
        yield namespace
    finally:
        namespace.close()


def turn(daemon: Daemon, now: float) -> None:
    daemon._turn(now, daemon._selector.select(0))


def record(steps: list[str], step: str, owner: object, name: str) -> None:
    """Record each call of a method in `steps`, and run it."""
    method = getattr(owner, name)

    def recorder(*arguments, **more):
        if steps[-1:] != [step]:
            steps.append(step)
        return method(*arguments, **more)

    setattr(owner, name, recorder)


def test_order_of_one_turn(namespace: Namespace, tmp_path: Path) -> None:
    """netlink, frames, commands, timers, kernel, probes: in this order, though everything is ready at once."""
    path = tmp_path / "rdnbr.sock"
    with (
        namespace.entered(),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as first,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as second,
        socket.socket(socket.AF_UNIX) as client,
    ):
        first.bind(("g1", 0))
        second.bind(("g2", 0))
        daemon = Daemon(Config(socket=path), rules("2.57.57.0/24"), dry_run=False)
        try:
            now = time.monotonic()
            first.send(intent(FIRST, "2.57.57.30"))
            turn(daemon, now)
            assert len(daemon._parts.engine.snapshot()) == 1
            client.connect(str(path))
            turn(daemon, now)

            steps: list[str] = []
            engine = daemon._parts.engine
            record(steps, "netlink", engine, "port_gone")
            record(steps, "frames", engine, "handle_frame")
            record(steps, "commands", engine, "flush")
            record(steps, "timers", engine, "expire_timers")
            record(steps, "kernel", daemon._parts.actuator._reconciler, "plan_operations")
            record(steps, "probes", daemon._receiver, "send")
            client.sendall(b'{"command": "flush", "address": "2.57.57.99"}\n')
            second.send(announcement(SECOND, "2.57.57.31"))
            namespace("ip link set tap2i0 nomaster")
            first.send(announcement(FIRST, "2.57.57.32"))
            until(lambda: len(daemon._selector.select(0)) >= 3)
            turn(daemon, now + 10.0)
            assert steps == ["netlink", "frames", "commands", "timers", "kernel", "probes"]
            assert json.loads(client.recv(4096))["error"].startswith("2.57.57.99 is not bound")
        finally:
            daemon.close()
