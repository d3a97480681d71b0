"""When timers expire: they wait for frames that are unread, but not for ever."""

from rdnbr.daemon.timer_gate import TimerGate


def test_timers_expire_when_all_is_read():
    """While no frame is unread, timers expire in each turn."""
    gate = TimerGate(100.0)
    assert [gate.open(at, unread=False) for at in (100.0, 100.1)] == [True, True]


def test_timers_wait_for_unread_frames():
    """While frames are unread, timers wait."""
    gate = TimerGate(100.0)
    assert not gate.open(101.9, unread=True)


def test_timers_do_not_wait_for_ever():
    """Where frames are always unread, timers expire every two seconds, and no more often."""
    gate = TimerGate(100.0)
    opened = []
    for at in range(1000, 1100):
        if gate.open(at / 10, unread=True):
            gate.restart_wait(at / 10)
            opened.append(at)
    assert opened == [1020, 1040, 1060, 1080]


def test_wait_starts_anew_when_timers_expire():
    """The two seconds count from the last time that no timer was left, for whatever reason."""
    gate = TimerGate(100.0)
    gate.restart_wait(101.5)
    assert not gate.open(103.4, unread=True)
    assert gate.open(103.5, unread=True)


def test_gate_stays_open_until_no_timer_is_due():
    """One turn handles a part of the due timers: the others need not wait two seconds more."""
    gate = TimerGate(100.0)
    assert [gate.open(at, unread=True) for at in (102.0, 102.1, 102.2)] == [True, True, True]
    gate.restart_wait(102.2)
    assert not gate.open(102.3, unread=True)
