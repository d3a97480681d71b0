"""Tables in text: which columns fit, and the lines. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text

GAP = "  "

Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column of a table."""

    title: str
    cell: Callable[[Row], Text]
    rank: int = 0
    """Where the table is too wide, the columns with the highest rank are left out first; those of rank 0 never are."""
    number: bool = False
    """Numbers are at the right."""


class Layout(NamedTuple):
    """A table, ready to be printed."""

    lines: list[Text]
    """The first has the titles."""
    left_out: list[str]
    """The titles of the columns that had no room."""


def lay_out(columns: Sequence[Column], rows: Sequence[Row], width: int | None) -> Layout:
    """Make a table that is at most `width` characters wide, None for any width, if columns may be left out for that.

    No cell is ever cut or folded.
    """
    cells = [[column.cell(row) for row in rows] for column in columns]
    widths = [
        max([len(column.title), *(cell.cell_len for cell in own)])
        for column, own in zip(columns, cells, strict=True)
    ]
    kept = list(range(len(columns)))
    while width is not None and _total(widths, kept) > width:
        last = max(kept, key=lambda number: columns[number].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
    titles = [Text(column.title, style="bold") for column in columns]
    lines = [
        _line(line, [columns[number].number for number in kept], [widths[number] for number in kept])
        for line in [
            [titles[number] for number in kept],
            *([cells[number][row] for number in kept] for row in range(len(rows))),
        ]
    ]
    return Layout(lines, [column.title for number, column in enumerate(columns) if number not in kept])


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[number] for number in kept) + len(GAP) * (len(kept) - 1)


def _line(cells: Sequence[Text], numbers: Sequence[bool], widths: Sequence[int]) -> Text:
    padded = []
    for cell, number, width in zip(cells, numbers, widths, strict=True):
        copy = cell.copy()
        copy.align("right" if number else "left", width)
        padded.append(copy)
    line = Text(GAP).join(padded)
    line.rstrip()
    return line
