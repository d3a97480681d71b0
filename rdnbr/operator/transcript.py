"""What `replay` prints: for people, or one JSON object a line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rdnbr.core.address import show_ip, show_mac
from rdnbr.core.decision import Decision, Verb
from rdnbr.core.engine import View
from rdnbr.core.reason import Reason
from rdnbr.operator import views

_UNTOLD = frozenset({Verb.IGNORED, Verb.REFRESHED})
"""What a person need not see each time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left at the end of a replay."""

    frames: int
    claims: int
    refused: Mapping[Reason, int]
    """Frames by reason."""
    ignored: Mapping[Reason, int]
    """Frames by reason."""
    bindings: Sequence[View]
    kernel: Sequence[str]
    """The kernel's entries, as the commands that would make them."""
    open_mode: bool


class Json:
    """One object a line, the summary last."""

    def tell(self, start: float, decisions: Iterable[Decision]) -> None:
        """Print decisions; their times count from `start`, in seconds since the epoch."""
        for made in decisions:
            print(json.dumps(views.decision(made, _wall(start))))

    def end(self, start: float, outcome: Outcome) -> None:
        """Print the summary."""
        mode: views.Mode = "open" if outcome.open_mode else "allowlist"
        summary = {
            "frames": outcome.frames,
            "claims": outcome.claims,
            "refused": _by_name(outcome.refused),
            "ignored": _by_name(outcome.ignored),
            **views.bindings(outcome.bindings, mode, _wall(start)),
            "kernel": list(outcome.kernel),
        }
        print(json.dumps({"summary": summary}))


class Text:
    """Aligned columns; times in seconds since the first frame, as `tcpdump -ttttt` counts them."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, ...]] = []
        self._refused: set[tuple[str | None, Reason, bytes | None, bytes | None]] = set()

    def tell(self, start: float, decisions: Iterable[Decision]) -> None:  # noqa: ARG002 - as Json's
        """Keep the decisions that matter, and of equal refusals the first."""
        for made in decisions:
            if made.verb in _UNTOLD:
                continue
            if made.verb is Verb.REFUSED:
                same = (made.port, made.reason, made.address, made.mac)
                if same in self._refused:
                    continue
                self._refused.add(same)
            self._rows.append(_row(made))

    def end(self, start: float, outcome: Outcome) -> None:
        """Print everything."""
        _print_table(("seconds", "decision", "address", "mac", "port", "reason", "rule"), self._rows)
        mode = "open, every address is permitted" if outcome.open_mode else "by the allowlist"
        since = f", the first at {views.timestamp(views.epoch(start))}" if outcome.frames else ""
        print(f"\n{outcome.frames} frames{since}; {outcome.claims} claims; mode: {mode}")
        _print_counts("refused", outcome.refused)
        _print_counts("ignored", outcome.ignored)
        print("\nbindings")
        ordered = sorted(outcome.bindings, key=lambda view: (len(view.address), view.address))
        rows = [
            (
                show_ip(view.address),
                show_mac(view.mac),
                view.port or "-",
                view.state.value,
                view.source.value,
                f"{view.since:.6f}",
                view.rule or "-",
            )
            for view in ordered
        ]
        _print_table(("address", "mac", "port", "state", "source", "since", "rule"), rows)
        print("\nkernel")
        for line in outcome.kernel or ["nothing"]:
            print(f"  {line}")


def _row(made: Decision) -> tuple[str, ...]:
    return (
        f"{made.at:.6f}",
        made.verb.value,
        "-" if made.address is None else show_ip(made.address),
        "-" if made.mac is None else show_mac(made.mac),
        made.port or "-",
        made.reason.value,
        made.rule or "-",
    )


def _wall(start: float) -> views.Wall:
    def wall(at: float) -> datetime:
        return views.epoch(start + at)

    return wall


def _by_name(counts: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.value: counts[reason] for reason in sorted(counts)}


def _print_counts(title: str, counts: Mapping[Reason, int]) -> None:
    if counts:
        print(f"{title}: " + ", ".join(f"{count} {name}" for name, count in _by_name(counts).items()))


def _print_table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns two spaces apart; times to the right, all else to the left."""
    if not rows:
        print("  none")
        return
    table = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        for place, title in enumerate(titles):
            if title in ("seconds", "since"):
                cells[place] = row[place].rjust(widths[place])
        print("  " + "  ".join(cells).rstrip())
