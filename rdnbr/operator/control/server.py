"""The control socket of the daemon: takes requests, has them executed in the loop's commands step, and replies.

Nothing here blocks, and what a client may take from the daemon is bounded: the length of a request, the number of
clients, what is kept for a client that does not read, and the work of one turn. `protocol` describes the protocol.
"""

import json
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from rdnbr.core.model.address import IP, parse_ip
from rdnbr.core.primitives.back_off import BackOff
from rdnbr.operator.control.connection import Connection
from rdnbr.operator.control.permissions import check_permission
from rdnbr.operator.control.protocol import (
    COMMANDS,
    Command,
    CommandTarget,
    Document,
    Json,
    PendingReply,
    Refused,
    Reply,
)
from rdnbr.operator.control.unix_listener import CannotListen, NoRoom, give_to_group, identity, listen

INTERVAL = 1.0
"""Seconds between two checks of the socket's file."""

CLIENTS = 32
"""Clients at once. One more, and the client whose last request is the oldest is disconnected."""

FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0
"""Seconds that no connection is accepted after an accept that failed; doubles each time."""


class ControlServer:
    """The control socket of a daemon.

    Each registration with the selector has a function of the event mask as its data; the loop calls it. These functions
    only move bytes: requests are executed by `execute_requests`.
    """

    def __init__(
        self,
        now: float,
        path: Path,
        selector: selectors.BaseSelector,
        target: CommandTarget,
        report: Callable[[str], None],
        on_fault: Callable[[Exception, bytes], None],
    ) -> None:
        """Listen. If the file system has no room for the socket's file, report that and try again later.

        Args:
            now: seconds on a monotonic clock.
            path: of the socket.
            selector: of the daemon's loop.
            target: executes the commands.
            report: logs one sentence about an error that ends nothing.
            on_fault: is called with an exception that is no refusal, and with the request that caused it.

        Raises:
            CannotListen: another daemon has the socket, or it cannot be made.
        """
        self._path = path
        self._selector = selector
        self._target = target
        self._report = report
        self._on_fault = on_fault
        self._clients: dict[Connection, None] = {}
        """In the order of their last request."""
        self._pending: dict[Connection, PendingReply] = {}
        self._long_replies: dict[Connection, None] = {}
        """Clients that get a reply in slices; the client at the front gets the next one."""
        self._socket: socket.socket | None = None
        self._file: tuple[int, int] | None = None
        self._last_error = ""
        """The last error that was reported of the socket's file; empty while all is well."""
        self._due = now + INTERVAL
        self._accepting = False
        """Whether the listening socket is registered with the selector."""
        self._accept_failed = False
        self._back_off = BackOff(FIRST_PAUSE, LAST_PAUSE)
        try:
            self._listen()
        except NoRoom as error:
            self._report_once(error)

    @property
    def watched(self) -> bool:
        """Whether there is a watcher."""
        return any(client.watching for client in self._clients)

    def send_to_watchers(self, document: Document, frame: bytes | None = None) -> None:
        """Send one line to all watchers; those that want frames get the line with the frame in hexadecimal."""
        watchers = [client for client in self._clients if client.watching]
        line, framed = _line(document), b""
        if any(client.wants_frames for client in watchers):
            framed = _line({**document, "frame": None if frame is None else frame.hex()})
        for client in watchers:
            client.send_line(framed if client.wants_frames else line)

    def execute_requests(self) -> None:
        """Execute one request of each client that has sent one, send replies that are ready, and one slice."""
        for client in [client for client, pending in self._pending.items() if pending.outcome is not None]:
            outcome = self._pending.pop(client).outcome
            assert outcome is not None
            client.send_reply(_refusal(outcome) if isinstance(outcome, Refused) else _success(outcome))
        for client in list(self._clients):
            request = client.take_request()
            if request is not None:
                self._clients[client] = self._clients.pop(client)  # now the latest
                self._execute(client, request)
        self._send_next_slice()

    def check_socket_file(self, now: float) -> None:
        """When the check is due: if the socket's file was removed or replaced, make it again.

        The clients stay connected. A socket that another daemon answers on is left alone.
        """
        if now < self._due:
            return
        self._due = now + INTERVAL
        if self._file is not None and identity(self._path) == self._file:
            return
        before = self._socket
        try:
            self._listen()
        except CannotListen as error:
            self._report_once(error)
            return
        self._last_error = ""
        self._report(f"the control socket {self._path} was not there, and was made anew")
        if before is not None:
            self._close_listener(before)

    def resume_accepting(self, now: float) -> None:
        """Plan the end of the pause after an accept that failed, and accept connections again when it is over.

        A listening socket stays readable when an accept fails, for want of file descriptors or memory. Without a pause
        the loop would make turns without end.
        """
        if self._accept_failed:
            self._accept_failed = False
            self._back_off.record_failure(now)
        elif not self._accepting and self._socket is not None and self._back_off.is_due(now):
            self._register(self._socket)

    def next_deadline(self) -> float:
        """Return when the server has work to do although no event arrives; 0.0 for at once."""
        if any(client.has_request for client in self._clients):
            return 0.0
        if any(client.has_slice_due for client in self._long_replies):
            return 0.0
        if self._accepting or self._back_off.retry_at is None:
            return self._due
        return min(self._due, self._back_off.retry_at)

    def close(self) -> None:
        """Disconnect all clients, and remove the socket's file if it is still the one made here."""
        for client in list(self._clients):
            client.close()
        if self._socket is not None:
            self._close_listener(self._socket)
        if self._file is not None and identity(self._path) == self._file:
            with suppress(OSError):  # the next daemon replaces it
                self._path.unlink()

    def _listen(self) -> None:
        listener = listen(self._path, CLIENTS)
        self._socket, self._file = listener, identity(self._path)
        error = give_to_group(self._path)
        if error is not None:
            self._report(error)
        self._register(listener)

    def _register(self, listener: socket.socket) -> None:
        self._selector.register(listener, selectors.EVENT_READ, lambda _mask: self._accept(listener))
        self._accepting = True

    def _report_once(self, error: CannotListen) -> None:
        if str(error) != self._last_error:
            self._last_error = str(error)
            self._report(self._last_error)

    def _close_listener(self, listener: socket.socket) -> None:
        with suppress(KeyError):  # it is paused
            self._selector.unregister(listener)
        listener.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            self._drop_oldest()  # that gives a file descriptor back
            self._selector.unregister(listener)
            self._accepting, self._accept_failed = False, True
            return
        self._back_off.record_success()
        if len(self._clients) >= CLIENTS:
            self._drop_oldest()
        self._clients[Connection(peer, self._selector, self._remove)] = None

    def _drop_oldest(self) -> None:
        for client in list(self._clients)[:1]:
            client.close()

    def _remove(self, client: Connection) -> None:
        self._clients.pop(client, None)
        self._pending.pop(client, None)
        self._long_replies.pop(client, None)

    def _execute(self, client: Connection, request: bytes) -> None:
        """Execute one request, and reply whatever is in it."""
        try:
            command, address, port, frames = _read(request)
            check_permission(command, may_withdraw=client.may_withdraw)
            client.watching = command == "watch"
            client.wants_frames = frames
            reply: Reply = {"watching": True}
            if command == "flush" and port is not None:
                reply = self._target.flush_port(port)
            elif command != "watch":
                reply = self._target.execute(command, address)
        except Refused as error:
            client.send_reply(_refusal(error))
            return
        except Exception as error:  # noqa: BLE001 (no request may end the daemon)
            self._on_fault(error, request)
            client.send_reply(_refusal(Refused(f"the daemon failed to answer ({error!r}); its log has more")))
            return
        if isinstance(reply, PendingReply):
            self._pending[client] = reply
        elif isinstance(reply, dict):
            client.send_reply(_success(reply))
        else:
            client.start_reply(_in_slices(reply))
            self._long_replies[client] = None

    def _send_next_slice(self) -> None:
        """Send one slice to one of the clients that read what they got: the others have their turn later."""
        client = next((client for client in self._long_replies if client.has_slice_due), None)
        if client is None:
            return
        del self._long_replies[client]
        try:
            more = client.send_slice()
        except Exception as error:  # noqa: BLE001 (no request may end the daemon)
            self._on_fault(error, b"")
            client.close()  # a line without its end: the client sees that the reply is torn
            return
        if more:
            self._long_replies[client] = None


class _Request(NamedTuple):
    command: Command | Literal["watch"]
    address: IP | None
    port: str | None
    """Name of the port to flush."""
    frames: bool
    """Whether a watcher wants the frame behind each decision."""


def _read(request: bytes) -> _Request:
    """Parse a request.

    Raises:
        Refused: it is none.
    """
    try:
        document = json.loads(request)
    except (ValueError, RecursionError):
        raise Refused("not JSON; send one object a line") from None
    command = document.get("command") if isinstance(document, dict) else None
    if command is None:
        raise Refused('no command; send an object such as {"command": "bindings"}')
    if command != "watch" and command not in COMMANDS:
        raise Refused(f"unknown command {_short(command)}; known are {', '.join(COMMANDS)}, watch")
    frames = document.get("frames") is True
    text = document.get("address")
    port = document.get("port")
    if text is None:
        return _Request(command, None, None if port is None else str(port), frames)
    try:
        return _Request(command, parse_ip(str(text)), None, frames)
    except ValueError:
        raise Refused(f"{_short(text)} is not an IPv4 or IPv6 address") from None


def _short(value: object) -> str:
    return repr(value)[:60]


def _line(document: Document) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _success(result: Json) -> bytes:
    return _line({"ok": True, "result": result})


def _refusal(error: Refused) -> bytes:
    return _line({"ok": False, "error": str(error)})


def _in_slices(result: Iterator[str]) -> Iterator[bytes]:
    yield b'{"ok": true, "result": '
    for text in result:
        yield text.encode()
    yield b"}\n"
