"""A fact that could not be read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnreadFact:
    """Stands in the place of a fact that could not be read from the kernel, FRR or the daemon."""

    message: str
    """What could not be read, and why. One sentence."""
    cure: str
    """What the operator can do about it."""
