"""The progress of each guest's address: learned, routed on the node, routed on the upstream, answering a ping."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rdnbr.lab.guest import Guest
from rdnbr.lab.network import Lab

_AT_ONCE = 8
"""Pings that run at the same time."""


@dataclass(slots=True)
class AddressProgress:
    """The progress of one address."""

    guest: Guest
    family: int
    state: str | None = None
    """State of the daemon's binding. None: not learned."""
    routed: bool = False
    """Whether the node's kernel has a host route."""
    upstream: bool = False
    """Whether the upstream's kernel has a BGP route."""
    answered: bool = False
    """Whether the address answered a ping from the upstream."""

    @property
    def address(self) -> str:
        """The address as text."""
        return self.guest.address(self.family)


@dataclass(slots=True)
class Progress:
    """The progress of all addresses of a lab."""

    lab: Lab
    rows: list[AddressProgress] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [AddressProgress(guest, family) for guest in self.lab.guests for family in (4, 6)]

    @property
    def complete(self) -> bool:
        """Whether all addresses have answered and, with BGP, the upstream has routes to all."""
        return all(row.answered and (row.upstream or not self.lab.bgp) for row in self.rows)

    def refresh(self) -> None:
        """Read the daemon's bindings and both kernels' routes, and ping routed guests that have not answered yet."""
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
