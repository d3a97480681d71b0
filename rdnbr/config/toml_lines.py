"""A TOML parser that gives the line of each key, and reports every mistake rather than the first.

tomllib gives neither. This module parses parts of the text again to get both. Configuration files are short enough.
"""

import re
import tomllib
from functools import cached_property
from typing import Any

_WHERE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")

_CURES = {
    "Invalid value": 'a text needs quotes, as in level = "info"; true and false are lower case',
    "Cannot overwrite a value": "the key is set twice, remove one of them",
    "Expected '=' after a key in a key/value pair": "write key = value",
    "Expected newline or end of document after a statement": "write one key = value in each line",
    "Unclosed array": "close it with ]",
}

_UNREADABLE = (ValueError, RecursionError)
"""Exceptions of tomllib: ValueError for invalid TOML and for too many digits, RecursionError for deep nesting."""

_MAX_MISTAKES = 20
"""Parsing stops after this many mistakes."""


class Toml:
    """A parsed text. `mistakes` lists the statements that could not be parsed; `values` holds the rest."""

    def __init__(self, text: str) -> None:
        self.mistakes: list[tuple[int, str]] = []
        """Line, counted from 1, and the message."""
        # splitlines() would also split at form feeds and U+2028, which are no line ends in TOML.
        self._lines = text.replace("\r\n", "\n").split("\n")
        self.values: dict[str, Any] = {}
        while len(self.mistakes) < _MAX_MISTAKES:
            try:
                self.values = self._parse(len(self._lines))
            except _UNREADABLE as error:
                self._blank_statement(_message_of(error))
            else:
                return

    def line(self, *path: str) -> int:
        """Return the line, counted from 1, in which the key or table at `path` begins. `path` must exist."""
        return next(line for line, values in self._statements if _contains(values, path))

    @cached_property
    def _statements(self) -> list[tuple[int, dict[str, Any]]]:
        """For each statement: its first line, counted from 1, and the values of the text up to its end."""
        statements = []
        begin = 1
        for end in range(1, len(self._lines) + 1):
            try:
                statements.append((begin, self._parse(end)))
            except _UNREADABLE:
                continue  # `end` is within a value of several lines
            begin = end + 1
        return statements

    def _parse(self, lines: int) -> dict[str, Any]:
        return tomllib.loads("\n".join(self._lines[:lines]))

    def _blank_statement(self, error: str) -> None:
        """Add a mistake, and blank its statement, so that the rest can be parsed."""
        where = _WHERE.search(error)
        end = int(where["line"]) if where and where["line"] else len(self._lines)
        end = min(end, len(self._lines))
        begin = next(lines for lines in range(end - 1, -1, -1) if self._parses(lines)) + 1
        what = error[: where.start()] if where else error
        cure = _CURES.get(what)
        message = f"{what} ({cure})" if cure else what
        self.mistakes.append((begin, message))
        for line in range(begin - 1, max(begin, end - 1)):
            self._lines[line] = ""

    def _parses(self, lines: int) -> bool:
        try:
            self._parse(lines)
        except _UNREADABLE:
            return False
        return True


def _message_of(error: ValueError | RecursionError) -> str:
    if isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    if isinstance(error, RecursionError):
        return "Too many brackets within brackets (close each with ] or })"
    return "A number has too many digits (put text into quotes)"


def _contains(values: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True
