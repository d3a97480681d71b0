"""The recent events, and the observers."""

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.operator.logging.events import EVENTS, REFUSALS, Events


def decision(at, verb=Verb.INSTALLED):
    return Decision(float(at), verb, Reason.EVIDENCE)


def test_recent():
    """Events are kept in their order; decisions that every frame causes are not."""
    events = Events(print)
    for at, verb in enumerate([Verb.INSTALLED, Verb.REFUSED, Verb.REFRESHED, Verb.IGNORED, Verb.WITHDRAWN]):
        events.publish(decision(at, verb))
    assert [made.at for made in events.recent()] == [0.0, 1.0, 4.0]


def test_refusals_do_not_push_out_events():
    """However much is refused, the events stay."""
    events = Events(print)
    events.publish(decision(0))
    for at in range(1, 5000):
        events.publish(decision(at, Verb.REFUSED))
    kept = list(events.recent())
    assert kept[0].at == 0.0
    assert len(kept) == REFUSALS + 1


def test_last_refused_frame():
    """The last refused frame of an address is kept as long as its refusal; other decisions keep none."""
    events = Events(print)
    one, other = parse_ip("192.0.2.1"), parse_ip("192.0.2.2")
    refused = decision(1, Verb.REFUSED)._replace(address=one)
    for frame in (b"first", b"last", None):
        events.publish(refused, frame)
    events.publish(refused._replace(address=other, verb=Verb.INSTALLED), b"installed")
    assert (events.last_refused_frame(one), events.last_refused_frame(other)) == (b"last", None)
    for _ in range(REFUSALS):
        events.publish(refused._replace(address=other), b"other")
    assert (events.last_refused_frame(one), events.last_refused_frame(other)) == (None, b"other")


def test_history_is_bounded():
    """The oldest events go."""
    events = Events(print)
    for at in range(EVENTS + 10):
        events.publish(decision(at))
    assert next(iter(events.recent())).at == 10.0


def test_observers():
    """All observers are called with every decision."""
    events = Events(print)
    one, other = [], []
    events.subscribe("one", lambda *made: one.append(made))
    events.subscribe("other", lambda *made: other.append(made))
    events.publish(decision(1, Verb.REFRESHED), b"frame")
    assert one == other == [(decision(1, Verb.REFRESHED), b"frame")]


def test_observer_that_fails():
    """An observer that raises is reported and not called again; the others are."""
    reports, seen = [], []
    events = Events(reports.append)
    events.subscribe("broken", lambda *_: 1 / 0)
    events.subscribe("good", lambda made, _: seen.append(made))
    events.publish(decision(1))
    events.publish(decision(2))
    assert reports == [
        "broken failed and is no longer told of decisions: ZeroDivisionError('division by zero')"
    ]
    assert len(seen) == 2
