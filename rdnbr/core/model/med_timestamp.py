"""Stamps: when a guest arrived, as a route's metric that BGP compares between nodes (`mobility = "newest-wins"`).

zebra hands the low 24 bits of a kernel route's metric to BGP as MED (zebra/rt_netlink.c), and BGP prefers the lowest.
So the later a guest arrived, the lower its metric:

    metric      OLDEST                                                              1
                  |<- NEAR ->|<------------------ an era ------------------>|<- NEAR ->|
    arrived     earlier     its first tick                         its last tick     ahead of the clock

A stamp counts ticks of wall time since 1970 and never repeats; a metric has room for one era of them, more than a
year. BGP compares without any wrap, so each new era moves its window over the stamps: `metric` says at any time what a
stamp is worth now, and all that arrived long before is worth the same, OLDEST. What arrived shortly before an era
began keeps its order.

Two arrivals are told apart when they are a tick, and what the nodes' clocks differ by, apart.
"""

TICK = 2
"""Seconds. No guest lives on another node and is back sooner; each halving halves the era too."""

OLDEST = 2**24 - 1
"""The highest metric whose top byte, zebra's administrative distance, is 0."""

NEAR = 3600 // TICK
"""Ticks. A node that lost a guest without noticing has asked it in vain long before, so nothing older needs an order;
and a stamp that is further ahead of the clock is none, or comes of a clock that was wrong."""

ERA = OLDEST - 2 * NEAR
"""Ticks of an era. Its metrics end at 1: 0 is no metric in IPv6, and means "any" when an IPv4 route is removed."""

LONG_AGO = -NEAR
"""A stamp that is never worth anything but OLDEST: of who arrived when nobody knows."""


def tick(wall: float) -> int:
    """Return the tick at so many seconds since 1970."""
    return int(wall // TICK)


def era(now: int) -> int:
    """Return the era of a tick; within it a stamp's metric does not change."""
    return now // ERA


def end(era: int) -> int:
    """Return the wall time at which an era ends, in seconds since 1970."""
    return (era + 1) * ERA * TICK


def metric(stamp: int, now: int) -> int:
    """Return what a stamp is worth at the tick `now`: from 1, the newest, to OLDEST."""
    if stamp > now + NEAR:
        return OLDEST
    return OLDEST - max(0, stamp - _first(now))


def read(metric: int, now: int) -> int:
    """Return the stamp that has this metric now; what is no stamp's metric gives one that is worth OLDEST."""
    stamp = _first(now) + OLDEST - metric
    return stamp if 0 < metric <= OLDEST and stamp <= now + NEAR else LONG_AGO


def arrival(metric: int, now: int) -> float | None:
    """Return when who has this metric arrived, in seconds since 1970; None: so long ago that it does not tell."""
    stamp = read(metric, now)
    return float(stamp * TICK) if metric < OLDEST and stamp != LONG_AGO else None


def renewed(stamp: int, now: int) -> int:
    """Return the stamp of who arrives again: a clock that was set back makes it no older, if it may have been right."""
    return now if stamp > now + NEAR else max(stamp, now)


def _first(now: int) -> int:
    """Return the stamp that is the first to be worth OLDEST, going back."""
    return era(now) * ERA - NEAR
