"""Reloads in a daemon whose turns the test makes: a thread parses, the loop goes on, and swaps."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest_frames import announcement

from rdnbr.config.config import CommandLine, Config
from rdnbr.core.policy.allowlist import parse
from rdnbr.daemon import file_parser
from rdnbr.daemon.loop import Daemon
from tests.netns.namespace import Namespace, until

pytestmark = pytest.mark.root

GUEST = "52:02:45:00:00:01"


class Node:
    """A daemon with one port, its allowlist, and what clients have sent to it."""

    def __init__(self, daemon: Daemon, guest: socket.socket, path: Path, allowlist: Path) -> None:
        self.daemon = daemon
        self.guest = guest
        self.path = path
        self.allowlist = allowlist
        self.now = daemon._command_handler.reloader._watcher.next_deadline - 1.0

    def turn(self) -> None:
        """Make a turn, so soon after the last one that no timer and no check of the files is due."""
        self.now += 0.0001
        self.daemon._turn(self.now, self.daemon._selector.select(0))

    def addresses(self) -> set[str]:
        return {".".join(map(str, one.address)) for one in self.daemon._parts.engine.snapshot()}

    def learn(self, address: str) -> bool:
        self.guest.send(announcement(GUEST, address))
        self.turn()
        return address in self.addresses()

    def reload(self) -> socket.socket:
        """Send a request to reload, and make the turns that start it."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.path))
        client.setblocking(False)
        client.sendall(b'{"command": "reload"}\n')
        for _ in range(5):
            self.turn()
        return client

    def reply(self, client: socket.socket):
        """Make turns until the reply is there."""
        received = bytearray()

        def complete() -> bool:
            self.turn()
            try:
                received.extend(client.recv(4096))
            except BlockingIOError:
                return False
            return received.endswith(b"\n")

        until(complete)
        client.close()
        return json.loads(received)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    namespace = Namespace()
    path, allowlist = tmp_path / "rdnbr.sock", tmp_path / "allowlist"
    config, text = tmp_path / "rdnbr.toml", "2.57.57.30\n2.57.57.31\n"
    config.write_text(f'socket = "{path}"\n')
    allowlist.write_text(text)
    given = CommandLine(config=config, allowlist=allowlist)
    try:
        namespace("ip link add vmbr1 type bridge")
        namespace("ip addr add 169.254.0.1/32 dev vmbr1")
        namespace("ip link add tap1i0 type veth peer name g1")
        for device in ("vmbr1", "tap1i0", "g1"):
            namespace.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
        namespace("ip link set tap1i0 master vmbr1")
        for device in ("vmbr1", "tap1i0", "g1"):
            namespace(f"ip link set {device} up")
        with namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as guest:
            guest.bind(("g1", 0))
            daemon = Daemon(
                Config(socket=path, allowlist=allowlist, given=given, allowlist_named=True),
                parse([(str(allowlist), text)]),
                dry_run=False,
            )
            try:
                yield Node(daemon, guest, path, allowlist)
            finally:
                daemon.close()
    finally:
        namespace.close()


class Held:
    """Keeps the parses in their thread until `release`; counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parses = 0
        self._here, self._there = socket.socketpair()
        real = file_parser.load_allowlist

        def load(*arguments, **more):
            self._there.recv(1)
            self.parses += 1
            return real(*arguments, **more)

        monkeypatch.setattr(file_parser, "load_allowlist", load)

    def release(self, times: int) -> None:
        self._here.send(b"x" * times)

    def close(self) -> None:
        self._here.close()
        self._there.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(monkeypatch)
    yield held
    held.close()


def test_loop_goes_on_while_files_are_parsed(node: Node, held: Held) -> None:
    """While the thread parses, guests are learned by the old allowlist; the reply follows the new one."""
    assert node.learn("2.57.57.30")
    node.allowlist.write_text("2.57.57.31\n")
    client = node.reload()
    assert node.learn("2.57.57.31")
    assert "2.57.57.30" in node.addresses()
    held.release(1)
    assert node.reply(client)["result"] == {"message": "reloaded: 1 rule, 1 binding no longer permitted"}
    assert node.addresses() == {"2.57.57.31"}


def test_requests_during_a_reload_share_the_next(node: Node, held: Held) -> None:
    """The files may change after they were read: requests during a reload lead to one more, whose result they get."""
    first = node.reload()
    node.allowlist.write_text("2.57.57.0/24\n2.57.58.0/24\n2.57.59.0/24\n")
    later = [node.reload(), node.reload()]
    held.release(2)
    assert node.reply(first)["ok"]
    messages = [node.reply(client)["result"]["message"] for client in later]
    assert messages == ["reloaded: 3 rules, 0 bindings no longer permitted"] * 2
    assert held.parses == 2


def test_mistake_changes_nothing(node: Node) -> None:
    """Files with a mistake are refused with the mistake, and the old allowlist stays in force."""
    assert node.learn("2.57.57.30")
    node.allowlist.write_text("2.57.57.300\n")
    reply = node.reply(node.reload())
    assert reply["error"].startswith(f"nothing was changed:\n{node.allowlist}:1: ")
    assert node.addresses() == {"2.57.57.30"}
    node.allowlist.write_text("2.57.57.30\n")
    assert node.reply(node.reload())["ok"]
