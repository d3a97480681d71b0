"""One client of the control socket: bytes in, lines out, never waiting."""

import selectors
import socket
from collections.abc import Callable

REQUEST = 4096
"""Longest request, in bytes."""

WATCHED = 262_144
"""Bytes kept for a watcher that does not read; further lines are only counted."""

PATIENCE = 10_000
"""A watcher that missed this many lines in a row is dropped."""

_CHUNK = 65_536


class Connection:
    """A client that is connected.

    While a reply is not yet taken, no further request is read: what is kept for a client is one reply at most,
    and, once it watches, `WATCHED` bytes.
    """

    def __init__(
        self,
        peer: socket.socket,
        selector: selectors.BaseSelector,
        reply: Callable[["Connection", bytes], bytes],
        forget: Callable[["Connection"], None],
    ) -> None:
        self.watching = False
        self._peer = peer
        self._selector = selector
        self._reply = reply
        self._forget = forget
        self._in = bytearray()
        self._out = bytearray()
        self._missed = 0
        self._finished = False
        """It will ask no more."""
        peer.setblocking(False)  # noqa: FBT003
        selector.register(peer, selectors.EVENT_READ, self._handle_ready)

    def send_line(self, line: bytes) -> None:
        """Queue a line for a watcher, or count it as missed when the queue is full."""
        if len(self._out) + len(line) <= WATCHED:
            self._out += line
        else:
            self._missed += 1
        self._update_interest()

    def close(self) -> None:
        """Hang up."""
        self._forget(self)
        if self._peer.fileno() >= 0:
            self._selector.unregister(self._peer)
            self._peer.close()

    def _handle_ready(self, mask: int) -> None:
        """Deal with what is ready; one request in each turn, so that no client has the loop for itself."""
        if self._peer.fileno() < 0:
            return  # dropped in this very turn, to make room for another
        if mask & selectors.EVENT_READ:
            self._receive()
        if not self._out and b"\n" in self._in:
            line, _, self._in = self._in.partition(b"\n")
            self._out += self._reply(self, bytes(line))
        self._update_interest()

    def _receive(self) -> None:
        try:
            received = self._peer.recv(REQUEST)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        self._finished = not received
        self._in += received
        if self.watching:
            self._in.clear()
        elif len(self._in) > REQUEST and b"\n" not in self._in:
            self._in.clear()
            self._out += b'{"ok": false, "error": "the request is longer than 4096 bytes"}\n'
            self._finished = True

    def _update_interest(self) -> None:
        """Send what goes without waiting, then wait for what there is to wait for, or hang up."""
        alive = self._flush()
        asked = b"\n" in self._in
        stuck = self._missed >= PATIENCE
        satisfied = self._finished and (self.watching or not (self._out or asked))
        if not alive or stuck or satisfied:
            self.close()
            return
        wants = selectors.EVENT_WRITE if self._out or asked else 0
        if not self._finished and (self.watching or not wants):
            wants |= selectors.EVENT_READ
        self._selector.modify(self._peer, wants, self._handle_ready)

    def _flush(self) -> bool:
        """Send what goes; tell whether the client is still there."""
        try:
            while self._out:
                sent = self._peer.send(self._out[:_CHUNK])
                del self._out[:sent]
                if self._missed and not self._out:
                    self._out += b'{"missed": %d}\n' % self._missed
                    self._missed = 0
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True
