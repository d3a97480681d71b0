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
        return f"{self.file}:{self.line}: {self.message}"
