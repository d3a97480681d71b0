"""What is found on a node: one thing that will not work, and how to mend it."""

from dataclasses import dataclass
from enum import StrEnum

from rdnbr.core.model.unseen import Unseen


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


def not_seen(about: str, unseen: Unseen) -> Finding:
    """Make the finding that a fact could not be looked at."""
    return Finding("not-seen", Severity.NOTE, about, unseen.message, unseen.cure)


def problem(name: str, about: str, message: str, cure: str) -> Finding:
    """Make a finding of this severity."""
    return Finding(name, Severity.PROBLEM, about, message, cure)


def warning(name: str, about: str, message: str, cure: str) -> Finding:
    """Make a finding of this severity."""
    return Finding(name, Severity.WARNING, about, message, cure)


def note(name: str, about: str, message: str, cure: str) -> Finding:
    """Make a finding of this severity."""
    return Finding(name, Severity.NOTE, about, message, cure)
