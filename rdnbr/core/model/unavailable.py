"""A fact that could not be read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Stands for a fact that could not be read from the kernel, FRR or the daemon."""

    message: str
    """What could not be read, and why. One sentence."""
    cure: str
    """What the operator can do about it."""
