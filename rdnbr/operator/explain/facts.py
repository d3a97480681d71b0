"""What `rdnbr explain` knows of one address: from the daemon or the files, from the kernel, and from FRR."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.explanation import BindingDetail, Explanation
from rdnbr.core.model.interfaces import Link
from rdnbr.linux.frr.frr_status import Seen
from rdnbr.linux.frr.host_routes import Advertisement
from rdnbr.linux.netlink.route_lookup import HostRoute
from rdnbr.linux.netlink.rtnetlink import Entry
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Finding

FRR_NOT_INSTALLED = "FRR is not installed"
"""What `Facts.frr` is in that case."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel's entries for the address, whichever program made them."""

    routes: Sequence[HostRoute] = ()
    """In each table in the order of their metrics."""
    neighbours: Sequence[Entry] = ()
    devices: Mapping[int, str] = field(default_factory=dict)
    """Names by ifindex."""
    protocols: Mapping[int, str] = field(default_factory=dict)
    """Names by number, as iproute2 has them."""

    @property
    def held_route(self) -> HostRoute | None:
        """Rdnbr's route, if the kernel uses it in its table; None if there is none, or another one wins."""
        best: dict[int, HostRoute] = {}
        for route in self.routes:
            best.setdefault(route.table, route)
        return next((route for route in best.values() if route.protocol == PROTOCOL), None)

    @property
    def held_neighbour(self) -> Entry | None:
        """Rdnbr's neighbour; where the kernel uses a route of rdnbr's, the one on the device of that route."""
        route = self.held_route
        ours = (entry for entry in self.neighbours if entry.ours)
        return next((entry for entry in ours if route is None or entry.device == route.device), None)

    def device(self, index: int | None) -> str:
        """Name a device."""
        return "nowhere" if index is None else self.devices.get(index, f"if{index}")

    def origin(self, protocol: int) -> str:
        """Name a route protocol, with its number."""
        name = self.protocols.get(protocol)
        return f"proto {protocol}" + (f" ({name})" if name else "")


class NoAnswer(NamedTuple):
    """No daemon has answered."""

    code: str
    """What the verdict calls it."""
    why: str
    cure: Cure


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was collected."""

    explanation: Explanation
    """The daemon's; without its answer, what the files and the node's interfaces give. Times since 1970."""
    no_answer: NoAnswer | None
    """Why the explanation is not the daemon's; None if it is."""
    kernel: Kernel | str
    """Or why the kernel's tables cannot be read."""
    frr: Advertisement | str
    """Or why FRR does not answer."""
    now: datetime
    findings: tuple[Finding, ...] = ()
    """What stands in the way of the address, in the order in which it matters."""
    frr_status: Seen = None
    """The state of FRR as a whole."""
    links: tuple[Link, ...] = ()
    """The devices of the node."""
    bridges: tuple[str, ...] = ()
    """Names of the served bridges."""
    allowlist: str = "/etc/rdnbr/allowlist"
    """The file that a rule is added to."""
    configuration: str = "/etc/rdnbr/rdnbr.toml"
    """The configuration's file."""

    @property
    def installed(self) -> BindingDetail | None:
        """The first binding that has a route."""
        return next((detail for detail in self.explanation.bindings if detail.shown.installed), None)

    @property
    def refused_frame(self) -> str | None:
        """The last frame about the address that was refused, in words; None if the daemon has none."""
        frame = self.explanation.refused_frame
        if frame is None:
            return None
        from rdnbr.operator.text.frame_text import frame_text  # noqa: PLC0415 (scapy takes long to import)

        return frame_text(frame)
