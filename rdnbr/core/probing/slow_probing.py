"""Slow probing: when the addresses are probed that nobody has now, more and more seldom.

A guest that only answers cannot say that it is there again. So two kinds of addresses are probed on: those of bindings
that departed in silence, and those that the allowlist names and nobody has claimed. An answer is welcome, and silence
has no consequence. All these probes together have a small part of the probe rate, and no probe of a bound address waits
for them.
"""

from math import ceil

from rdnbr.core.model.settings import Settings

FIRST = 30.0
"""Seconds until the first slow probe. Each further wait is twice as long."""

LONGEST = 600.0
"""Seconds; doubling ends here."""

SHARE = 0.1
"""The part of `probes_per_second` that slow probes may use."""

_GRID = 1.0
"""Seconds. Slow probes are due on this grid, so that one wake-up sends many of them."""


def next_at(now: float, probes_sent: int) -> float:
    """Return when an address is probed again after `probes_sent` slow probes."""
    return _on_grid(now + min(FIRST * 2.0 ** min(probes_sent, 8), LONGEST))


class SlowPace:
    """The rate of all slow probes.

    Each caller reserves a place, and keeps it: so the callers are served in their order, however many there are (GCRA,
    ITU-T I.371).
    """

    def __init__(self, settings: Settings) -> None:
        self._next_place = 0.0
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Use another rate for the places that are reserved from now on."""
        self._rate = settings.limits.probes_per_second * SHARE

    def reserve(self, now: float) -> float:
        """Reserve the place of one probe, and return when to send the probe: at `now`, or later on the grid."""
        place = max(now, self._next_place)
        self._next_place = place + 1 / self._rate
        return now if place - _GRID <= now else _on_grid(place - _GRID)


def _on_grid(at: float) -> float:
    return ceil(at / _GRID) * _GRID
