"""The recent decisions, and the observers of all decisions."""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import merge

from rdnbr.core.model.address import IP
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.operator.control import json_views
from rdnbr.operator.control.json_views import Wall
from rdnbr.operator.control.server import ControlServer

Observer = Callable[[Decision, bytes | None], None]
"""Gets a decision, and the Ethernet frame that caused it; None if no frame did."""

EVENTS = 1000
"""Decisions kept."""
REFUSALS = 200
"""Refusals kept. In a queue of their own: a guest that is refused all the time must not push out other events."""

UNEVENTFUL = frozenset({Verb.REFRESHED, Verb.IGNORED})
"""Most decisions: they are counted, and logged at level debug, but are no events."""


class Events:
    """Publishes each decision to the observers, and keeps the recent ones."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """Start without observers.

        Args:
            report: logs one sentence about an observer that failed.
        """
        self._report = report
        self._observers: dict[str, Observer] = {}
        self._events: deque[Decision] = deque(maxlen=EVENTS)
        self._refusals: deque[Decision] = deque(maxlen=REFUSALS)
        self._refused_frames: deque[bytes | None] = deque(maxlen=REFUSALS)
        """The frames of the refusals; the receiver has cut them to `SNAP` bytes each."""

    def subscribe(self, name: str, observer: Observer) -> None:
        """Call `observer` with every decision from now on; `name` is its name in a report."""
        self._observers[name] = observer

    def publish(self, decision: Decision, frame: bytes | None = None) -> None:
        """Keep a decision, and call all observers with it. An observer that raises is removed and reported.

        Args:
            decision: of the engine.
            frame: the Ethernet frame that caused it, which is kept with a refusal; None if no frame did.
        """
        if decision.verb is Verb.REFUSED:
            self._refusals.append(decision)
            self._refused_frames.append(frame)
        elif decision.verb not in UNEVENTFUL:
            self._events.append(decision)
        for name, observer in list(self._observers.items()):
            try:
                observer(decision, frame)
            except Exception as error:  # noqa: BLE001 (no observer may stop the decisions)
                del self._observers[name]
                self._report(f"{name} failed and is no longer told of decisions: {error!r}")

    def recent(self) -> Iterable[Decision]:
        """Return the events that are kept, oldest first."""
        return merge(self._events, self._refusals, key=lambda decision: decision.at)

    def last_refused_frame(self, address: IP) -> bytes | None:
        """Return the last frame that was refused about an address; None if none is kept."""
        kept = zip(reversed(self._refusals), reversed(self._refused_frames), strict=True)
        return next((frame for made, frame in kept if made.address == address and frame is not None), None)


def to_watchers(control: ControlServer, wall: Wall) -> Observer:
    """Return the observer that sends events to the clients of `rdnbr watch`."""

    def observe(decision: Decision, frame: bytes | None) -> None:
        if decision.verb not in UNEVENTFUL and control.watched:
            control.send_to_watchers(json_views.decision(decision, wall), frame)

    return observe
