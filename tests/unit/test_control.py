"""The control socket and its client, in one process: a selector's loop serves, a thread asks."""

import json
import os
import resource
import selectors
import socket
import stat
import threading
from pathlib import Path

import pytest

from rdnbr.core.model.address import parse_ip
from rdnbr.operator.control.client import Client, CommandFailed, Denied, NoDaemon
from rdnbr.operator.control.connection import PATIENCE, WATCHED
from rdnbr.operator.control.protocol import PendingReply, Refused
from rdnbr.operator.control.server import CLIENTS, ControlServer
from rdnbr.operator.control.unix_listener import CannotListen

KNOWN = "bindings, ports, counters, events, metrics, explain, reload, flush, probe, reannounce, watch"


def torn():
    yield '{"half": '
    raise ZeroDivisionError


class Target:
    """Replies with the command that it executes; with an address, in other ways."""

    def __init__(self):
        self.pending = PendingReply()

    def execute(self, command, address):
        if command == "flush" and address is None:
            raise Refused("flush what?")
        if command == "reload":
            raise ZeroDivisionError
        if command == "events":
            return {"events": ["x" * 1000] * 3000}
        if command == "bindings" and address is not None:
            return iter(['{"bindings": [', *[f"{number}, " for number in range(99)], "99]}"])
        if command == "counters" and address is not None:
            return torn()
        if command == "ports" and address is not None:
            return self.pending
        return {"command": command, "address": None if address is None else address.hex()}


class Daemon:
    """A loop with a control socket; it turns while somebody calls `turn`."""

    def __init__(self, path):
        self.selector = selectors.DefaultSelector()
        self.reports = []
        self.faults = []
        self.target = Target()
        self.control = ControlServer(0.0, path, self.selector, self.target, self.reports.append, self.fault)

    def fault(self, error, request):
        self.faults.append((repr(error), request))

    def turn(self, timeout=0.0):
        """Make a turn, and return whether it had anything to do."""
        busy = self.control.next_deadline() == 0.0
        ready = self.selector.select(0.0 if busy else timeout)
        for key, mask in ready:
            key.data(mask)
        self.control.execute_requests()
        return busy or bool(ready)

    def settle(self):
        while self.turn():
            pass

    def settle_until_accepted(self, clients):
        while len(self.control._clients) < clients:
            self.turn()

    def settle_after_outcome(self):
        self.turn()
        self.settle()

    def stop(self):
        self.control.close()
        self.selector.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "rdnbr.sock"


@pytest.fixture
def daemon(path):
    daemon = Daemon(path)
    yield daemon
    daemon.stop()


@pytest.fixture
def serve(daemon):
    """Let the daemon turn in a thread, for clients that wait."""
    over = threading.Event()

    def loop():
        while not over.is_set():
            daemon.turn(0.01)

    thread = threading.Thread(target=loop)
    thread.start()
    yield daemon
    over.set()
    thread.join()


def connect(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(5)
    peer.connect(str(path))
    return peer


def exchange(daemon, path, request):
    """Send bytes, close the sending side, and return all lines that come back."""
    with connect(path) as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        daemon.settle()
        return [json.loads(line) for line in peer.makefile("rb")]


def test_answer(serve, path):
    """A command is answered."""
    with Client(path) as client:
        assert client.request("bindings") == {"command": "bindings", "address": None}


def test_address_is_packed(serve, path):
    """An address reaches the daemon as the core has it."""
    with Client(path) as client:
        assert client.request("probe", "2001:db8::1")["address"] == parse_ip("2001:db8::1").hex()


def test_refusal(serve, path):
    """What the daemon will not do, the client raises with the daemon's sentence."""
    with Client(path) as client, pytest.raises(Denied, match=r"^flush what\?$"):
        client.request("flush")


def test_failing_answer(serve, path):
    """An answer that fails is an error for the client and a report for the log, and the next one is given."""
    with Client(path) as client:
        with pytest.raises(Denied, match="failed to answer"):
            client.request("reload")
        assert client.request("ports")["command"] == "ports"
    assert serve.faults == [("ZeroDivisionError()", b'{"command": "reload"}')]


def test_large_reply(serve, path):
    """A reply larger than a socket's buffer arrives whole."""
    with Client(path) as client:
        assert len(client.request("events")["events"]) == 3000


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"\n", "not JSON; send one object a line"),
        (b"\xff\xfe\n", "not JSON; send one object a line"),
        (b"[" * 4000 + b"\n", "not JSON; send one object a line"),
        (b"[1]\n", 'no command; send an object such as {"command": "bindings"}'),
        (
            b'{"command": 3}\n',
            f"unknown command 3; known are {KNOWN}",
        ),
        (
            b'{"command": ["watch"]}\n',
            f"unknown command ['watch']; known are {KNOWN}",
        ),
        (b'{"command": "probe", "address": "vm100"}\n', "'vm100' is not an IPv4 or IPv6 address"),
        (b"x" * 5000, "the request is longer than 4096 bytes"),
    ],
)
def test_garbage(daemon, path, request_, error):
    """Whatever is sent, the reply is one error that names the cure."""
    assert exchange(daemon, path, request_) == [{"ok": False, "error": error}]


def test_requests_in_one_packet(daemon, path):
    """Several requests sent at once are answered in their order."""
    replies = exchange(daemon, path, b'{"command": "bindings"}\n{"command": "ports"}\n')
    assert [reply["result"]["command"] for reply in replies] == ["bindings", "ports"]


def test_client_that_never_reads(daemon, path):
    """A client that asks and never reads is asked for no more, and others are answered."""
    with connect(path) as deaf:
        deaf.sendall(b'{"command": "events"}\n' * 100)
        for _ in range(200):
            daemon.turn()
        deaf.recv(200_000)  # room for a little more, not for another reply
        for _ in range(200):
            daemon.turn()
        [client] = daemon.control._clients
        assert len(client._out) < 3_100_000  # one reply
        assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]


def test_watch(daemon, path):
    """A watcher gets each line as it is told."""
    with connect(path) as watcher:
        lines = watcher.makefile("rb")
        watcher.sendall(b'{"command": "watch"}\n')
        daemon.settle()
        assert daemon.control.watched
        daemon.control.send_to_watchers({"decision": "learned"})
        daemon.control.send_to_watchers({"decision": "installed"})
        assert json.loads(lines.readline()) == {"ok": True, "result": {"watching": True}}
        assert json.loads(lines.readline()) == {"decision": "learned"}
        assert json.loads(lines.readline()) == {"decision": "installed"}
        lines.close()
    daemon.settle()
    assert not daemon.control.watched


def test_watchers_get_frames_on_request_only(daemon, path):
    """A watcher that requested frames gets them in hexadecimal as the last key; the other's lines are as before."""
    with connect(path) as plain, connect(path) as framed:
        plain.sendall(b'{"command": "watch"}\n')
        framed.sendall(b'{"command": "watch", "frames": true}\n')
        daemon.settle_until_accepted(2)
        daemon.settle()
        daemon.control.send_to_watchers({"decision": "refused"}, b"\x01\xff")
        daemon.control.send_to_watchers({"decision": "expired"})
        plain_lines, framed_lines = plain.makefile("rb"), framed.makefile("rb")
        assert [plain_lines.readline() for _ in range(3)][1:] == [
            b'{"decision": "refused"}\n',
            b'{"decision": "expired"}\n',
        ]
        assert [framed_lines.readline() for _ in range(3)][1:] == [
            b'{"decision": "refused", "frame": "01ff"}\n',
            b'{"decision": "expired", "frame": null}\n',
        ]


def test_watcher_asks_no_more(daemon, path):
    """What a watcher sends is not read as a request, however much it is."""
    with connect(path) as watcher:
        lines = watcher.makefile("rb")
        watcher.sendall(b'{"command": "watch"}\n')
        daemon.settle()
        for _ in range(5):
            watcher.sendall(b'{"command": "ports"}\n' * 200)
            daemon.settle()
        daemon.control.send_to_watchers({"decision": "learned"})
        lines.readline()
        assert json.loads(lines.readline()) == {"decision": "learned"}
        lines.close()


def test_slow_watcher_is_told_what_it_missed(daemon, path):
    """A watcher that falls behind misses lines, and is told how many once it reads again."""
    line = {"text": "x" * 1000}
    with connect(path) as watcher:
        watcher.sendall(b'{"command": "watch"}\n')
        daemon.settle()
        for _ in range(2000):
            daemon.control.send_to_watchers(line)
        [client] = daemon.control._clients
        assert len(client._out) <= WATCHED
        received = b""
        while b'"missed"' not in received:
            daemon.turn()
            received += watcher.recv(1 << 20)
        lines = [json.loads(text) for text in received.splitlines()[1:]]
        missed = lines.pop()["missed"]
        assert missed > 0
        assert len(lines) + missed == 2000


def test_stuck_watcher_is_dropped(daemon, path):
    """A watcher that never reads is dropped in the end."""
    with connect(path) as watcher:
        watcher.sendall(b'{"command": "watch"}\n')
        daemon.settle()
        for _ in range(PATIENCE + 3000):
            daemon.control.send_to_watchers({"text": "x" * 1000})
        assert not daemon.control.watched


def test_too_many_clients(daemon, path):
    """The client that was silent for longest makes room for a new one."""
    peers = [connect(path) for _ in range(CLIENTS)]
    daemon.settle()
    peers[0].sendall(b'{"command": "ports"}\n')
    daemon.settle()
    assert peers[0].recv(100).startswith(b'{"ok": true')
    assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]
    assert peers[1].recv(100) == b""
    peers[0].sendall(b'{"command": "ports"}\n')
    daemon.settle()
    assert peers[0].recv(100).startswith(b'{"ok": true')
    for peer in peers:
        peer.close()


def test_hang_up(daemon, path):
    """A client that goes in the middle of a request is forgotten."""
    with connect(path) as peer:
        peer.sendall(b'{"comm')
        daemon.settle()
    daemon.settle()
    assert not daemon.control._clients


def test_mode(daemon, path):
    """The socket is for its owner and its group."""
    assert stat.filemode(path.stat().st_mode) == "srw-rw----"


def test_socket_taken(daemon, path):
    """A second daemon is told that there is one, and leaves its socket alone."""
    with pytest.raises(
        CannotListen, match=rf"^another rdnbr answers on {path}; stop it first \(systemctl stop rdnbr\)$"
    ):
        Daemon(path)
    assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]


def test_socket_of_a_dead_daemon(path):
    """What a killed daemon left behind is replaced."""
    path.parent.mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    daemon = Daemon(path)
    assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]
    daemon.stop()
    assert not path.exists()


def test_no_socket_in_its_place(path):
    """A file of another kind is never removed."""
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(CannotListen, match="is not a socket; remove it"):
        Daemon(path)
    assert path.read_text() == "precious"


def test_impossible_path():
    """A directory that cannot be made is one sentence."""
    with pytest.raises(CannotListen, match=r"^cannot make the control socket /proc/no/s: No such file"):
        Daemon(Path("/proc/no/s"))


def test_deleted_socket(daemon, path):
    """A socket file that was deleted is made again within a second, and that is reported; clients stay connected."""
    client = connect(path)
    daemon.settle()
    path.unlink()
    daemon.control.check_socket_file(0.99)
    assert not path.exists()
    daemon.control.check_socket_file(1.0)
    assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]
    assert daemon.reports == [f"the control socket {path} was not there, and was made anew"]
    client.sendall(b'{"command": "ports"}\n')
    daemon.settle()
    assert json.loads(client.recv(4096))["ok"]
    client.close()


def test_deleted_directory(daemon, path):
    """The socket is made again though its whole directory was deleted."""
    path.unlink()
    path.parent.rmdir()
    daemon.control.check_socket_file(1.0)
    assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]


def test_good_socket_is_left_alone(daemon, path):
    """A socket file that is ours is left as it is."""
    before = path.stat()
    daemon.control.check_socket_file(1.0)
    assert path.stat() == before
    assert daemon.reports == []


def test_socket_that_another_daemon_made_meanwhile(daemon, path):
    """What another daemon answers on is not taken from it, that is reported once, and its end is waited for."""
    path.unlink()
    other = Daemon(path)
    for second in range(1, 5):
        daemon.control.check_socket_file(float(second))
    assert daemon.reports == [f"another rdnbr answers on {path}; stop it first (systemctl stop rdnbr)"]
    assert exchange(other, path, b'{"command": "ports"}\n')[0]["ok"]
    other.stop()
    daemon.control.check_socket_file(5.0)
    assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]


def test_own_end_leaves_the_socket_of_another(path):
    """A daemon that ends does not remove the socket that another one has made in the place of its own."""
    first = Daemon(path)
    path.unlink()
    other = Daemon(path)
    first.stop()
    assert exchange(other, path, b'{"command": "ports"}\n')[0]["ok"]
    other.stop()


def test_no_daemon(path):
    """Without a daemon the client says so, and what to look at."""
    with pytest.raises(NoDaemon) as caught:
        Client(path)
    assert str(caught.value) == f"no daemon answers on {path}; is rdnbr running? (systemctl status rdnbr)"


def test_not_permitted(path, monkeypatch):
    """Who may not use the socket is told who may."""

    def connect(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(
        CommandFailed, match=rf"^not permitted to use {path}; be root, or in the group rdnbr$"
    ):
        Client(path)


def test_daemon_that_does_not_answer(daemon, path):
    """A daemon that hangs does not hang its client."""
    with Client(path, timeout=0.05) as client, pytest.raises(CommandFailed, match="does not answer in time"):
        client.request("ports")


def test_daemon_that_dies(path):
    """A daemon that goes in the middle is told of in one sentence."""
    daemon = Daemon(path)
    with Client(path) as client:
        daemon.settle()
        daemon.stop()
        with pytest.raises(CommandFailed, match="hung up without an answer"):
            client.request("ports")


def test_accept_without_descriptors_is_paused(daemon, path):
    """Without file descriptors no connection is accepted for a while, in no busy loop; then the client is served."""
    with connect(path) as client:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            daemon.turn()
            turns = 0
            for hundredth in range(100):
                daemon.control.resume_accepting(10.0 + hundredth / 100)
                turns += daemon.turn()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert turns == 3  # after 0.1 s, 0.2 s and 0.4 s
        assert daemon.control.next_deadline() == 1.0
        daemon.control.resume_accepting(20.0)
        client.sendall(b'{"command": "ports"}\n')
        daemon.settle()
        assert json.loads(client.recv(4096))["ok"]


def test_socket_that_is_made_again_during_a_pause(daemon, path):
    """A socket file that is deleted while nobody is accepted is made again all the same."""
    with connect(path):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            daemon.turn()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    path.unlink()
    daemon.control.check_socket_file(1.0)
    assert exchange(daemon, path, b'{"command": "ports"}\n')[0]["ok"]


LONG = b'{"command": "bindings", "address": "192.0.2.1"}\n'


def test_long_reply_is_made_in_slices(daemon, path):
    """Of a long reply each turn makes one slice; others are answered meanwhile, and the line is whole in the end."""
    with connect(path) as client, connect(path) as other:
        daemon.settle_until_accepted(2)
        client.sendall(LONG)
        for _ in range(10):
            daemon.turn()
        assert client.recv(1 << 20).count(b",") < 12
        other.sendall(b'{"command": "ports"}\n')
        daemon.turn()
        assert json.loads(other.recv(4096))["ok"]
    replies = exchange(daemon, path, LONG + b'{"command": "ports"}\n')
    assert replies[0] == {"ok": True, "result": {"bindings": list(range(100))}}
    assert replies[1]["result"]["command"] == "ports"


def test_two_long_replies_share_the_turns(daemon, path):
    """Two clients that get long replies get one slice each in turn."""
    with connect(path) as first, connect(path) as second:
        daemon.settle_until_accepted(2)
        for client in (first, second):
            client.sendall(LONG)
        for _ in range(20):
            daemon.turn()
        assert [client.recv(1 << 20).count(b",") for client in (first, second)] == [9, 9]


def test_reply_that_fails_half_way_is_torn(daemon, path):
    """A reply that cannot be finished has no end of line, and the client reports that; the fault is reported too."""
    with connect(path) as client:
        client.sendall(b'{"command": "counters", "address": "192.0.2.1"}\n')
        daemon.settle()
        assert client.makefile("rb").read() == b'{"ok": true, "result": {"half": '
    assert daemon.faults == [("ZeroDivisionError()", b"")]


def test_reply_that_follows_later(daemon, path):
    """A command that takes several turns is answered when it has ended; until then the loop is not busy."""
    with connect(path) as client:
        client.sendall(b'{"command": "ports", "address": "192.0.2.1"}\n' + b'{"command": "ports"}\n')
        daemon.settle()
        daemon.target.pending.outcome = {"message": "done"}
        daemon.settle_after_outcome()
        lines = client.makefile("rb")
        assert json.loads(lines.readline()) == {"ok": True, "result": {"message": "done"}}
        assert json.loads(lines.readline())["result"]["command"] == "ports"
        lines.close()
