"""What others remove from the kernel, and how long it is left alone then.

1. What is removed is put back at once.
2. What goes again within `SAME_ACT` seconds goes by the same act, whose end is waited for: `ip neigh flush` starts anew
   until it finds nothing.
3. At the third act within a minute somebody means it. Two programs that fight make BGP flap, so there is a truce.
4. What goes when a device goes down or changes was not stolen.
"""

from collections import OrderedDict

from rdnbr.core.model.address import IP

ACTS, WINDOW = 3, 60.0
"""So many acts in so many seconds are answered by a truce."""

SAME_ACT = 1.0
"""Seconds"""
TRUCE = 10.0
"""Seconds"""
AFTERMATH = 1.0
"""Seconds in which what vanishes is put down to a device that changed."""


class RemovalDamping:
    """The acts of the last minute, by address."""

    def __init__(self) -> None:
        self._acts: OrderedDict[IP, tuple[float, ...]] = OrderedDict()
        self._explained = float("-inf")

    def expect_removals(self, now: float) -> None:
        """A device changed."""
        self._explained = now + AFTERMATH

    def hold_down(self, now: float, address: IP) -> float:
        """An entry of an address was removed: return in how many seconds to put it back, 0, `SAME_ACT` or `TRUCE`."""
        while self._acts and now - next(iter(self._acts.values()))[-1] > WINDOW:
            self._acts.popitem(last=False)
        if now < self._explained:
            return 0.0
        before = self._acts.pop(address, ())
        if before and now - before[-1] < SAME_ACT:
            self._acts[address] = (*before[:-1], now)
            return SAME_ACT
        acts = (*before, now)[-ACTS:]
        if len(acts) == ACTS and now - acts[0] <= WINDOW:
            return TRUCE
        self._acts[address] = acts
        return 0.0
