"""A question of a guest, by ARP or NS, that nobody answers."""

from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC


class Question(NamedTuple):
    """A guest asks who has `target`."""

    mac: MAC
    """Of the guest that asks."""
    address: IP
    """The address of the guest."""
    target: IP
    repeated: int
    """How many times it was asked since it was asked three times in a row, those included."""
    last: float
    """When it was asked last, in seconds."""
