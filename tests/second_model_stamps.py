"""What the second model makes of newest-wins: in seconds, and always from scratch."""

from second_model_notes import ROUTED, Entry

ERA = 2 * (2**24 - 1 - 2 * 1800)
"""Seconds."""


class Stamps:
    """When guests arrived, by the wall clock, and what their routes' metrics follow from that."""

    def __init__(self) -> None:
        self.newest = False
        self.wall = 0.0
        """The wall clock is ahead of the events' by this."""
        self.anycast: set[str] = set()

    def metric(self, now: float, entry: Entry) -> int:
        if not self.newest or entry.address in self.anycast:
            return 1024 if ":" in entry.address else 0
        return self.worth(now, entry.arrived)

    def worth(self, now: float, arrived: float) -> int:
        clock = now + self.wall
        hour_before_the_era = clock // ERA * ERA - 3600
        ticks = arrived // 2 - hour_before_the_era // 2
        return 2**24 - 1 - max(0, int(ticks))

    def arrive(self, now: float, entry: Entry) -> None:
        entry.arrived = now + self.wall

    def find(self, now: float, entry: Entry, metric: int | None) -> None:
        """Take over a route with its metric: when did its guest arrive, that it has this one?"""
        entry.arrived = -1e9
        if metric and 1024 != metric < 2**24:
            ticks_ago = metric - self.worth(now, now + self.wall)
            if ticks_ago >= -1800:
                entry.arrived = ((now + self.wall) // 2 - ticks_ago) * 2

    def renew(self, now: float, entry: Entry) -> bool:
        """Stamp a guest anew that announces itself; tell whether that made a difference."""
        entry.credit = min(24.0, entry.credit + (now - entry.credit_at) / 600)
        entry.credit_at = now
        constant = not self.newest or entry.address in self.anycast
        if constant or entry.state not in ROUTED or (now + self.wall) // 2 <= entry.arrived // 2:
            return False
        if entry.credit < 0.999:
            return False
        entry.credit -= 1
        entry.arrived = now + self.wall
        return True
