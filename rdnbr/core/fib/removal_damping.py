"""Damps the reaction to another program that removes entries of ours.

1. A removed entry is put back at once.
2. A removal within `SAME_ACT` seconds of the last one belongs to the same act, and the end of the act is awaited:
   `ip neigh flush` starts again until it finds nothing.
3. The third act within a minute is intent. Two programs that undo each other make BGP flap, so the address is held down
   for `HOLD_DOWN` seconds.
4. Entries that go because a device goes down or changes were not removed by another program.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

from rdnbr.core.primitives.bounded_map import BoundedMap

_Key = TypeVar("_Key", bound=Hashable)

ACTS, WINDOW = 3, 60.0
"""Number of acts, and the seconds within which so many start a hold-down."""

SAME_ACT = 1.0
"""Seconds within which removals belong to one act."""
HOLD_DOWN = 10.0
"""Seconds for which entries are not put back."""
DEVICE_SETTLES = 1.0
"""Seconds after the change of a device in which removals are attributed to it."""
REMEMBERED = 65_536
"""Addresses whose acts are remembered."""


class RemovalDamping(Generic[_Key]):
    """The acts of the last minute, by address, or by what else the entries belong to."""

    def __init__(self) -> None:
        self._acts: BoundedMap[_Key, tuple[float, ...]] = BoundedMap(REMEMBERED)
        self._expected_until = float("-inf")

    def expect_removals(self, now: float) -> None:
        """A device has changed."""
        self._expected_until = now + DEVICE_SETTLES

    def hold_down(self, now: float, address: _Key) -> float:
        """Return after how many seconds a removed entry is to be put back: 0, `SAME_ACT` or `HOLD_DOWN`."""
        while (oldest := self._acts.oldest()) is not None and now - oldest[1][-1] > WINDOW:
            self._acts.pop(oldest[0])
        if now < self._expected_until:
            return 0.0
        before = self._acts.pop(address) or ()
        if before and now - before[-1] < SAME_ACT:
            self._acts.put(address, (*before[:-1], now))
            return SAME_ACT
        acts = (*before, now)[-ACTS:]
        if len(acts) == ACTS and now - acts[0] <= WINDOW:
            return HOLD_DOWN
        self._acts.put(address, acts)
        return 0.0
