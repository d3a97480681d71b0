"""Asking the running daemon, as the commands do. It waits, but not for ever."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

PATIENCE = 10.0
"""Seconds that one reply may take."""


class CannotAsk(Exception):
    """There is no answer; the message is one sentence that says what to do."""


class NoDaemon(CannotAsk):
    """Nobody listens on the socket."""


class Denied(CannotAsk):
    """The daemon answered that it will not."""


class Client:
    """A connection to the daemon's control socket."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        """Connect.

        Args:
            path: of the socket.
            patience: seconds that one reply may take.

        Raises:
            CannotAsk: it cannot be reached.
        """
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(patience)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise _why(error, path) from None
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def ask(self, command: str, address: str | None = None) -> Any:
        """Return the result of a command; `rdnbr.operator.control.protocol` has them all.

        Raises:
            Denied: the daemon refuses, and its sentence says why.
            CannotAsk: it does not answer.
        """
        request = {"command": command} if address is None else {"command": command, "address": address}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise _why(error, self._path) from None
        reply = self._line()
        if reply is None:
            raise CannotAsk(f"the daemon on {self._path} hung up without an answer; its log may say why")
        if not reply.get("ok"):
            raise Denied(str(reply.get("error")))
        return reply.get("result")

    def watch(self) -> Iterator[Any]:
        """Return one decision after the other, until the daemon stops.

        Raises:
            CannotAsk: the daemon does not answer.
        """
        self.ask("watch")
        self._socket.settimeout(None)
        while (document := self._line()) is not None:
            yield document

    def _line(self) -> Any:
        try:
            line = self._lines.readline()
        except OSError as error:
            raise _why(error, self._path) from None
        if not line.endswith(b"\n"):
            return None
        try:
            return json.loads(line)
        except ValueError:
            raise CannotAsk(
                f"what answers on {self._path} is not rdnbr; name its socket with --socket"
            ) from None


def _why(error: OSError, path: Path) -> CannotAsk:
    match error:
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return NoDaemon(f"no daemon answers on {path}; is rdnbr running? (systemctl status rdnbr)")
        case PermissionError():
            return CannotAsk(f"not permitted to use {path}; be root, or in the group rdnbr")
        case TimeoutError():
            return CannotAsk(f"the daemon on {path} does not answer in time; its log may say why")
        case ConnectionResetError() | BrokenPipeError():
            return CannotAsk(f"the daemon on {path} hung up without an answer; its log may say why")
        case _:
            return CannotAsk(f"cannot ask on {path}: {error.strerror or error}")
