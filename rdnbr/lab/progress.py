"""How far each guest of a lab has come: learned, routed on the node, known upstream, reached from there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rdnbr.lab.guest import Guest
from rdnbr.lab.network import Lab

_AT_ONCE = 8
"""Pings that wait for an answer at the same time."""


@dataclass(slots=True)
class Reached:
    """How far one address has come."""

    guest: Guest
    family: int
    state: str | None = None
    """State of the daemon's binding; None: not learned."""
    routed: bool = False
    """The node's kernel has its host route."""
    upstream: bool = False
    """The upstream's kernel has one by BGP."""
    answered: bool = False
    """It answered a ping from the upstream."""

    @property
    def address(self) -> str:
        """The address itself."""
        return self.guest.address(self.family)


@dataclass(slots=True)
class Progress:
    """How far all addresses of a lab have come."""

    lab: Lab
    rows: list[Reached] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [Reached(guest, family) for guest in self.lab.guests for family in (4, 6)]

    @property
    def complete(self) -> bool:
        """All addresses came all the way; without BGP the upstream's table does not count."""
        return all(row.answered and (row.upstream or not self.lab.bgp) for row in self.rows)

    def look(self) -> None:
        """Ask the daemon, both kernels, and each guest that is routed and has not answered yet."""
        states = {one["address"]: one["state"] for one in self.lab.node.show()["bindings"]}
        routed = self.lab.node.hosts()
        known = self.lab.upstream.hosts()
        for row in self.rows:
            row.state = states.get(row.address)
            row.routed = row.address in routed
            row.upstream = row.address in known
        ready = [
            row for row in self.rows if row.routed and (row.upstream or not self.lab.bgp) and not row.answered
        ]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = pool.map(lambda row: self.lab.upstream.ping(row.address), ready[: 2 * _AT_ONCE])
            for row, answer in zip(ready, answers, strict=False):
                row.answered = answer
