"""The token bucket."""

import pytest

from rdnbr.core.primitives.token_bucket import TokenBucket


@pytest.mark.parametrize("start", [0.0, 1.5e6, 1.7e9])
def test_retry_at_the_reserved_time_succeeds(start: float):
    """A caller that retries after the reserved delay gets its token in two tries, whatever the clock's resolution."""
    bucket, now = TokenBucket(200, 50), start
    for _ in range(300):
        tries = 0
        while not bucket.consume(now):
            now += bucket.reserve_retry(now)
            tries += 1
        assert tries <= 2
    assert now - start == pytest.approx(250 / 200, rel=0.25)


@pytest.mark.parametrize("start", [0.0, 1.5e6, 1.7e9])
def test_each_caller_has_a_reserved_time_of_its_own(start: float):
    """Five hundred waiting callers get different times, and each gets its token at its first retry."""
    bucket = TokenBucket(100, 1)
    assert bucket.consume(start)
    times = [start + bucket.reserve_retry(start) for _ in range(500)]
    assert times[-1] - start == pytest.approx(5.0, rel=0.01)
    assert all(bucket.consume(at) for at in times)


def test_reservations_end_when_the_bucket_is_full():
    """Once the bucket was full, a new caller waits for one token only, however many callers had reserved a time."""
    bucket = TokenBucket(100, 2)
    assert bucket.consume(0.0, 2)
    for _ in range(1000):
        bucket.reserve_retry(0.0)
    assert bucket.consume(1.0, 2)
    assert not bucket.consume(1.0)
    assert bucket.reserve_retry(1.0) == pytest.approx(0.01)


def test_burst_after_a_rest():
    """An idle bucket fills up to its burst, and no further."""
    bucket = TokenBucket(10, 3)
    assert [bucket.consume(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.consume(60.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.consume(60.1) for _ in range(2)] == [True, False]


def test_all_or_none():
    """If fewer than `count` tokens are there, none is removed."""
    bucket = TokenBucket(10, 3)
    assert not bucket.consume(0.0, 4)
    assert bucket.consume(0.0, 3)
