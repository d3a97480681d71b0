"""What the engine hands out: decisions for people to see, wishes for the kernel, questions for the wire."""

from enum import StrEnum
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.fib_entries import Host, Key
from rdnbr.core.model.reason import Reason


class Verb(StrEnum):
    """What was decided."""

    LEARNED = "learned"
    REFRESHED = "refreshed"
    INSTALLED = "installed"
    WITHDRAWN = "withdrawn"
    MOVED = "moved"
    CHALLENGED = "challenged"
    KEPT = "kept"
    FROZEN = "frozen"
    REFUSED = "refused"
    EXPIRED = "expired"
    ADOPTED = "adopted"
    NOTED = "noted"
    """Believed, though odd."""
    IGNORED = "ignored"


class Challenger(NamedTuple):
    """The other one, where two contend for an address, or one has just lost it to the other."""

    mac: MAC | None
    """None only for an adopted binding whose neighbour was gone from the kernel."""
    port: str | None
    """Name of its port; None only for an adopted binding of which no frame was seen yet."""


class Decision(NamedTuple):
    """What the engine did with one event, and the one reason why."""

    at: float
    """Seconds on the clock of the events."""
    verb: Verb
    reason: Reason
    address: IP | None = None
    mac: MAC | None = None
    port: str | None = None
    """Name of the port the event came from, or of the binding's anchor."""
    state: State | None = None
    """The state the binding is in now; None where there is none."""
    rule: str | None = None
    """The allowlist rule that decided, as `file:line`."""
    challenger: Challenger | None = None
    """Whom `mac` and `port` contend with; who had the address before, where it moved."""


class Probe(NamedTuple):
    """Send this question. It is a finished Ethernet frame; the rest tells whose answer is awaited."""

    port: int
    """ifindex of the port to send it on."""
    address: IP
    mac: MAC
    """The MAC that is asked, also when the frame is broadcast."""
    frame: bytes
    guess: bool = False
    """Whether nobody claimed the address: then it is only the allowlist that thinks somebody has it."""


class Announcement(NamedTuple):
    """Send this frame on a port; no answer is awaited."""

    port: int
    """ifindex"""
    frame: bytes


class SnoopData(NamedTuple):
    """Hear, besides ARP and NDP, the IP packets of a port from now on, or no longer."""

    port: int
    """ifindex"""
    without: tuple[IP, ...] | None
    """Sources whose packets were heard and need not be heard again; None: no packets any more."""


class DesiredHost(NamedTuple):
    """The kernel should hold `host` for `key` from now on; None: nothing."""

    key: Key
    host: Host | None


Output = Decision | Probe | Announcement | SnoopData | DesiredHost
