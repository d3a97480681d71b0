"""Stamps and what they are worth."""

from hypothesis import given
from hypothesis import strategies as st

from rdnbr.core.model.med_timestamp import (
    ERA,
    LONG_AGO,
    NEAR,
    OLDEST,
    TICK,
    arrival_time,
    end_of_era,
    era_of,
    metric_of_stamp,
    renewed_stamp,
    stamp_of_metric,
    tick_at,
)

JANUARY_2027 = 1_800_000_000
"""Seconds since 1970."""
NOW = tick_at(JANUARY_2027)
FIRST = 53 * ERA
"""The first tick of an era."""

near_a_wrap = st.integers(FIRST - 2 * NEAR, FIRST + 2 * NEAR)


def test_a_tick_is_two_seconds():
    """Arrivals within two seconds of the wall clock have the same stamp."""
    assert [tick_at(JANUARY_2027 + seconds) - NOW for seconds in (0, 1.999, 2, 3.9, 4)] == [
        0,
        0,
        1,
        1,
        2,
    ]


def test_an_era_is_longer_than_a_year():
    """All routes are stamped anew every 388 days, and no earlier."""
    assert ERA * TICK // 86_400 == 388


def test_metrics_of_today():
    """What a stamp is worth is promised: nodes of different versions must agree. These are in `ip route`."""
    assert metric_of_stamp(NOW, NOW) == 5_777_010
    assert metric_of_stamp(NOW + 1, NOW + 1) == 5_777_009
    assert metric_of_stamp(LONG_AGO, NOW) == 16_777_215


def test_when_it_was():
    """A metric tells when its guest arrived, to the tick; the oldest, the kernel's own and none tell nothing."""
    assert arrival_time(metric_of_stamp(NOW - 900, NOW), NOW) == JANUARY_2027 - 1800
    assert [arrival_time(metric, NOW) for metric in (OLDEST, 1024, 0)] == [None, None, None]


@given(st.integers(FIRST, FIRST + ERA - 1), st.integers(0, ERA), st.integers(0, ERA))
def test_the_later_arrival_has_the_lower_metric(now: int, ago: int, between: int):
    """At any time of an era, of two arrivals in it the later one wins."""
    later = now - ago
    if later - 1 - between >= FIRST - NEAR:
        assert metric_of_stamp(later, now) < metric_of_stamp(later - 1 - between, now)


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**34))
def test_metrics_are_neither_none_nor_a_distance(arrived: int, now: int):
    """No stamp has a metric of 0, which means other things, nor a bit in zebra's byte for the distance."""
    assert 1 <= metric_of_stamp(arrived, now) <= OLDEST


@given(near_a_wrap, st.integers(0, NEAR), st.integers(0, NEAR))
def test_what_arrived_shortly_before_an_era_keeps_its_order(now: int, ago: int, between: int):
    """Across the wrap the order of the last hour's arrivals stays, whichever era the clock is in."""
    later, earlier = now - ago, now - ago - between
    if now < FIRST or earlier >= FIRST - NEAR:
        assert metric_of_stamp(earlier, now) - metric_of_stamp(later, now) == between


def test_what_arrived_long_before_an_era_is_oldest():
    """Everything an hour older than the era is worth the same, and less than all that came later."""
    assert metric_of_stamp(FIRST - NEAR, FIRST) == metric_of_stamp(FIRST - ERA // 2, FIRST) == OLDEST
    assert metric_of_stamp(FIRST - NEAR + 1, FIRST) == OLDEST - 1


def test_a_stamp_is_worth_the_same_all_through_an_era():
    """Nobody has to be told of anything while an era lasts."""
    assert metric_of_stamp(FIRST + 5, FIRST + 5) == metric_of_stamp(FIRST + 5, FIRST + ERA - 1)
    assert metric_of_stamp(FIRST + 5, FIRST + 5) != metric_of_stamp(FIRST + 5, FIRST + ERA)


def test_a_stamp_far_ahead_of_the_clock_is_oldest():
    """A clock that was years ahead leaves nothing that beats everything."""
    assert metric_of_stamp(NOW + NEAR, NOW) < metric_of_stamp(NOW, NOW)
    assert metric_of_stamp(NOW + NEAR + 1, NOW) == OLDEST


@given(st.integers(FIRST, FIRST + ERA - 1), st.integers(1, OLDEST))
def test_what_is_read_has_the_metric_it_was_read_from(now: int, metric: int):
    """A route that is adopted keeps its metric, unless that is none that a node could have given by now."""
    read = stamp_of_metric(metric, now)
    assert metric_of_stamp(read, now) == (metric if read != LONG_AGO else OLDEST)
    assert (read == LONG_AGO) == (metric < metric_of_stamp(now + NEAR, now))


def test_what_is_no_stamp_is_read_as_oldest():
    """The kernel's own metrics, and those with a distance in them, tell of no arrival."""
    assert [stamp_of_metric(metric, NOW) for metric in (0, 1, 1024, 2**24, 2**32 - 1)] == [LONG_AGO] * 5
    assert stamp_of_metric(0, FIRST - 1) == LONG_AGO


def test_a_clock_set_back_makes_nobody_older():
    """Who arrives again keeps the later stamp of the two, unless it is beyond what a right clock may have given."""
    assert renewed_stamp(NOW, NOW + 1) == NOW + 1
    assert renewed_stamp(NOW, NOW - NEAR) == NOW
    assert renewed_stamp(NOW, NOW - NEAR - 1) == NOW - NEAR - 1


def test_an_era_ends_where_the_next_begins():
    """The end of an era is told in seconds, to wake up at."""
    assert era_of(FIRST - 1) == 52
    assert tick_at(end_of_era(52)) == FIRST
    assert era_of(tick_at(end_of_era(52))) == 53
