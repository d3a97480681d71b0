"""A finding: one thing on a node that will not work, and how to correct it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.operator.findings.cure import Cure


class Severity(StrEnum):
    """The severity of a finding, the worst first."""

    PROBLEM = "problem"
    """Guests are not served or not reachable."""
    WARNING = "warning"
    """Guests are served, but some event will break that, or a guest is served that should not be."""
    NOTE = "note"
    """For information."""


class Reach(NamedTuple):
    """Whose packets do not get through while a finding holds."""

    bridges: frozenset[str] | None = None
    """Names of the bridges whose guests it concerns; None: those of all bridges."""
    versions: frozenset[int] = frozenset({4, 6})
    """The IP versions of their addresses."""

    def covers(self, bridge: str | None, version: int) -> bool:
        """Return whether an address of this IP version over this bridge (None: unknown) is concerned."""
        return version in self.versions and (self.bridges is None or bridge is None or bridge in self.bridges)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Its name is a promised interface: scripts select by it."""

    name: str
    severity: Severity
    about: str
    """A bridge, a file with its line, `frr`, `daemon`, or `node`."""
    message: str
    """One sentence."""
    cure: Cure
    """How to correct it."""
    reach: Reach | None = None
    """Whose packets it stops; None: it stops none, or only those of addresses that it names."""


def on(bridge: str, *versions: int) -> Reach:
    """Return the reach of a finding about one bridge, and these IP versions or both."""
    return Reach(frozenset({bridge}), frozenset(versions or (4, 6)))


def unread(about: str, fact: UnreadFact) -> Finding:
    """Return the finding that a fact could not be read."""
    return Finding("not-seen", Severity.NOTE, about, fact.message, Cure.advise(fact.cure))


def problem(name: str, about: str, message: str, cure: Cure, reach: Reach | None = None) -> Finding:
    """Return a finding with the severity PROBLEM."""
    return Finding(name, Severity.PROBLEM, about, message, cure, reach)


def warning(name: str, about: str, message: str, cure: Cure, reach: Reach | None = None) -> Finding:
    """Return a finding with the severity WARNING."""
    return Finding(name, Severity.WARNING, about, message, cure, reach)


def note(name: str, about: str, message: str, cure: Cure) -> Finding:
    """Return a finding with the severity NOTE."""
    return Finding(name, Severity.NOTE, about, message, cure)
