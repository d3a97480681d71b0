"""A fact that could not be looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unseen:
    """Stands in the place of a fact that could not be looked at."""

    message: str
    """What was not looked at, and why; one sentence."""
    cure: str
