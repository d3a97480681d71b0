"""Bindings, decisions, ports and counters as JSON. The names of the keys and their order are promised to scripts.

All functions are pure. The engine's times are seconds on the clock of its events. The caller knows that clock, and
passes `wall`, which turns such a time into a datetime with a time zone.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from rdnbr.core.model.address import family, show_ip, show_mac
from rdnbr.core.model.engine_outputs import Decision
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.question import Question
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.operator.control.protocol import Document

Wall = Callable[[float], datetime]
"""Turns seconds on the clock of the events into a datetime with a time zone."""

Mode = Literal["open", "allowlist"]
"""Whether an allowlist permits addresses, or every guest may claim every address that is not special."""


class PortView(NamedTuple):
    """One port, as `rdnbr show ports` shows it."""

    name: str
    ifindex: int
    bridge: str
    bindings: int
    """How many addresses are bound to it, without departed ones."""
    frames: int
    """Frames received."""
    drops: int
    """Frames that the kernel dropped because the socket's buffer was full (PACKET_STATISTICS)."""
    damped_until: datetime | None = None
    """Until when the routes of the port are held back, since it flaps; None if they are not."""
    unanswered: tuple[Question, ...] = ()
    """What guests on the port ask for and nobody answers."""


def epoch(at: float) -> datetime:
    """Turn seconds since 1970 into a datetime: the `Wall` of a capture, and of times that were decoded from JSON."""
    return datetime.fromtimestamp(at, UTC)


def timestamp(moment: datetime) -> str:
    """Write a time in the format of RFC 3339, in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def binding(view: BindingSnapshot, wall: Wall) -> Document:
    """Return one binding."""
    return {
        "address": show_ip(view.address),
        "family": family(view.address),
        "mac": show_mac(view.mac),
        "port": view.port,
        "bridge": view.segment,
        "vlan": view.vlan,
        "vm": None if view.port is None else vm_of(view.port),
        "state": view.state.value,
        "installed": view.installed,
        "source": view.source.value,
        "since": timestamp(wall(view.since)),
        "last_seen": timestamp(wall(view.last_seen)),
        "rule": view.rule,
        "unsent": view.unsent and view.unsent.value,
        "physical_mac": None if view.physical_mac is None else show_mac(view.physical_mac),
    }


def decision(made: Decision, wall: Wall) -> Document:
    """Return one decision."""
    challenger = made.challenger
    return {
        "at": timestamp(wall(made.at)),
        "address": None if made.address is None else show_ip(made.address),
        "mac": None if made.mac is None else show_mac(made.mac),
        "port": made.port,
        "decision": made.verb.value,
        "reason": made.reason.value,
        "state": None if made.state is None else made.state.value,
        "rule": made.rule,
        "rival_mac": None if challenger is None or challenger.mac is None else show_mac(challenger.mac),
        "rival_port": None if challenger is None else challenger.port,
    }


def bindings(views: Iterable[BindingSnapshot], mode: Mode, wall: Wall) -> Document:
    """Return the document of `show bindings`, IPv4 first, each family in the order of its addresses."""
    ordered = sorted(views, key=lambda view: (len(view.address), view.address, view.segment))
    return {"mode": mode, "bindings": [binding(view, wall) for view in ordered]}


def port(view: PortView) -> Document:
    """Return one port."""
    return {
        "port": view.name,
        "ifindex": view.ifindex,
        "bridge": view.bridge,
        "vm": vm_of(view.name),
        "bindings": view.bindings,
        "frames": view.frames,
        "drops": view.drops,
        "damped_until": None if view.damped_until is None else timestamp(view.damped_until),
        "unanswered": [question(one) for one in view.unanswered],
    }


def question(asked: Question) -> Document:
    """Return one question that nobody answers."""
    return {
        "mac": show_mac(asked.mac),
        "address": show_ip(asked.address),
        "target": show_ip(asked.target),
        "times": asked.repeated,
    }
