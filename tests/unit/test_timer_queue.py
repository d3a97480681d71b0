"""The queue of deadlines."""

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.primitives.timer_queue import TimerQueue

A, B, C = (Key(254, parse_ip(f"2.57.57.{number}")) for number in (1, 2, 3))


def test_earliest_first():
    """Deadlines are popped in the order of their times, each once."""
    deadlines = TimerQueue()
    for key, at in ((A, 3.0), (B, 1.0), (C, 2.0)):
        deadlines.set(key, at)
    assert deadlines.next_deadline() == 1.0
    assert [deadlines.pop(2.5) for _ in range(3)] == [(1.0, B), (2.0, C), None]
    assert deadlines.next_deadline() == 3.0


def test_due_at_its_very_time():
    """A deadline is due at its time, and not before."""
    deadlines = TimerQueue()
    deadlines.set(A, 1.0)
    assert deadlines.pop(0.9999) is None
    assert deadlines.pop(1.0) == (1.0, A)
    assert deadlines.next_deadline() is None


def test_latest_deadline_of_a_key_counts():
    """A deadline that was changed, to earlier, later or back again, is popped once, at the time set last."""
    deadlines = TimerQueue()
    for at in (5.0, 2.0, 9.0, 5.0):
        deadlines.set(A, at)
    assert deadlines.pop(4.9) is None
    assert deadlines.pop(10.0) == (5.0, A)
    assert deadlines.pop(10.0) is None


def test_discarded_key_has_no_deadline():
    """A discarded key has no deadline until it is set again; an unknown key can be discarded too."""
    deadlines = TimerQueue()
    deadlines.set(A, 1.0)
    deadlines.discard(A)
    deadlines.discard(B)
    assert deadlines.next_deadline() is None
    assert len(deadlines) == 0
    deadlines.set(A, 1.0)
    assert deadlines.pop(1.0) == (1.0, A)
    assert deadlines.pop(1.0) is None


def test_changes_do_not_make_the_heap_grow():
    """After a hundred thousand changes of one deadline the heap holds few entries."""
    deadlines = TimerQueue()
    for number in range(100_000):
        deadlines.set(A, float(number))
    assert len(deadlines) == 1
    assert len(deadlines._heap) <= 68
    assert deadlines.pop(1e6) == (99_999.0, A)
