"""All ports that are listened on, read in turns, so that no port costs the others anything."""

import selectors
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from rdnbr.core.pace import Pace
from rdnbr.core.topology import Port
from rdnbr.linux.closer import Closer
from rdnbr.linux.packet import Frame, PortSocket

BUDGET = 64
"""Frames read from one port before the others have their turn."""

MUTE = 0.05
"""Seconds a port that exceeds its rate is left unread; what its buffer cannot hold the kernel drops for free."""


class _Ear(NamedTuple):
    socket: PortSocket
    pace: Pace


class Ears:
    """Opens, reads and closes the port sockets."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._ears: dict[int, _Ear] = {}
        self._ready: dict[int, None] = {}
        self._muted: dict[int, float] = {}
        self._closer = Closer()

    def open(self, port: Port, frames_per_second: int) -> None:
        """Listen on a port; of what it sends beyond its rate, some is left to be lost.

        Raises:
            OSError: the port is gone again, or packet sockets are not permitted.
        """
        ear = _Ear(PortSocket(port), Pace(frames_per_second, frames_per_second))
        self._ears[port.index] = ear
        self._selector.register(ear.socket, selectors.EVENT_READ, self._waker(port.index))

    def close(self, index: int) -> None:
        """Stop listening; unknown ports are fine."""
        ear = self._ears.pop(index, None)
        if ear is None:
            return
        self._ready.pop(index, None)
        if self._muted.pop(index, None) is None:
            self._selector.unregister(ear.socket)
        self._closer.close(ear.socket)

    def close_all(self) -> None:
        """Stop listening everywhere, and wait until it is so."""
        for index in list(self._ears):
            self.close(index)
        self._closer.finish()

    def __contains__(self, index: int) -> bool:
        return index in self._ears

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._ears))

    @property
    def drained(self) -> bool:
        """Whether all that had arrived was read, but on ports that send more than their share."""
        return not self._ready

    def receive(self, now: float) -> Iterator[tuple[int, Frame]]:
        """Yield what waits on the ports that are ready, each within its budget."""
        for index in [index for index, until in self._muted.items() if until <= now]:
            del self._muted[index]
            self._selector.register(self._ears[index].socket, selectors.EVENT_READ, self._waker(index))
            self._ready[index] = None
        for index in list(self._ready):
            ear = self._ears.get(index)
            if ear is None:  # closed because of a frame of this very turn
                continue
            frames = ear.socket.receive(BUDGET)
            if frames and not ear.pace.take(now, len(frames)):
                self._ready.pop(index)
                self._muted[index] = now + MUTE
                self._selector.unregister(ear.socket)
            elif len(frames) < BUDGET:
                self._ready.pop(index)
            for frame in frames:
                yield index, frame

    def send(self, index: int, frame: bytes) -> bool:
        """Send a frame on a port; False when it is gone, down or congested."""
        ear = self._ears.get(index)
        return ear is not None and ear.socket.send(frame)

    def drops(self) -> Mapping[int, int]:
        """Return how many frames the kernel dropped, by port."""
        return {index: ear.socket.drops() for index, ear in self._ears.items()}

    def deadline(self) -> float | None:
        """Tell when a muted port wants to be read again."""
        return min(self._muted.values(), default=None)

    def _waker(self, index: int) -> Callable[[int], None]:
        def wake(_mask: int) -> None:
            self._ready[index] = None

        return wake
