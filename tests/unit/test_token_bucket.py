"""The token bucket."""

import pytest

from rdnbr.core.primitives.token_bucket import TokenBucket


@pytest.mark.parametrize("start", [0.0, 1.5e6, 1.7e9])
def test_waiting_as_long_as_told_suffices(start: float):
    """Who comes back after `wait` gets its token soon, whatever the clock's grain."""
    pace, now = TokenBucket(200, 50), start
    for _ in range(300):
        tries = 0
        while not pace.take(now):
            now += pace.wait(now)
            tries += 1
        assert tries <= 2
    assert now - start == pytest.approx(250 / 200, rel=0.25)


@pytest.mark.parametrize("start", [0.0, 1.5e6, 1.7e9])
def test_each_who_waits_has_a_turn_of_its_own(start: float):
    """A crowd comes back one by one, each in time for a token, so that nobody asks twice."""
    pace = TokenBucket(100, 1)
    assert pace.take(start)
    turns = [start + pace.wait(start) for _ in range(500)]
    assert turns[-1] - start == pytest.approx(5.0, rel=0.01)
    assert all(pace.take(turn) for turn in turns)


def test_a_crowd_that_left_is_waited_for_no_longer():
    """After a rest a newcomer waits for one token only, however many had been waiting."""
    pace = TokenBucket(100, 2)
    assert pace.take(0.0, 2)
    for _ in range(1000):
        pace.wait(0.0)
    assert pace.take(1.0, 2)
    assert not pace.take(1.0)
    assert pace.wait(1.0) == pytest.approx(0.01)


def test_burst_after_a_rest():
    """A rest saves up as many as the burst has, and no more."""
    pace = TokenBucket(10, 3)
    assert [pace.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [pace.take(60.0) for _ in range(4)] == [True, True, True, False]
    assert [pace.take(60.1) for _ in range(2)] == [True, False]


def test_all_or_none():
    """A count that is not there takes nothing."""
    pace = TokenBucket(10, 3)
    assert not pace.take(0.0, 4)
    assert pace.take(0.0, 3)
