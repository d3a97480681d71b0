"""Requests of clients on the control socket: one line each."""

from collections.abc import Iterator

from rdnbr.core.model.address import show_ip
from rdnbr.operator.control.protocol import COMMANDS, Refused
from rdnbr.operator.control.server import _line, _read


def seeds() -> Iterator[bytes]:
    """Return each command, and malformed requests."""
    for command in (*COMMANDS, "watch"):
        yield b'{"command": "%s"}' % command.encode()
    yield b'{"command": "flush", "address": "2.57.57.30"}'
    yield b'{"command": "flush", "port": "tap100i0"}'
    yield b'{"command": "watch", "frames": true}'
    yield b'{"command": "probe", "address": "fe80::1%eth0"}'
    yield b'{"command": ["show"], "address": 1e9}'
    yield '[null, NaN, "\\ud800", {}]'.encode("utf-16")


def try_one(content: bytes) -> None:
    """Parse a request, or check that its refusal can be encoded."""
    try:
        request = _read(content)
    except Refused as error:
        said = str(error)
    else:
        said = f"{request.command} {show_ip(request.address)}" if request.address else request.command
    assert said.isprintable()
    assert _line({"ok": False, "error": said}).endswith(b"\n")
