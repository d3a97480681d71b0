"""When each binding, or whatever else has a name, wants to be looked at again."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

_Name = TypeVar("_Name", bound=int | tuple[object, ...])


class TimerQueue(Generic[_Name]):
    """One deadline a key, in a lazy heap: an entry that is not the key's present deadline is stale and skipped."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, _Name]] = []
        self._present: dict[_Name, float] = {}

    def set(self, key: _Name, at: float) -> None:
        """Set or change the deadline of a key."""
        if self._present.get(key) == at:
            return
        self._present[key] = at
        heappush(self._heap, (at, key))
        # A guest can change its deadline with every frame; the heap must not grow with that.
        if len(self._heap) > 4 * len(self._present) + 64:
            self._heap = [(when, what) for what, when in self._present.items()]
            heapify(self._heap)

    def discard(self, key: _Name) -> None:
        """Forget a key; unknown ones are fine."""
        self._present.pop(key, None)

    def deadline(self, key: _Name) -> float | None:
        """Return the deadline of a key, or None when it has none."""
        return self._present.get(key)

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, or None when there is none."""
        while self._heap:
            at, key = self._heap[0]
            if self._present.get(key) == at:
                return at
            heappop(self._heap)
        return None

    def pop(self, now: float) -> tuple[float, _Name] | None:
        """Take the earliest deadline if it is due at `now`; it is no deadline any more."""
        at = self.next_deadline()
        if at is None or at > now:
            return None
        _, key = heappop(self._heap)
        del self._present[key]
        return at, key

    def __len__(self) -> int:
        return len(self._present)
