"""Stamps: a guest's arrival time, coded in its route's metric for BGP to compare (`mobility = "newest-wins"`).

zebra passes the low 24 bits of a kernel route's metric to BGP as MED (zebra/rt_netlink.c), and BGP prefers the lowest.
Therefore a later arrival has a lower metric:

    metric      OLDEST                                                              1
                  |<- NEAR ->|<------------------ an era ------------------>|<- NEAR ->|
    arrived     earlier     its first tick                         its last tick     ahead of the clock

A stamp counts ticks of wall time since 1970 and never repeats. A metric has room for one era of ticks, more than a
year. BGP's comparison does not wrap. Therefore each era has its own window of stamps, and `metric_of_stamp` gives the
metric of a stamp in the era of the current tick. Stamps from before the window have the metric OLDEST. The window
begins NEAR ticks before its era, so arrivals shortly before an era keep their order.

Two arrivals have different metrics if they differ by at least one tick plus the difference of the nodes' clocks.
"""

TICK = 2
"""Seconds. No guest moves to another node, starts there and returns in less. Half a tick would halve the era."""

OLDEST = 2**24 - 1
"""The highest metric whose top byte, zebra's administrative distance, is 0."""

NEAR = 3600 // TICK
"""Ticks. A node that lost a guest withdraws it after unanswered probes, long before this time has passed. Older
arrivals need no order among each other. A stamp that is more than NEAR ahead of the clock is no stamp, or comes from
a clock that was wrong."""

ERA = OLDEST - 2 * NEAR
"""Ticks in an era. The lowest metric is 1: IPv6 has no metric 0, and removing an IPv4 route with 0 removes any."""

LONG_AGO = -NEAR
"""A stamp whose metric is always OLDEST: the time of the arrival is unknown."""


def tick_at(wall: float) -> int:
    """Return the tick of a wall time in seconds since 1970."""
    return int(wall // TICK)


def era_of(now: int) -> int:
    """Return the number of a tick's era. The metric of a stamp is constant within an era."""
    return now // ERA


def end_of_era(era: int) -> int:
    """Return when an era ends, as wall time in seconds since 1970."""
    return (era + 1) * ERA * TICK


def metric_of_stamp(stamp: int, now: int) -> int:
    """Return the metric of a stamp at the tick `now`: from 1, the newest, to OLDEST."""
    if stamp > now + NEAR:
        return OLDEST
    return OLDEST - max(0, stamp - _window_begin(now))


def stamp_of_metric(metric: int, now: int) -> int:
    """Return the stamp that has this metric at the tick `now`. If no stamp has it, return LONG_AGO."""
    stamp = _window_begin(now) + OLDEST - metric
    return stamp if 0 < metric <= OLDEST and stamp <= now + NEAR else LONG_AGO


def arrival_time(metric: int, now: int) -> float | None:
    """Return the arrival time of a guest with this metric, in seconds since 1970. None if the metric does not say."""
    stamp = stamp_of_metric(metric, now)
    return float(stamp * TICK) if metric < OLDEST and stamp != LONG_AGO else None


def renewed_stamp(stamp: int, now: int) -> int:
    """Return the new stamp of a guest that arrives again.

    If the clock was set back, a stamp ahead of it by at most NEAR stays, so a renewal never makes a guest older.
    """
    return now if stamp > now + NEAR else max(stamp, now)


def _window_begin(now: int) -> int:
    """Return the latest stamp whose metric is OLDEST at the tick `now`."""
    return era_of(now) * ERA - NEAR
