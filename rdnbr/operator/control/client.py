"""The client of the daemon's control socket. It blocks, with a timeout."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from rdnbr.operator.control.protocol import Document, Json

TIMEOUT = 10.0
"""Seconds that one reply may take."""


class CommandFailed(Exception):
    """A command cannot be carried out; the message is one sentence that says why, and what to do."""


class NoDaemon(CommandFailed):
    """No process listens on the socket."""


class NoReply(CommandFailed):
    """A process listens on the socket, and does not answer in time: it hangs, or is stopped."""


class Denied(CommandFailed):
    """The daemon has refused the request."""


class Client:
    """A connection to the daemon's control socket."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        """Connect.

        Args:
            path: of the socket.
            timeout: seconds that one reply may take.

        Raises:
            NoDaemon: no process listens there.
            CommandFailed: the socket cannot be used.
        """
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise _failure(error, path) from None
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def request(
        self, command: str, address: str | None = None, *, port: str | None = None, frames: bool = False
    ) -> Document:
        """Send a command, and return its result; `rdnbr.operator.control.protocol` lists the commands.

        Raises:
            Denied: the daemon refuses; the message is the daemon's sentence.
            CommandFailed: the daemon does not answer, or another program does.
        """
        request: Document = {"command": command}
        if address is not None:
            request["address"] = address
        if port is not None:
            request["port"] = port
        if frames:
            request["frames"] = True
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise _failure(error, self._path) from None
        reply = self._line()
        if reply is None:
            raise CommandFailed(f"the daemon on {self._path} hung up without an answer; its log may say why")
        if not reply.get("ok"):
            raise Denied(str(reply.get("error")))
        return self._object(reply.get("result"))

    def watch(self, *, frames: bool = False) -> Iterator[Document]:
        """Yield each decision that the daemon makes from now on, until the daemon stops.

        With `frames` the last key of each, `frame`, has the frame that caused the decision, in hexadecimal, or None.

        Raises:
            CommandFailed: as for `request`.
        """
        self.request("watch", frames=frames)
        self._socket.settimeout(None)
        while (document := self._line()) is not None:
            yield document

    def _line(self) -> Document | None:
        """Return the next object that the daemon sends; None if it has closed the connection."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise _failure(error, self._path) from None
        if not line.endswith(b"\n"):
            return None
        try:
            return self._object(json.loads(line))
        except ValueError:
            return self._object(None)

    def _object(self, value: Json) -> Document:
        """Return a JSON object as it is; for anything else raise CommandFailed."""
        if not isinstance(value, dict):
            raise CommandFailed(f"what answers on {self._path} is not rdnbr; name its socket with --socket")
        return value


def _failure(error: OSError, path: Path) -> CommandFailed:
    match error:
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return NoDaemon(f"no daemon answers on {path}; is rdnbr running? (systemctl status rdnbr)")
        case PermissionError():
            return CommandFailed(f"not permitted to use {path}; be root, or in the group rdnbr")
        case TimeoutError() | BlockingIOError():  # the queue of connections is full
            return NoReply(f"the daemon on {path} does not answer in time; its log may say why")
        case ConnectionResetError() | BrokenPipeError():
            return CommandFailed(f"the daemon on {path} hung up without an answer; its log may say why")
        case _:
            return CommandFailed(f"cannot use {path}: {error.strerror or error}")
