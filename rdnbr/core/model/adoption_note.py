"""What one run of rdnbr notes for the next one about an adopted binding."""

from typing import NamedTuple

from rdnbr.core.model.address import MAC
from rdnbr.core.model.fib_entries import Key


class AdoptionNote(NamedTuple):
    """An adopted binding whose guest has not shown itself yet. Times are seconds on the clock of the events.

    All runs since the boot have the same clock (CLOCK_MONOTONIC).
    """

    key: Key
    mac: MAC
    """All zero where the neighbour was missing in the kernel."""
    since: float
    """When the binding was first adopted."""
    probes_sent: int = 0
    """Probes that were not answered, although the run that sent them waited for the answers."""
    probing_since: float | None = None
    """When the first of these probes was sent."""

    def is_about(self, key: Key, mac: MAC, now: float) -> bool:
        """Tell whether the note can be about a binding of this key and MAC that is adopted now."""
        began = self.since if self.probing_since is None else self.probing_since
        return (
            (self.key, self.mac) == (key, mac)
            and 0.0 <= self.since <= began <= now
            and self.probes_sent >= 0
            and (self.probes_sent == 0) == (self.probing_since is None)
        )
