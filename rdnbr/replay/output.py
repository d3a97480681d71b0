"""What `replay` prints: for people, or one JSON object a line."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, show_ip, show_mac
from rdnbr.core.model.engine_outputs import Challenger, Decision, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.operator.control import json_views
from rdnbr.operator.text.phrases import counted

_UNTOLD = frozenset({Verb.IGNORED, Verb.REFRESHED})
"""What a person need not see each time."""


class FramedDecision(NamedTuple):
    """A decision, with the frame behind it."""

    decision: Decision
    frame: bytes | None
    """The captured frame that caused the decision; None if it was a timer, or the answer of a simulated guest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left at the end of a replay."""

    frames: int
    claims: int
    refused: Mapping[Reason, int]
    """Frames by reason."""
    ignored: Mapping[Reason, int]
    """Frames by reason."""
    bindings: Sequence[BindingSnapshot]
    kernel: Sequence[str]
    """The kernel's entries, as the commands that would make them."""
    open_mode: bool


class Json:
    """One object a line, the summary last. With `frames` each decision has its frame, in words."""

    def __init__(self, start: float, *, frames: bool) -> None:
        self._start = start
        self._frames = frames

    def write_decisions(self, decisions: Iterable[FramedDecision]) -> Iterator[str]:
        """Write one line a decision."""
        for made, frame in decisions:
            document = json_views.decision(made, self._wall)
            if self._frames:
                document["frame"] = _in_words(frame)
            yield json.dumps(document)

    def write_summary(self, outcome: Outcome) -> Iterator[str]:
        """Write the summary."""
        mode: json_views.Mode = "open" if outcome.open_mode else "allowlist"
        summary = {
            "frames": outcome.frames,
            "claims": outcome.claims,
            "refused": _by_name(outcome.refused),
            "ignored": _by_name(outcome.ignored),
            **json_views.bindings(outcome.bindings, mode, self._wall),
            "kernel": list(outcome.kernel),
        }
        yield json.dumps({"summary": summary})

    def _wall(self, at: float) -> datetime:
        return json_views.epoch(self._start + at)


class Text:
    """Aligned columns; times in seconds since the first frame, as `tcpdump -ttttt` counts them.

    With `frames` the frame that caused a decision is in the line below it, in words.
    """

    def __init__(self, start: float, *, frames: bool) -> None:
        self._start = start
        self._frames = frames
        self._rows: list[tuple[str, ...]] = []
        self._row_frames: list[str | None] = []
        """The frame of each row; None where there is none to print."""
        self._refused: set[tuple[str | None, Reason, IP | None, MAC | None]] = set()

    def write_decisions(self, decisions: Iterable[FramedDecision]) -> Iterator[str]:
        """Keep the decisions that matter, of equal refusals the first; columns align when all are known."""
        for made, frame in decisions:
            if made.verb is Verb.REFUSED:
                same = (made.port, made.reason, made.address, made.mac)
                if same in self._refused:
                    continue
                self._refused.add(same)
            if made.verb not in _UNTOLD:
                self._rows.append(_row(made))
                self._row_frames.append(_in_words(frame) if self._frames else None)
        return iter(())

    def write_summary(self, outcome: Outcome) -> Iterator[str]:
        """Write everything."""
        contended = any(row[-1] != _NOBODY for row in self._rows)
        shown = slice(None) if contended else slice(-1)
        titles, *lines = _table(_DECISION[shown], [row[shown] for row in self._rows])
        yield titles
        for line, frame in zip(lines, self._row_frames, strict=True):
            yield line
            if frame is not None:
                yield f"      frame: {frame}"
        since = (
            f", the first at {json_views.timestamp(json_views.epoch(self._start))}" if outcome.frames else ""
        )
        mode = "no allowlist, every address is permitted" if outcome.open_mode else "by the allowlist"
        yield f"\n{counted(outcome.frames, 'frame')}{since}; {counted(outcome.claims, 'claim')}; {mode}"
        yield from _counts("refused", outcome.refused)
        yield from _counts("ignored", outcome.ignored)
        yield "\nbindings"
        ordered = sorted(outcome.bindings, key=lambda view: (len(view.address), view.address))
        yield from _table(_BINDING, [_binding(view) for view in ordered])
        yield "\nkernel"
        yield from (f"  {line}" for line in outcome.kernel or ["none"])


_DECISION: tuple[str, ...] = ("seconds", "decision", "address", "mac", "port", "reason", "rule", "rival")
"""The last column is left out where nobody contends with anybody."""
_NOBODY = "-"
_BINDING = ("since", "state", "address", "mac", "port", "source", "rule")


def _in_words(frame: bytes | None) -> str | None:
    if frame is None:
        return None
    from rdnbr.operator.text.frame_text import frame_text  # noqa: PLC0415 (scapy takes long to import)

    return frame_text(frame)


def _row(made: Decision) -> tuple[str, ...]:
    return (
        f"{made.at:.6f}",
        made.verb.value,
        "-" if made.address is None else show_ip(made.address),
        "-" if made.mac is None else show_mac(made.mac),
        made.port or "-",
        made.reason.value,
        made.rule or "-",
        _NOBODY if made.challenger is None else _rival(made.challenger),
    )


def _rival(challenger: Challenger) -> str:
    return f"{'-' if challenger.mac is None else show_mac(challenger.mac)} {challenger.port or '-'}"


def _binding(view: BindingSnapshot) -> tuple[str, ...]:
    return (
        f"{view.since:.6f}",
        view.state.value,
        show_ip(view.address),
        show_mac(view.mac),
        view.port or "-",
        view.source.value,
        view.rule or "-",
    )


def _by_name(counts: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.value: counts[reason] for reason in sorted(counts)}


def _counts(title: str, counts: Mapping[Reason, int]) -> Iterator[str]:
    if counts:
        yield f"{title}: " + ", ".join(f"{count} {name}" for name, count in _by_name(counts).items())


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Write columns two spaces apart; the first, a time, to the right, all others to the left."""
    if not rows:
        yield "  none"
        return
    table = [titles, *rows]
    first, *widths = (max(map(len, column)) for column in zip(*table, strict=True))
    for time, *others in table:
        cells = [cell.ljust(width) for cell, width in zip(others, widths, strict=True)]
        yield "  " + "  ".join([time.rjust(first), *cells]).rstrip()
