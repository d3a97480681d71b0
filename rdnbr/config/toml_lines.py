"""TOML that knows where everything stands, and finds every mistake rather than the first.

tomllib tells neither. Both are had by parsing parts of a text again: configuration files are short.
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
"""What tomllib raises: the first when a text is no TOML, and both when Python has had enough of it."""

_ENOUGH = 20
"""After this many mistakes the rest of a text is not worth reading."""


class Toml:
    """A parsed text. What could not be parsed is in `mistakes`, and `values` are of the rest."""

    def __init__(self, text: str) -> None:
        self.mistakes: list[tuple[int, str]] = []
        """Line, counted from 1, and what is wrong there."""
        # Not splitlines(), which counts form feeds and U+2028 too, and TOML does not.
        self._lines = text.replace("\r\n", "\n").split("\n")
        self.values: dict[str, Any] = {}
        while len(self.mistakes) < _ENOUGH:
            try:
                self.values = self._parse(len(self._lines))
            except _UNREADABLE as error:
                self._set_aside(_complaint(error))
            else:
                return

    def line(self, *path: str) -> int:
        """Return the line, counted from 1, in which the key or table at `path` begins; it must be there."""
        return next(line for line, values in self._statements if _holds(values, path))

    @cached_property
    def _statements(self) -> list[tuple[int, dict[str, Any]]]:
        """The line, counted from 1, in which each statement begins, and the values of the text as far as its end."""
        found = []
        begin = 1
        for end in range(1, len(self._lines) + 1):
            try:
                found.append((begin, self._parse(end)))
            except _UNREADABLE:
                continue  # ends within a value of several lines
            begin = end + 1
        return found

    def _parse(self, lines: int) -> dict[str, Any]:
        return tomllib.loads("\n".join(self._lines[:lines]))

    def _set_aside(self, complaint: str) -> None:
        """Note a mistake, and blank the statement it is in, so that the rest can be read."""
        where = _WHERE.search(complaint)
        end = int(where["line"]) if where and where["line"] else len(self._lines)
        end = min(end, len(self._lines))
        begin = next(lines for lines in range(end - 1, -1, -1) if self._parses(lines)) + 1
        what = complaint[: where.start()] if where else complaint
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


def _complaint(error: ValueError | RecursionError) -> str:
    if isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    if isinstance(error, RecursionError):
        return "Too many brackets within brackets (close each with ] or })"
    return "A number has too many digits (put text into quotes)"


def _holds(values: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True
