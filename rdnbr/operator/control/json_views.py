"""Bindings, decisions, ports and counters as JSON. The names of the keys and their order are promised to scripts.

All functions are pure. The engine's times are seconds on the clock of its events. The caller knows that clock, and
passes `wall`, which turns such a time into a datetime with a time zone.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from rdnbr.core.model.address import family, show_ip, show_mac
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.outputs import Decision
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.operator.control.protocol import Document, Json

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


def ports(views: Iterable[PortView], mode: Mode) -> Document:
    """Return the document of `show ports`."""
    return {
        "mode": mode,
        "ports": [
            {
                "port": view.name,
                "ifindex": view.ifindex,
                "bridge": view.bridge,
                "vm": vm_of(view.name),
                "bindings": view.bindings,
                "frames": view.frames,
                "drops": view.drops,
            }
            for view in sorted(views, key=lambda view: (view.bridge, view.name))
        ],
    }


def counters(
    counts: Mapping[tuple[str, Reason], int], kernel_counters: Mapping[str, int], mode: Mode
) -> Document:
    """Return the document of `show counters`: how many frames of each port ended in each reason.

    Args:
        counts: number of frames by (port name, reason).
        kernel_counters: events of the kernel's tables, by their names.
        mode: whether there is an allowlist.
    """
    by_port: dict[str, dict[str, Json]] = {}
    for (port, reason), count in sorted(counts.items()):
        by_port.setdefault(port, {})[str(reason)] = count
    return {"mode": mode, "counters": {**by_port}, "kernel": {**kernel_counters}}


def events(decisions: Iterable[Decision], mode: Mode, wall: Wall) -> Document:
    """Return the document of `show events`, oldest first."""
    return {"mode": mode, "events": [decision(made, wall) for made in decisions]}
