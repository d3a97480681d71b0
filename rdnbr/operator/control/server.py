"""The control socket: answers those who ask, within bounds, from the daemon's one loop.

Nothing here waits. What a client may take from the daemon is bounded: the length of a request, the number of
clients, and what is kept for one that does not read. `answers` has the protocol.
"""

import json
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from rdnbr.core.model.address import IP, parse_ip
from rdnbr.operator.control.connection import Connection
from rdnbr.operator.control.protocol import COMMANDS, Answers, Command, Document, Json, Refused
from rdnbr.operator.control.unix_listener import CannotListen, NoRoom, identity, lend, listen

INTERVAL = 1.0
"""Seconds between two looks at the socket's file."""

CLIENTS = 32
"""More than these at once: the one that was silent for longest is dropped."""


class ControlServer:
    """The control socket of a daemon.

    All it registers with the selector has a function of the event mask as its data: the loop calls it.
    """

    def __init__(
        self,
        now: float,
        path: Path,
        selector: selectors.BaseSelector,
        answers: Answers,
        report: Callable[[str], None],
    ) -> None:
        """Listen; where there is no room for the socket's file, that is reported, and tried again.

        Args:
            now: in seconds of a clock that never goes back.
            path: of the socket.
            selector: of the daemon's loop.
            answers: whom to ask.
            report: is told, in a sentence, what went wrong without ending anything.

        Raises:
            CannotListen: another daemon has the socket, or it cannot be made.
        """
        self._path = path
        self._selector = selector
        self._answers = answers
        self._report = report
        self._clients: dict[Connection, None] = {}
        """In the order of their last request."""
        self._socket: socket.socket | None = None
        self._file: tuple[int, int] | None = None
        self._complaint = ""
        """What was last reported of the socket's file, until that is right again."""
        self._due = now + INTERVAL
        try:
            self._listen()
        except NoRoom as error:
            self._complain(error)

    @property
    def watched(self) -> bool:
        """Whether anybody watches."""
        return any(client.watching for client in self._clients)

    def send_to_watchers(self, document: Document) -> None:
        """Send one line to all who watch."""
        line = _line(document)
        for client in [client for client in self._clients if client.watching]:
            client.send_line(line)

    def check_socket_file(self, now: float) -> None:
        """When it is time to, look whether the socket's file was removed or replaced, and make it again.

        The clients stay connected. What another daemon answers on is left alone.
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
            self._complain(error)
            return
        self._complaint = ""
        self._report(f"the control socket {self._path} was not there, and was made anew")
        if before is not None:
            self._close_listener(before)

    def next_deadline(self) -> float:
        """Tell when `turn` wants to look again."""
        return self._due

    def close(self) -> None:
        """Hang up on everybody and remove the socket's file, if it is still ours."""
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
        complaint = lend(self._path)
        if complaint is not None:
            self._report(complaint)
        self._selector.register(listener, selectors.EVENT_READ, lambda _mask: self._accept(listener))

    def _complain(self, error: CannotListen) -> None:
        if str(error) != self._complaint:
            self._complaint = str(error)
            self._report(self._complaint)

    def _close_listener(self, listener: socket.socket) -> None:
        self._selector.unregister(listener)
        listener.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            self._drop_oldest()  # no file descriptors are left: the next turn tries again
            return
        if len(self._clients) >= CLIENTS:
            self._drop_oldest()
        client = Connection(peer, self._selector, self._reply, self._forget)
        self._clients[client] = None

    def _drop_oldest(self) -> None:
        for client in list(self._clients)[:1]:
            client.close()

    def _forget(self, client: Connection) -> None:
        self._clients.pop(client, None)

    def _reply(self, client: Connection, request: bytes) -> bytes:
        """Answer one request, whatever is in it."""
        self._clients[client] = self._clients.pop(client, None)  # now the latest
        try:
            command, address = _read(request)
            client.watching = command == "watch"
            result: Json = {"watching": True}
            if command != "watch":
                result = self._answers.answer(command, address)
            return _line({"ok": True, "result": result})
        except Refused as error:
            return _line({"ok": False, "error": str(error)})
        except Exception as error:  # noqa: BLE001 (a question must never end the daemon, whatever it runs into)
            self._report(f"the answer to a client failed: {error!r}")
            return _line({"ok": False, "error": f"the daemon failed to answer ({error!r}); its log has more"})


def _read(request: bytes) -> tuple[Command | Literal["watch"], IP | None]:
    """Take a request apart.

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
    text = document.get("address")
    if text is None:
        return command, None
    try:
        return command, parse_ip(str(text))
    except ValueError:
        raise Refused(f"{_short(text)} is not an IPv4 or IPv6 address") from None


def _short(value: object) -> str:
    return repr(value)[:60]


def _line(document: Document) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"
