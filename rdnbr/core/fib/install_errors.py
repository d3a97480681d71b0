"""The entries that the kernel refuses, by address. Each is tried again and again, and reported once."""

from collections.abc import Iterable
from dataclasses import dataclass

from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.diff import entry_of
from rdnbr.core.model.address import IP
from rdnbr.core.model.fib_entries import Operation
from rdnbr.core.primitives.bounded_map import BoundedMap

REMEMBERED = 4096
"""Addresses whose last refusal is remembered. The refusal of an older one may be reported again."""


@dataclass(frozen=True, slots=True)
class RefusalReport:
    """What the kernel refused at one time for one reason."""

    first: Operation
    text: str
    """The reason, for people."""
    addresses: int
    """How many addresses it is about."""


class InstallErrors:
    """The last refusal of each address."""

    def __init__(self) -> None:
        self._texts: BoundedMap[IP, str] = BoundedMap(REMEMBERED)

    def record(self, refusals: Iterable[Refusal]) -> list[RefusalReport]:
        """Record what was refused at one time. Return the refusals that are new, those of one reason together."""
        new: dict[str, dict[IP, Operation]] = {}
        for refusal in refusals:
            address = entry_of(refusal.operation).address
            if self._texts.get(address) != refusal.text:
                new.setdefault(refusal.text, {}).setdefault(address, refusal.operation)
            self._texts.put(address, refusal.text)
        return [
            RefusalReport(next(iter(operations.values())), text, len(operations))
            for text, operations in new.items()
        ]

    def text(self, address: IP) -> str | None:
        """Return why the kernel refused an entry of an address; None if it did not, or has accepted it since."""
        return self._texts.get(address)

    def forget(self, address: IP) -> None:
        """The kernel has accepted the entries of an address: the next refusal is new."""
        self._texts.pop(address)
