"""All port sockets, read in turns, so that a busy port delays no other port.

A port that exceeds its rate gets a second socket, for answers alone, and keeps it. Otherwise answers to probes would
be lost in the flood of the guest, and honest addresses behind the port would be withdrawn. The other ports have one
socket, since each socket costs a port a few percent of the packets that it can forward.

IP packets have a socket of their own while data snooping is active, so they take no buffer from ARP and NDP.
"""

import selectors
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import Port
from rdnbr.core.primitives.token_bucket import TokenBucket
from rdnbr.linux.packet.background_close import BackgroundClose
from rdnbr.linux.packet.filters import ANSWERS, CLAIMS, packets
from rdnbr.linux.packet.packet_socket import Frame, PortSocket

BUDGET = 64
"""Frames read from one port before the next port is read."""

PAUSE = 0.05
"""Seconds a port that exceeds its rate is left unread; what its buffer cannot hold the kernel drops for free."""


PACKETS_BUFFER = 1 << 16
"""Bytes of kernel memory for a port's IP packets: only the first of each source is of use."""


@dataclass(eq=False, slots=True)
class _Source:
    socket: PortSocket
    bucket: TokenBucket
    rate: int
    """Frames per second."""

    @property
    def index(self) -> int:
        return self.socket.port.index


class PacketReceiver:
    """Opens, reads and closes the port sockets."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._receiver: dict[int, _Source] = {}
        self._for_answers: dict[int, _Source] = {}
        self._for_packets: dict[int, _Source] = {}
        self._ready: dict[_Source, None] = {}
        self._paused: dict[_Source, float] = {}
        self._closer = BackgroundClose()

    def open(self, port: Port, frames_per_second: int) -> None:
        """Open the socket of a port; of the frames beyond its rate, some are left unread and may be lost.

        If the port has a socket already, only the rate changes. But the frames that wait on a port that has moved to
        another segment were sent in the old one, and are dropped.

        Raises:
            OSError: the port is gone again, or packet sockets are not permitted.
        """
        source = self._receiver.get(port.index)
        if source is not None and source.socket.port.segment == port.segment:
            self._set_rate(port.index, frames_per_second)
            return
        self.close(port.index)
        self._receiver[port.index] = self._open_socket(PortSocket(port), frames_per_second)

    def close(self, index: int) -> None:
        """Close the sockets of a port; unknown ports are fine."""
        for receiver in (self._receiver, self._for_answers, self._for_packets):
            self._drop(receiver.pop(index, None))

    def snoop_data(
        self,
        index: int,
        without: Collection[IP] | None,
        families: Collection[int] = (4, 16),
        awaited: Collection[IP] = (),
    ) -> None:
        """Receive the IP packets of a port too, or no more.

        Args:
            index: of the port.
            without: sources whose packets are left out; None: all but the `awaited` ones are.
            families: bytes of the source addresses, for one family or for both.
            awaited: sources whose packets are received in any case.
        """
        main, source = self._receiver.get(index), self._for_packets.get(index)
        program = packets(without or (), () if without is None else families, awaited)
        if main is None or (without is None and not awaited):
            self._drop(self._for_packets.pop(index, None))
        elif source is not None:
            source.socket.set_filter(program)
        else:
            with suppress(OSError):  # the port is gone, or descriptors have run out: they were but hints
                socket = PortSocket(main.socket.port, program, PACKETS_BUFFER)
                self._for_packets[index] = self._open_socket(socket, main.rate)

    def is_detached(self, index: int) -> bool:
        """Tell whether a port that is listened on is not the device any more that it was."""
        source = self._receiver.get(index)
        return source is not None and not source.socket.attached

    def close_all(self) -> None:
        """Close all sockets, and wait until they are closed."""
        for index in list(self._receiver):
            self.close(index)
        self._closer.finish()

    def __contains__(self, index: int) -> bool:
        return index in self._receiver

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._receiver))

    @property
    def drained(self) -> bool:
        """Whether all that had arrived was read, but on ports that send more than their share."""
        return not self._ready

    def receive(self, now: float) -> Iterator[tuple[int, Frame]]:
        """Yield what waits on the ports that are ready, each within its budget."""
        for source in [source for source, until in self._paused.items() if until <= now]:
            del self._paused[source]
            self._selector.register(source.socket, selectors.EVENT_READ, self._ready_callback(source))
            self._ready[source] = None
        for source in list(self._ready):
            if source not in self._ready:  # closed because of a frame of this very turn
                continue
            frames = source.socket.receive(BUDGET)
            if frames and not source.bucket.consume(now, len(frames)):
                self._pause(source, now + PAUSE)
            elif len(frames) < BUDGET:
                self._ready.pop(source)
            for frame in frames:
                yield source.index, frame

    def send(self, index: int, frame: bytes) -> bool:
        """Send a frame on a port; False when it is gone, down or congested."""
        source = self._receiver.get(index)
        return source is not None and source.socket.send(frame)

    def drops(self) -> Mapping[int, int]:
        """Return how many frames the kernel dropped, by port."""
        drops = {index: source.socket.drops() for index, source in self._receiver.items()}
        for index, source in self._for_answers.items():
            drops[index] += source.socket.drops()
        return drops

    def next_deadline(self) -> float | None:
        """Return when a paused port is to be read again."""
        return min(self._paused.values(), default=None)

    def _set_rate(self, index: int, rate: int) -> None:
        for receiver in (self._receiver, self._for_answers, self._for_packets):
            source = receiver.get(index)
            if source is not None and source.rate != rate:
                source.rate, source.bucket = rate, TokenBucket(rate, rate)

    def _open_socket(self, socket: PortSocket, rate: int) -> _Source:
        source = _Source(socket, TokenBucket(rate, rate), rate)
        self._selector.register(socket, selectors.EVENT_READ, self._ready_callback(source))
        return source

    def _pause(self, source: _Source, until: float) -> None:
        self._ready.pop(source)
        self._paused[source] = until
        self._selector.unregister(source.socket)
        if source is self._receiver.get(source.index) and source.index not in self._for_answers:
            with suppress(OSError):  # the port is gone, or descriptors have run out: then one socket must do
                answers = PortSocket(source.socket.port, ANSWERS)
                self._for_answers[source.index] = self._open_socket(answers, source.rate)
                source.socket.set_filter(CLAIMS)

    def _drop(self, source: _Source | None) -> None:
        if source is None:
            return
        self._ready.pop(source, None)
        if self._paused.pop(source, None) is None:
            self._selector.unregister(source.socket)
        self._closer.close(source.socket)

    def _ready_callback(self, source: _Source) -> Callable[[int], None]:
        def mark_ready(_mask: int) -> None:
            # Another callback of the same turn may have closed it.
            if any(
                receiver.get(source.index) is source
                for receiver in (self._receiver, self._for_answers, self._for_packets)
            ):
                self._ready[source] = None

        return mark_ready
