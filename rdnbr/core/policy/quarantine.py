"""Ports, and anchors, whose claims to an address did not prove themselves, and are not heard for a while.

A term is given because an incumbent answered, and ends with that incumbent at the latest, or because the source did not
answer for its own claim.

The whole port, wherever it can be: with another MAC for each frame a guest would never be quarantined, and could keep
its neighbour's address contested, or unbound, for as long as it likes.
"""

from collections import OrderedDict
from typing import NamedTuple

from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.fib_entries import Key

LONGEST = 300.0
"""Seconds; doubling ends here."""

SIZE = 16384
"""Entries; the oldest goes first. Losing one costs no more than another round of questions."""


Source = Anchor | int | None
"""An anchor, or all that is on a port, given by its ifindex."""


class _HoldDown(NamedTuple):
    until: float
    length: float
    defends: bool
    """Whether it protects an incumbent that answered."""


class Quarantine:
    """Remembers (address, source) pairs, each time for twice as long."""

    def __init__(self) -> None:
        self._terms: OrderedDict[tuple[Key, Source], _HoldDown] = OrderedDict()
        self._sources: dict[Key, dict[Source, None]] = {}

    def add(self, now: float, key: Key, source: Source, first: float, *, defends: bool = False) -> None:
        """Do not hear `source` on `key` for `first` seconds, or twice its last term if that was not long ago.

        With `defends` only for as long as the incumbent is there, whose answer it was.
        """
        last = self._pop(key, source)
        recent = last is not None and now < last.until + LONGEST
        length = min(last.length * 2, LONGEST) if last is not None and recent else first
        self._terms[key, source] = _HoldDown(now + length, length, defends)
        self._sources.setdefault(key, {})[source] = None
        if len(self._terms) > SIZE:
            self._pop(*next(iter(self._terms)))

    def is_quarantined(self, now: float, key: Key, anchor: Anchor) -> bool:
        """Tell whether a claim of `anchor` to `key` is not to be heard at `now`."""
        terms = (self._terms.get((key, anchor)), self._terms.get((key, anchor.port)))
        return any(term is not None and now < term.until for term in terms)

    def hold_downs(self, now: float, key: Key) -> list[tuple[Source, float]]:
        """Return who is not heard on `key` at `now`, and until when."""
        terms = [(source, self._terms[key, source].until) for source in self._sources.get(key, ())]
        return [(source, until) for source, until in terms if now < until]

    def release(self, key: Key, anchor: Anchor) -> None:
        """It has proved itself: forget what was."""
        self._pop(key, anchor)
        self._pop(key, anchor.port)

    def lose_incumbent(self, key: Key) -> None:
        """The incumbent of a key is gone: what defended it protects nobody any more."""
        for source in list(self._sources.get(key, ())):
            if self._terms[key, source].defends:
                self._pop(key, source)

    def __len__(self) -> int:
        return len(self._terms)

    def _pop(self, key: Key, source: Source) -> _HoldDown | None:
        term = self._terms.pop((key, source), None)
        if term is not None:
            del self._sources[key][source]
            if not self._sources[key]:
                del self._sources[key]
        return term
