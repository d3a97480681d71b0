"""Long results as JSON text in slices: each slice is small enough for one turn of the daemon's loop."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from itertools import groupby, islice
from typing import NamedTuple

from rdnbr import __version__
from rdnbr.core.model.address import family, show_ip
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Decision
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.operator.control import json_views
from rdnbr.operator.control.json_views import Mode, PortView, Wall
from rdnbr.operator.control.protocol import Document, Json

ROWS = 100
"""Rows of one slice; some five milliseconds."""

RUN = 2000
"""Keys that are sorted at once; some five milliseconds."""


COUNTED = 2000
"""Bindings that are counted at once; some two milliseconds."""


class Head(NamedTuple):
    """The first keys of each document."""

    mode: Mode
    waiting: str | None = None
    """What the daemon waits for; None while it serves a bridge."""
    segments: Iterable[Segment] = ()
    """The segments that are served."""
    reload_failed: str | None = None
    """Why the latest reload failed; None if it did not."""
    since: datetime | None = None
    """When the daemon was started; None: it is not known."""

    def document(self) -> Document:
        """Return the keys; one has the gateway addresses that failed duplicate address detection."""
        failed = ((segment.name, address) for segment in self.segments for address in segment.dad_failed)
        return {
            "mode": self.mode,
            "waiting": self.waiting,
            "gateway_dadfailed": [{"bridge": name, "address": show_ip(address)} for name, address in failed],
            "reload_failed": self.reload_failed,
            "since": None if self.since is None else json_views.timestamp(self.since),
            "version": __version__,
        }


def bindings(
    keys: Sequence[Key], snapshot: Callable[[Key], BindingSnapshot | None], head: Head, wall: Wall
) -> Iterator[str]:
    """Yield the document that `json_views.bindings` describes.

    Args:
        keys: of all bindings.
        snapshot: returns a binding as it is when its slice is made; None if it is gone by then, and is left out.
        head: the first keys.
        wall: converts times.
    """
    runs = []
    for start in range(0, len(keys), RUN):
        runs.append(sorted(keys[start : start + RUN], key=_order))
        yield ""  # sorting is work as well: the rest follows in the next turn
    rows = _binding_rows(merge(*runs, key=_order), snapshot, wall)
    yield from _array(head.document(), "bindings", rows)


def ports(views: Iterable[PortView], head: Head) -> Iterator[str]:
    """Yield the document that `json_views.ports` describes."""
    ordered = sorted(views, key=lambda view: (view.bridge, view.name))
    yield from _array(head.document(), "ports", map(json_views.port, ordered))


def events(decisions: Iterable[Decision], head: Head, wall: Wall) -> Iterator[str]:
    """Yield the document that `json_views.events` describes."""
    kept = list(decisions)
    yield from _array(head.document(), "events", (json_views.decision(made, wall) for made in kept))


def counters(
    counts: Iterable[tuple[tuple[str, Reason], int]], kernel_counters: Document, head: Head
) -> Iterator[str]:
    """Yield the document that `json_views.counters` describes."""
    by_port: dict[str, dict[str, int]] = {}
    for (port, reason), count in counts:
        by_port.setdefault(port, {})[reason.value] = count
    members = (f"{_text(port)}: {_text(dict(sorted(by_port[port].items())))}" for port in sorted(by_port))
    opening = f'{_text(head.document())[:-1]}, "counters": {{'
    yield from _join(opening, members, f'}}, "kernel": {_text(kernel_counters)}}}')


def metrics(
    keys: Sequence[Key],
    place_and_state: Callable[[Key], tuple[str, State] | None],
    figures: Document,
    head: Head,
) -> Iterator[str]:
    """Yield the document of `rdnbr metrics`: the figures of the daemon, and its bindings by bridge, family and state.

    Args:
        keys: of all bindings.
        place_and_state: returns the bridge and the state of a binding; None if it is gone by then.
        figures: further keys.
        head: the first keys.
    """
    counts: Counter[tuple[str, int, State]] = Counter()
    for start in range(0, len(keys), COUNTED):
        for key in keys[start : start + COUNTED]:
            found = place_and_state(key)
            if found is not None:
                counts[found[0], family(key.address), found[1]] += 1
        yield ""
    rows: list[Json] = [
        {"bridge": bridge, "family": version, "state": state.value, "count": count}
        for (bridge, version, state), count in sorted(counts.items())
    ]
    yield _text({**head.document(), **figures, "bindings": rows})


def _binding_rows(
    keys: Iterator[Key], snapshot: Callable[[Key], BindingSnapshot | None], wall: Wall
) -> Iterator[Document]:
    for _, same in groupby(keys, key=lambda key: key.address):
        views = [view for key in same if (view := snapshot(key)) is not None]
        for view in sorted(views, key=lambda view: view.segment):
            yield json_views.binding(view, wall)


def _order(key: Key) -> tuple[int, bytes]:
    return len(key.address), key.address


def _array(head: Document, name: str, rows: Iterable[Document]) -> Iterator[str]:
    yield from _join(f"{_text(head)[:-1]}, {_text(name)}: [", map(_text, rows), "]}")


def _join(opening: str, items: Iterable[str], closing: str) -> Iterator[str]:
    left, text = iter(items), opening
    before = ""
    while some := list(islice(left, ROWS)):
        yield f"{text}{before}{', '.join(some)}"
        text, before = "", ", "
    yield text + closing


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
