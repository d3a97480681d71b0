"""The waits between the tries of something that fails."""

from rdnbr.core.primitives.back_off import BackOff


def test_waits_double_up_to_the_last():
    """The waits are 1, 2, 4 ... seconds, and none is longer than the last."""
    back_off, now, waits = BackOff(1.0, 30.0), 100.0, []
    for _ in range(7):
        waits.append(back_off.record_failure(now))
        assert back_off.retry_at == now + waits[-1]
        now = back_off.retry_at
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_try_is_due_on_the_dot():
    """Before the first failure a try is always due; after a failure it is due at the planned time and not before."""
    back_off = BackOff(1.0, 30.0)
    assert (back_off.failing, back_off.retry_at, back_off.is_due(0.0)) == (False, None, True)
    back_off.record_failure(5.0)
    assert back_off.failing
    assert [back_off.is_due(now) for now in (5.0, 5.999, 6.0, 7.0)] == [False, False, True, True]


def test_a_success_starts_anew():
    """After a success a try is due at once, and the next failure waits for the shortest time."""
    back_off = BackOff(1.0, 30.0)
    back_off.record_failure(0.0)
    back_off.record_failure(1.0)
    back_off.record_success()
    assert (back_off.failing, back_off.retry_at, back_off.is_due(1.0)) == (False, None, True)
    assert back_off.record_failure(2.0) == 1.0


def test_a_hold_down_counts_as_a_wait():
    """A wait that was ordered from outside is kept, and the failure after it waits twice as long."""
    back_off = BackOff(1.0, 60.0)
    assert back_off.hold_down(0.0, 10.0) == 10.0
    assert back_off.retry_at == 10.0
    assert back_off.record_failure(10.0) == 20.0
