"""When the loop judges deadlines: it waits for frames that are not read yet, but not for ever."""

from rdnbr.daemon.timer_gate import TimerGate


def test_judgement_follows_what_was_read():
    """When all was read, deadlines are judged in each turn."""
    sittings = TimerGate(100.0)
    assert [sittings.open(at, unread=False) for at in (100.0, 100.1)] == [True, True]


def test_judgement_waits_for_what_is_unread():
    """While frames wait to be read, deadlines wait too."""
    sittings = TimerGate(100.0)
    assert not sittings.open(101.9, unread=True)


def test_judgement_does_not_wait_for_ever():
    """Where reading never ends, deadlines are judged every two seconds, and no more often."""
    sittings = TimerGate(100.0)
    opened = [at for at in range(1000, 1100) if sittings.open(at / 10, unread=True)]
    assert opened == [1020, 1040, 1060, 1080]


def test_wait_begins_with_the_last_judgement():
    """A judgement in its time puts off the one for want of time."""
    sittings = TimerGate(100.0)
    assert sittings.open(101.5, unread=False)
    assert not sittings.open(103.4, unread=True)
    assert sittings.open(103.5, unread=True)
