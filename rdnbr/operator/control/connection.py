"""One client of the control socket: its requests, its replies, and what waits to be sent. Nothing here blocks."""

import selectors
import socket
from collections.abc import Callable, Iterator

from rdnbr.operator.control.permissions import may_withdraw

REQUEST = 4096
"""Longest request, in bytes."""

WATCHED = 262_144
"""Bytes that are kept for a watcher that does not read. Further lines are only counted."""

PATIENCE = 10_000
"""A watcher that missed this many lines in a row is disconnected."""

_CHUNK = 65_536


class Connection:
    """A connected client.

    The selector's callback only moves bytes: it reads requests, and sends what is queued. The server takes a request
    with `take_request` when its step of the turn comes, and answers with `send_reply` or `start_reply`.

    No further request is read before the reply to the last one is sent. So the memory of a client is bounded: one short
    reply or one slice of a long one, and, once the client watches, `WATCHED` bytes.
    """

    def __init__(
        self,
        peer: socket.socket,
        selector: selectors.BaseSelector,
        closed: Callable[["Connection"], None],
    ) -> None:
        """Serve `peer`; `closed` is called once, when the connection has ended."""
        self.watching = False
        self.wants_frames = False
        """Whether the watcher gets the frame behind each decision."""
        self.may_withdraw = may_withdraw(peer)
        """Whether the client may send the commands that take routes out of the kernel."""
        self._peer = peer
        self._selector = selector
        self._closed = closed
        self._in = bytearray()
        self._out = bytearray()
        self._executing = False
        """A request was taken, and its reply is not complete yet."""
        self._slices: Iterator[bytes] | None = None
        """The rest of a long reply."""
        self._missed = 0
        self._finished = False
        """The client has closed its sending side."""
        self._interest = 0
        peer.setblocking(False)  # noqa: FBT003
        self._update_interest()

    @property
    def has_request(self) -> bool:
        """Whether `take_request` would return one."""
        return not (self._executing or self._out) and b"\n" in self._in

    @property
    def has_slice_due(self) -> bool:
        """Whether a long reply goes on, and what was made of it so far is sent."""
        return self._slices is not None and not self._out

    def take_request(self) -> bytes | None:
        """Return the oldest complete request without its newline; None when there is none to execute now."""
        if not self.has_request:
            return None
        line, _, self._in = self._in.partition(b"\n")
        self._executing = True
        return bytes(line)

    def send_reply(self, line: bytes) -> None:
        """Send the whole reply to the request that was taken."""
        self._executing = False
        self._out += line
        self._flush()

    def start_reply(self, slices: Iterator[bytes]) -> None:
        """Reply to the request that was taken in slices, the last of which ends in a newline."""
        self._slices = slices

    def send_slice(self) -> bool:
        """Make and send the next slice of a long reply. Return whether the reply goes on.

        Raises:
            Exception: the slice cannot be made. The caller closes the connection: the line on it has no end.
        """
        assert self._slices is not None
        made = next(self._slices, None)
        if made is None:
            self._slices, self._executing = None, False
        else:
            self._out += made
        self._flush()
        return self._slices is not None

    def send_line(self, line: bytes) -> None:
        """Queue a line for a watcher. When the queue is full, the line is counted as missed."""
        if len(self._out) + len(line) <= WATCHED:
            self._out += line
        else:
            self._missed += 1
        self._flush()

    def close(self) -> None:
        """Disconnect the client."""
        if self._peer.fileno() < 0:
            return
        self._set_interest(0)
        self._peer.close()
        self._slices = None
        self._closed(self)

    def _handle_ready(self, mask: int) -> None:
        if self._peer.fileno() < 0:
            return  # another callback of this turn has closed it
        if mask & selectors.EVENT_READ:
            self._receive()
        self._flush()

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

    def _flush(self) -> None:
        """Send what the client takes without waiting, then wait for the next event, or disconnect."""
        alive = self._send()
        stuck = self._missed >= PATIENCE
        busy = self._out or self._executing or b"\n" in self._in
        if not alive or stuck or (self._finished and (self.watching or not busy)):
            self.close()
        else:
            self._update_interest()

    def _send(self) -> bool:
        """Send what the client takes without waiting. Return whether the client is still there."""
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

    def _update_interest(self) -> None:
        wanted = selectors.EVENT_WRITE if self._out else 0
        busy = self._out or self._executing or b"\n" in self._in
        if not self._finished and (self.watching or not busy):
            wanted |= selectors.EVENT_READ
        self._set_interest(wanted)

    def _set_interest(self, wanted: int) -> None:
        """Wait for these events; for none while a request waits for the server or is being executed."""
        if wanted == self._interest:
            return
        if not wanted:
            self._selector.unregister(self._peer)
        elif not self._interest:
            self._selector.register(self._peer, wanted, self._handle_ready)
        else:
            self._selector.modify(self._peer, wanted, self._handle_ready)
        self._interest = wanted
