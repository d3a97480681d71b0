"""The backend that holds routes and neighbours, and what it returns when it refuses an operation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rdnbr.core.model.fib_entries import Neighbour, Operation, Route
from rdnbr.core.model.reason import Reason

PROTOCOL = 171
"""The origin of all our routes and neighbours (rtm_protocol, NDA_PROTOCOL). They are found by it after a restart, and
zebra tells them from its own by it (11, 42 and 186 to 198 are zebra's)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operation that the kernel did not carry out. The other operations of the batch are carried out."""

    operation: Operation
    reason: Reason
    """FOREIGN_ROUTE when a route or neighbour of another program is in its place, else KERNEL_REFUSED."""
    text: str
    """Why, for people."""


class FibBackend(Protocol):
    """Holds routes and neighbours of our protocol: Linux, or a simulation of it.

    To put an entry that is there, and to drop one that is not, is success.
    """

    def apply(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Carry out `operations` in their order and return those that failed.

        Raises:
            OSError: the kernel did not answer. Any of the operations may have been carried out.
        """

    def read_entries(self, tables: Collection[int] | None = None) -> tuple[set[Route], set[Neighbour]]:
        """Return the entries of our protocol: routes of `tables` (None: of all), and all neighbours.

        Raises:
            OSError: the kernel did not answer.
        """
