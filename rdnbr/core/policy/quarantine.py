"""Quarantine: hold-downs for ports and anchors whose claim to an address was not proved.

A hold-down begins when an incumbent answered a probe, and then it ends with that incumbent at the latest; or when the
claimant did not answer for its own claim.

A hold-down is for the whole port wherever that is possible. A guest that uses another MAC in each frame would otherwise
never be in quarantine, and could keep its neighbour's address in conflict, or unbound, for ever.
"""

from typing import NamedTuple

from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.primitives.bounded_map import BoundedMap

LONGEST = 300.0
"""Seconds; doubling ends here."""

SIZE = 16384
"""Entries; the oldest one is dropped first. A dropped entry costs one more probe sequence."""


Source = Anchor | int | None
"""An anchor, or everything on a port, given by its ifindex."""


class _HoldDown(NamedTuple):
    until: float
    seconds: float
    defends: bool
    """Whether the hold-down protects an incumbent that answered."""


class Quarantine:
    """Hold-downs by address and source; each one is twice as long as the one before."""

    def __init__(self) -> None:
        self._hold_downs: BoundedMap[tuple[Key, Source], _HoldDown] = BoundedMap(SIZE)
        self._sources: dict[Key, dict[Source, None]] = {}

    def add(self, now: float, key: Key, source: Source, seconds: float, *, defends: bool = False) -> None:
        """Ignore claims of `source` to `key` for `seconds`, or for twice its last hold-down if that is recent.

        With `defends` the hold-down ends when the incumbent of the key is gone.
        """
        last = self._pop(key, source)
        recent = last is not None and now < last.until + LONGEST
        length = min(last.seconds * 2, LONGEST) if last is not None and recent else seconds
        dropped = self._hold_downs.put((key, source), _HoldDown(now + length, length, defends))
        self._sources.setdefault(key, {})[source] = None
        if dropped is not None:
            self._remove_source(*dropped[0])

    def is_quarantined(self, now: float, key: Key, anchor: Anchor) -> bool:
        """Tell whether a claim of `anchor` to `key` is to be ignored at `now`."""
        found = (self._hold_downs.get((key, anchor)), self._hold_downs.get((key, anchor.port)))
        return any(hold_down is not None and now < hold_down.until for hold_down in found)

    def hold_downs(self, now: float, key: Key) -> list[tuple[Source, float]]:
        """Return the sources whose claims to `key` are ignored at `now`, and until when."""
        found = [(source, self._hold_downs[key, source].until) for source in self._sources.get(key, ())]
        return [(source, until) for source, until in found if now < until]

    def release(self, key: Key, anchor: Anchor) -> None:
        """End the hold-downs of an anchor that proved its claim."""
        if key in self._sources:
            self._pop(key, anchor)
            self._pop(key, anchor.port)

    def lose_incumbent(self, key: Key) -> None:
        """End the hold-downs that protected the incumbent of a key, since the incumbent is gone."""
        for source in list(self._sources.get(key, ())):
            if self._hold_downs[key, source].defends:
                self._pop(key, source)

    def __len__(self) -> int:
        return len(self._hold_downs)

    def _pop(self, key: Key, source: Source) -> _HoldDown | None:
        hold_down = self._hold_downs.pop((key, source))
        if hold_down is not None:
            self._remove_source(key, source)
        return hold_down

    def _remove_source(self, key: Key, source: Source) -> None:
        del self._sources[key][source]
        if not self._sources[key]:
            del self._sources[key]
