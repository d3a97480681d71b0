"""A finding: one thing on a node that will not work, and how to correct it."""

from dataclasses import dataclass
from enum import StrEnum

from rdnbr.core.model.unread_fact import UnreadFact


class Severity(StrEnum):
    """The severity of a finding, the worst first."""

    PROBLEM = "problem"
    """Guests are not served or not reachable."""
    WARNING = "warning"
    """Guests are served, but some event will break that, or a guest is served that should not be."""
    NOTE = "note"
    """For information."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Its name is a promised interface: scripts select by it."""

    name: str
    severity: Severity
    about: str
    """A bridge, a file with its line, `frr`, `daemon`, or `node`."""
    message: str
    """One sentence."""
    cure: str
    """How to correct it."""


def unread(about: str, fact: UnreadFact) -> Finding:
    """Return the finding that a fact could not be read."""
    return Finding("not-seen", Severity.NOTE, about, fact.message, fact.cure)


def problem(name: str, about: str, message: str, cure: str) -> Finding:
    """Return a finding with the severity PROBLEM."""
    return Finding(name, Severity.PROBLEM, about, message, cure)


def warning(name: str, about: str, message: str, cure: str) -> Finding:
    """Return a finding with the severity WARNING."""
    return Finding(name, Severity.WARNING, about, message, cure)


def note(name: str, about: str, message: str, cure: str) -> Finding:
    """Return a finding with the severity NOTE."""
    return Finding(name, Severity.NOTE, about, message, cure)
