"""A pin: a static, sticky entry of rdnbr in the forwarding database of a bridge."""

from dataclasses import dataclass
from typing import NamedTuple

from rdnbr.core.model.address import MAC


class PinKey(NamedTuple):
    """What a forwarding database has at most one entry for."""

    bridge: int
    """ifindex"""
    mac: MAC


class Pin(NamedTuple):
    """Frames for a MAC leave by this port, whatever port sends from that MAC."""

    key: PinKey
    port: int
    """ifindex"""


@dataclass(frozen=True, slots=True)
class PutPin:
    """Add a pin, in place of a pin to another port and of a learned entry."""

    pin: Pin


@dataclass(frozen=True, slots=True)
class DropPin:
    """Remove a pin."""

    pin: Pin


PinOperation = PutPin | DropPin


class PinRefusal(NamedTuple):
    """An operation that the kernel did not carry out."""

    operation: PinOperation
    text: str
    """Why, for people."""
