"""Long results as JSON text in slices: each slice is small enough for one turn of the daemon's loop."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice

from rdnbr.core.model.address import show_ip
from rdnbr.core.model.engine_outputs import Decision
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.operator.control import json_views
from rdnbr.operator.control.json_views import Mode, PortView, Wall
from rdnbr.operator.control.protocol import Document, Json

ROWS = 200
"""Rows of one slice; some five milliseconds."""

RUN = 4000
"""Keys that are sorted at once; some five milliseconds."""


def bindings(
    keys: Sequence[Key],
    snapshot: Callable[[Key], BindingSnapshot | None],
    mode: Mode,
    wall: Wall,
    segments: Iterable[Segment] = (),
) -> Iterator[str]:
    """Yield the document that `json_views.bindings` describes, and the gateway addresses that failed.

    Args:
        keys: of all bindings.
        snapshot: returns a binding as it is when its slice is made; None if it is gone by then, and is left out.
        mode: open or by allowlist.
        wall: converts times.
        segments: those that are served.
    """
    runs = []
    for start in range(0, len(keys), RUN):
        runs.append(sorted(keys[start : start + RUN], key=_order))
        yield ""  # sorting is work as well: the rest follows in the next turn
    rows = _binding_rows(merge(*runs, key=_order), snapshot, wall)
    yield from _array(_head(mode, segments), "bindings", rows)


def ports(views: Iterable[PortView], mode: Mode, segments: Iterable[Segment] = ()) -> Iterator[str]:
    """Yield a document with the ports that `json_views.port` describes, and the gateway addresses that failed."""
    ordered = sorted(views, key=lambda view: (view.bridge, view.name))
    yield from _array(_head(mode, segments), "ports", map(json_views.port, ordered))


def events(decisions: Iterable[Decision], mode: Mode, wall: Wall) -> Iterator[str]:
    """Yield the document that `json_views.events` describes."""
    kept = list(decisions)
    yield from _array({"mode": mode}, "events", (json_views.decision(made, wall) for made in kept))


def counters(
    counts: Iterable[tuple[tuple[str, Reason], int]], kernel_counters: Document, mode: Mode
) -> Iterator[str]:
    """Yield the document that `json_views.counters` describes."""
    by_port: dict[str, dict[str, int]] = {}
    for (port, reason), count in counts:
        by_port.setdefault(port, {})[reason.value] = count
    members = (f"{_text(port)}: {_text(dict(sorted(by_port[port].items())))}" for port in sorted(by_port))
    opening = f'{{"mode": {_text(mode)}, "counters": {{'
    yield from _join(opening, members, f'}}, "kernel": {_text(kernel_counters)}}}')


def _binding_rows(
    keys: Iterator[Key], snapshot: Callable[[Key], BindingSnapshot | None], wall: Wall
) -> Iterator[Document]:
    for _, same in groupby(keys, key=lambda key: key.address):
        views = [view for key in same if (view := snapshot(key)) is not None]
        for view in sorted(views, key=lambda view: view.segment):
            yield json_views.binding(view, wall)


def _head(mode: Mode, segments: Iterable[Segment]) -> Document:
    failed = ((segment.name, address) for segment in segments for address in segment.dad_failed)
    return {
        "mode": mode,
        "gateway_dadfailed": [{"bridge": name, "address": show_ip(address)} for name, address in failed],
    }


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
