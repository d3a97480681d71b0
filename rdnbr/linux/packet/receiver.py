"""All ports that are listened on, read in turns, so that no port costs the others anything.

A port that exceeds its rate gets a second ear, for answers alone, and keeps it: else its guest's answers to our
questions would drown in its own flood, and honest addresses behind the port be withdrawn. The other ports do without,
for each socket costs a port a few percent of the packets it can forward.

IP packets have an ear of their own too, while they are looked at: be there ever so many, they take no room from ARP and
NDP.
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
"""Frames read from one port before the others have their turn."""

MUTE = 0.05
"""Seconds a port that exceeds its rate is left unread; what its buffer cannot hold the kernel drops for free."""


PACKETS_BUFFER = 1 << 16
"""Bytes of kernel memory for a port's IP packets: only the first of each source is of use."""


@dataclass(eq=False, slots=True)
class _Source:
    socket: PortSocket
    pace: TokenBucket
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
        self._muted: dict[_Source, float] = {}
        self._closer = BackgroundClose()

    def open(self, port: Port, frames_per_second: int) -> None:
        """Listen on a port; of what it sends beyond its rate, some is left to be lost.

        Where the port is listened on already, only the rate changes; but what waits to be read of a port that has
        moved to another segment was said in the old one, and is thrown away.

        Raises:
            OSError: the port is gone again, or packet sockets are not permitted.
        """
        ear = self._receiver.get(port.index)
        if ear is not None and ear.socket.port.segment == port.segment:
            self._set_rate(port.index, frames_per_second)
            return
        self.close(port.index)
        self._receiver[port.index] = self._open_socket(PortSocket(port), frames_per_second)

    def close(self, index: int) -> None:
        """Stop listening; unknown ports are fine."""
        for receiver in (self._receiver, self._for_answers, self._for_packets):
            self._drop(receiver.pop(index, None))

    def snoop_data(self, index: int, without: Collection[IP] | None) -> None:
        """Hear the IP packets of a port too, but for those from the sources `without`; None: hear none any more."""
        main, ear = self._receiver.get(index), self._for_packets.get(index)
        if main is None or without is None:
            self._drop(self._for_packets.pop(index, None))
        elif ear is not None:
            ear.socket.set_filter(packets(without))
        else:
            with suppress(OSError):  # the port is gone, or descriptors have run out: they were but hints
                socket = PortSocket(main.socket.port, packets(without), PACKETS_BUFFER)
                self._for_packets[index] = self._open_socket(socket, main.rate)

    def is_detached(self, index: int) -> bool:
        """Tell whether a port that is listened on is not the device any more that it was."""
        ear = self._receiver.get(index)
        return ear is not None and not ear.socket.attached

    def close_all(self) -> None:
        """Stop listening everywhere, and wait until it is so."""
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
        for ear in [ear for ear, until in self._muted.items() if until <= now]:
            del self._muted[ear]
            self._selector.register(ear.socket, selectors.EVENT_READ, self._waker(ear))
            self._ready[ear] = None
        for ear in list(self._ready):
            if ear not in self._ready:  # closed because of a frame of this very turn
                continue
            frames = ear.socket.receive(BUDGET)
            if frames and not ear.pace.take(now, len(frames)):
                self._pause(ear, now + MUTE)
            elif len(frames) < BUDGET:
                self._ready.pop(ear)
            for frame in frames:
                yield ear.index, frame

    def send(self, index: int, frame: bytes) -> bool:
        """Send a frame on a port; False when it is gone, down or congested."""
        ear = self._receiver.get(index)
        return ear is not None and ear.socket.send(frame)

    def drops(self) -> Mapping[int, int]:
        """Return how many frames the kernel dropped, by port."""
        drops = {index: ear.socket.drops() for index, ear in self._receiver.items()}
        for index, ear in self._for_answers.items():
            drops[index] += ear.socket.drops()
        return drops

    def next_deadline(self) -> float | None:
        """Tell when a muted port wants to be read again."""
        return min(self._muted.values(), default=None)

    def _set_rate(self, index: int, rate: int) -> None:
        for receiver in (self._receiver, self._for_answers, self._for_packets):
            ear = receiver.get(index)
            if ear is not None and ear.rate != rate:
                ear.rate, ear.pace = rate, TokenBucket(rate, rate)

    def _open_socket(self, socket: PortSocket, rate: int) -> _Source:
        ear = _Source(socket, TokenBucket(rate, rate), rate)
        self._selector.register(socket, selectors.EVENT_READ, self._waker(ear))
        return ear

    def _pause(self, ear: _Source, until: float) -> None:
        self._ready.pop(ear)
        self._muted[ear] = until
        self._selector.unregister(ear.socket)
        if ear is self._receiver.get(ear.index) and ear.index not in self._for_answers:
            with suppress(OSError):  # the port is gone, or descriptors have run out: then one ear must do
                answers = PortSocket(ear.socket.port, ANSWERS)
                self._for_answers[ear.index] = self._open_socket(answers, ear.rate)
                ear.socket.set_filter(CLAIMS)

    def _drop(self, ear: _Source | None) -> None:
        if ear is None:
            return
        self._ready.pop(ear, None)
        if self._muted.pop(ear, None) is None:
            self._selector.unregister(ear.socket)
        self._closer.close(ear.socket)

    def _waker(self, ear: _Source) -> Callable[[int], None]:
        def wake(_mask: int) -> None:
            # Somebody else's callback of the same turn may have closed it.
            if any(
                receiver.get(ear.index) is ear
                for receiver in (self._receiver, self._for_answers, self._for_packets)
            ):
                self._ready[ear] = None

        return wake
