"""A queue of deadlines: one for each binding, probe or other key."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=int | str | tuple[object, ...])


def earliest(*deadlines: float | None) -> float | None:
    """Return the earliest deadline; None where nothing is waiting. It is asked for after every frame."""
    first = None
    for at in deadlines:
        if at is not None and (first is None or at < first):
            first = at
    return first


class TimerQueue(Generic[_Key]):
    """One deadline for each key, in a heap whose stale entries are removed late.

    An entry of the heap is stale if it is not the present entry of its key; stale entries are skipped. Times are
    seconds on one monotonic clock.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, _Key]] = []
        self._entries: dict[_Key, tuple[float, _Key]] = {}
        """The entry of each key; the heap has the same tuples, so that it can be rebuilt without making new ones."""

    def set(self, key: _Key, at: float) -> None:
        """Set or change the deadline of a key."""
        before = self._entries.get(key)
        if before is not None and before[0] == at:
            return
        entry = self._entries[key] = (at, key)
        heappush(self._heap, entry)
        # Each frame of a guest can change a deadline and leave a stale entry; this bounds the heap.
        if len(self._heap) > 2 * len(self._entries) + 64:
            self._heap = list(self._entries.values())
            heapify(self._heap)

    def discard(self, key: _Key) -> None:
        """Remove the deadline of a key, if it has one."""
        self._entries.pop(key, None)

    def deadline(self, key: _Key) -> float | None:
        """Return the deadline of a key, or None when it has none."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, or None when there is none."""
        while self._heap:
            entry = self._heap[0]
            if self._entries.get(entry[1]) is entry:
                return entry[0]
            heappop(self._heap)
        return None

    def pop(self, now: float) -> tuple[float, _Key] | None:
        """Remove the earliest deadline and return it with its key; None if no deadline is due at `now`."""
        at = self.next_deadline()
        if at is None or at > now:
            return None
        entry = heappop(self._heap)
        del self._entries[entry[1]]
        return entry

    def __len__(self) -> int:
        return len(self._entries)
