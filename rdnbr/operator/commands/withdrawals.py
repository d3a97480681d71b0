"""`rdnbr check --against`: whom an allowlist would withdraw, of the guests that the running daemon has. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from rdnbr.core.model.address import ZERO_MAC, show_ip, show_mac
from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.authorization import Authorization
from rdnbr.operator.control.bound_addresses import BoundAddress
from rdnbr.operator.text.phrases import counted


class PortName(NamedTuple):
    """A port that the daemon serves."""

    name: str
    bridge: str


class Refusal(NamedTuple):
    """A binding that the allowlist does not permit."""

    bound: BoundAddress
    reason: Reason
    """NOT_PERMITTED, DENIED or PINNED."""
    rule: str | None
    """The rule that refuses it, as `file:line`."""

    def __str__(self) -> str:
        """Write it as a line of `rdnbr check --against`."""
        one = self.bound
        what = "would not come back" if one.state is State.DEPARTED else "would be withdrawn"
        at = f" ({self.rule})" if self.rule is not None else ""
        return (
            f"{show_ip(one.address)}: {what}: {show_mac(one.mac)} on {one.port or one.bridge}: "
            f"{self.reason.value}{at}"
        )


def refusals(
    allowlist: Allowlist | None, bound: Iterable[BoundAddress], ports: Iterable[PortName]
) -> list[Refusal]:
    """Return the bindings that an allowlist refuses: those that a reload withdraws, then the departed ones.

    Args:
        allowlist: the new one; None permits everything.
        bound: all bindings of the daemon.
        ports: all ports of the daemon. An adopted binding whose port is not known yet may be on each of its bridge.
    """
    if allowlist is None:
        return []
    bound, ports = list(bound), list(ports)
    names = dict.fromkeys([*(port.bridge for port in ports), *(one.bridge for one in bound)])
    segments = {number: _segment(number, name) for number, name in enumerate(names, start=1)}
    numbers = {segment.name: number for number, segment in segments.items()}
    places = dict.fromkeys(
        [*ports, *(PortName(one.port, one.bridge) for one in bound if one.port is not None)]
    )
    indexes = {place: index for index, place in enumerate(places, start=1)}
    policy = Authorization(
        allowlist,
        segments,
        {index: Port(index, place.name, numbers[place.bridge]) for place, index in indexes.items()},
    )
    found = []
    for one in bound:
        port = None if one.port is None else indexes[PortName(one.port, one.bridge)]
        verdict = policy.authorize(
            one.address, Anchor(port, one.mac), numbers[one.bridge], one.physical_mac, live=True
        )
        if verdict.reason is not None:
            found.append(Refusal(one, verdict.reason, verdict.rule.where if verdict.rule else None))
    return sorted(found, key=lambda refusal: refusal.bound.state is State.DEPARTED)


def summary(found: Iterable[Refusal], bound: int) -> str:
    """Return a sentence about the refusals among a number of bindings."""
    withdrawn = sum(refusal.bound.state is not State.DEPARTED for refusal in found)
    return f"{counted(withdrawn, 'binding')} of {bound:,} would be withdrawn"


def _segment(index: int, name: str) -> Segment:
    return Segment(index, name, mac=ZERO_MAC, table=0, gateway4=None, gateway6=None)
