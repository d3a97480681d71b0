"""A mistake in a file of the operator."""

from typing import NamedTuple


class Problem(NamedTuple):
    """A mistake, its place, and its correction."""

    file: str
    line: int
    """Counted from 1. It is 1 as well when the mistake concerns the whole file."""
    message: str
    """What is wrong, and how to correct it."""

    def __str__(self) -> str:
        """Write it in one line. Control characters from the file or its name are escaped for the terminal."""
        text = f"{self.file}:{self.line}: {self.message}"
        if text.isprintable():
            return text
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
        )
