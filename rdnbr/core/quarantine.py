"""Anchors whose claims to an address did not prove themselves, and are not heard for a while."""

from collections import OrderedDict
from typing import NamedTuple

from rdnbr.core.binding import Anchor
from rdnbr.core.plan import Key

LONGEST = 300.0
"""Seconds; doubling ends here."""

SIZE = 16384
"""Entries; the oldest goes first. Losing one costs no more than another round of questions."""


class _Term(NamedTuple):
    until: float
    length: float


class Quarantine:
    """Remembers (address, anchor) pairs, each time for twice as long."""

    def __init__(self) -> None:
        self._terms: OrderedDict[tuple[Key, Anchor], _Term] = OrderedDict()

    def put(self, now: float, key: Key, anchor: Anchor, first: float) -> None:
        """Do not hear `anchor` on `key` for `first` seconds, or twice its last term if that was not long ago."""
        last = self._terms.pop((key, anchor), None)
        recent = last is not None and now < last.until + LONGEST
        length = min(last.length * 2, LONGEST) if last is not None and recent else first
        self._terms[key, anchor] = _Term(now + length, length)
        if len(self._terms) > SIZE:
            self._terms.popitem(last=False)

    def holds(self, now: float, key: Key, anchor: Anchor) -> bool:
        """Tell whether a claim of `anchor` to `key` is not to be heard at `now`."""
        term = self._terms.get((key, anchor))
        return term is not None and now < term.until

    def release(self, key: Key, anchor: Anchor) -> None:
        """It has proved itself: forget what was."""
        self._terms.pop((key, anchor), None)

    def __len__(self) -> int:
        return len(self._terms)
