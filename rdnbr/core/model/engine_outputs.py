"""What the engine emits: decisions for people, desired hosts for the kernel, frames for the ports."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.adoption_note import AdoptionNote
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
    HELD = "held"
    """The routes of a port are held back from now on, or, where the decision has an address, a route of that port."""
    RELEASED = "released"
    """The routes of a port are held back no more."""


class Challenger(NamedTuple):
    """The other anchor of a conflict: it claims a bound address, or has just lost the address."""

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
    """The other anchor of the conflict; the previous anchor, where the address has moved. JSON and the log call it
    `rival_mac` and `rival_port`."""


class Probe(NamedTuple):
    """Send this probe. `frame` is a complete Ethernet frame; the other fields name the host that should answer."""

    port: int
    """ifindex of the port to send it on."""
    address: IP
    mac: MAC
    """The MAC that is probed, also when the frame is broadcast."""
    frame: bytes
    guess: bool = False
    """Whether this is a discovery probe: nobody claimed the address, only the allowlist names it."""


class UnsentProbe(NamedTuple):
    """A probe is due, and the segment has no gateway address of its family to send it from."""

    segment: int
    """ifindex"""
    address: IP


class Announcement(NamedTuple):
    """Send this frame on a port; no answer is awaited."""

    port: int
    """ifindex"""
    frame: bytes


class SnoopData(NamedTuple):
    """Receive the IP packets of a port from now on, besides ARP and NDP; or stop receiving them."""

    port: int
    """ifindex"""
    without: tuple[IP, ...] | None
    """Source addresses that were seen already and are left out; None: receive packets of `awaited` sources only."""
    families: tuple[int, ...] = (4, 16)
    """Bytes of the source addresses that are of interest, those of one family or of both."""
    awaited: tuple[IP, ...] = ()
    """Source addresses whose packets are received in any case."""


class DesiredHost(NamedTuple):
    """The kernel should hold `host` for `key` from now on; None: nothing."""

    key: Key
    host: Host | None


class CoveringPrefix(NamedTuple):
    """A prefix of another interface of the node contains addresses of guests, which keep their routes."""

    prefix: str
    address: IP
    """One of the addresses."""


class NoteForNextRun(NamedTuple):
    """The next run should know this of the adopted binding of a key; None: nothing."""

    key: Key
    note: AdoptionNote | None


Output = (
    Decision | Probe | UnsentProbe | Announcement | SnoopData | DesiredHost | CoveringPrefix | NoteForNextRun
)

Emit = Callable[[Output], None]
"""Takes one output. The parts of the engine emit in the order in which things happen."""
