"""A queue of deadlines: one for each binding, probe or other key."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=int | tuple[object, ...])


class TimerQueue(Generic[_Key]):
    """One deadline for each key, in a heap whose stale entries are removed late.

    An entry of the heap is stale if its time is not the present deadline of its key; stale entries are skipped. Times
    are seconds on one monotonic clock.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, _Key]] = []
        self._deadlines: dict[_Key, float] = {}

    def set(self, key: _Key, at: float) -> None:
        """Set or change the deadline of a key."""
        if self._deadlines.get(key) == at:
            return
        self._deadlines[key] = at
        heappush(self._heap, (at, key))
        # Each frame of a guest can change a deadline and leave a stale entry; this bounds the heap.
        if len(self._heap) > 4 * len(self._deadlines) + 64:
            self._heap = [(deadline, other) for other, deadline in self._deadlines.items()]
            heapify(self._heap)

    def discard(self, key: _Key) -> None:
        """Remove the deadline of a key, if it has one."""
        self._deadlines.pop(key, None)

    def deadline(self, key: _Key) -> float | None:
        """Return the deadline of a key, or None when it has none."""
        return self._deadlines.get(key)

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, or None when there is none."""
        while self._heap:
            at, key = self._heap[0]
            if self._deadlines.get(key) == at:
                return at
            heappop(self._heap)
        return None

    def pop(self, now: float) -> tuple[float, _Key] | None:
        """Remove the earliest deadline and return it with its key; None if no deadline is due at `now`."""
        at = self.next_deadline()
        if at is None or at > now:
            return None
        _, key = heappop(self._heap)
        del self._deadlines[key]
        return at, key

    def __len__(self) -> int:
        return len(self._deadlines)
