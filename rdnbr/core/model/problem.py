"""A mistake somebody made in a file."""

from typing import NamedTuple


class Problem(NamedTuple):
    """A mistake, where it is, and how to mend it."""

    file: str
    line: int
    """Counted from 1; also 1 when the whole file is meant."""
    message: str
    """What is wrong, and the cure."""

    def __str__(self) -> str:
        """Write it in one line, whatever the file, or its name, has in it for a terminal to obey."""
        text = f"{self.file}:{self.line}: {self.message}"
        if text.isprintable():
            return text
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
        )
