"""What is found on a node: one thing that will not work, and how to mend it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; the worst first."""

    PROBLEM = "problem"
    """Guests are not served, or not reached."""
    WARNING = "warning"
    """It works until something happens, or serves whom it should not."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Names are promised: scripts select by them."""

    name: str
    severity: Severity
    about: str
    """A bridge, a file with its line, `frr`, `daemon`, or `node`."""
    message: str
    """One sentence."""
    cure: str
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Stands where a fact would be that could not be looked at."""

    message: str
    cure: str

    def finding(self, about: str) -> Finding:
        """Say that it was not seen."""
        return Finding("not-seen", Severity.NOTE, about, self.message, self.cure)


def problem(name: str, about: str, message: str, cure: str) -> Finding:
    """Make a finding of this severity."""
    return Finding(name, Severity.PROBLEM, about, message, cure)


def warning(name: str, about: str, message: str, cure: str) -> Finding:
    """Make a finding of this severity."""
    return Finding(name, Severity.WARNING, about, message, cure)


def note(name: str, about: str, message: str, cure: str) -> Finding:
    """Make a finding of this severity."""
    return Finding(name, Severity.NOTE, about, message, cure)
