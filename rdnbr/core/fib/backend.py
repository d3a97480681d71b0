"""What is asked of a kernel, and what it says when it will not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rdnbr.core.model.fib_entries import Neighbour, Operation, Route
from rdnbr.core.model.reason import Reason

PROTOCOL = 171
"""The origin all our routes and neighbours carry (rtm_protocol, NDA_PROTOCOL): how they are found again after
a restart, and how zebra tells them from its own (it takes 11, 42 and 186 to 198 for its own)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operation the kernel did not carry out; the others of its batch are not touched by it."""

    operation: Operation
    reason: Reason
    """FOREIGN_ROUTE when somebody else's route or neighbour holds the place, else KERNEL_REFUSED."""
    text: str
    """Why, for people."""


class Kernel(Protocol):
    """Holds routes and neighbours of our protocol: Linux, or a pretence of it.

    Putting what is there and dropping what is not is success.
    """

    def apply(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Carry out `operations` in their order and return those that failed."""

    def read_entries(self, tables: Collection[int] | None = None) -> tuple[set[Route], set[Neighbour]]:
        """Return what is there of our protocol: routes of `tables` (None: of all), and all neighbours."""
