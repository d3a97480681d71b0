"""Logs what the kernel refuses, in the words of ip(8), that it does not answer, and that it takes no probes."""

from collections.abc import Mapping, Sequence

from structlog.typing import FilteringBoundLogger

from rdnbr.core.fib.install_errors import RefusalReport
from rdnbr.core.model.address import IP, family, show_ip, show_mac
from rdnbr.core.model.engine_outputs import CoveringPrefix, Probe, UnsentProbe
from rdnbr.core.model.fib_entries import DropNeighbour, DropRoute, Operation, PutNeighbour, PutRoute
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.vrf_tables import MAIN_TABLE
from rdnbr.core.primitives.bounded_map import BoundedMap

UNSENT_CAUSES, UNSENT_APART = 256, 60.0
"""Reasons for unsent probes that are remembered, and seconds until one is logged again."""


class KernelLog:
    """The observer of the daemon's actuator."""

    def __init__(
        self, log: FilteringBoundLogger, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        """Log to `log`; `segments` and `ports`, by ifindex, have the names of devices."""
        self._log = log
        self._segments = segments
        self._ports = ports
        self._unsent: BoundedMap[str, float] = BoundedMap(UNSENT_CAUSES)
        """When each reason for unsent probes was last logged."""

    def entries_refused(self, reports: Sequence[RefusalReport]) -> None:
        """Log one line for each reason."""
        for report in reports:
            more = {"addresses": report.addresses} if report.addresses > 1 else {}
            self._log.warning(
                "the kernel refuses", what=ip_command(report.first, self._segments), why=report.text, **more
            )

    def guests_covered(self, covering: CoveringPrefix) -> None:
        """Log that the guests of a prefix keep their routes, and what an operator should decide."""
        self._log.warning(
            "a prefix of another interface contains addresses of guests; these stay routed, new claims are refused",
            reason=Reason.CONNECTED_PREFIX.value,
            prefix=covering.prefix,
            first=show_ip(covering.address),
            cure="remove the prefix from the node, or write `ADDRESS connected` in the allowlist for each such guest",
        )

    def removals_contested(self, addresses: Sequence[IP]) -> None:
        """Log how many addresses are held down."""
        self._log.error(
            "somebody keeps removing routes or neighbours of ours; they are put back in a while",
            addresses=len(addresses),
            first=show_ip(addresses[0]),
            cure="ip -ts monitor route neigh shows when; look for another program that cleans up",
        )

    def probe_unsent(self, now: float, probe: Probe | UnsentProbe) -> None:
        """Log why a probe could not be sent, each reason once in `UNSENT_APART` seconds."""
        if isinstance(probe, Probe):
            port = self._ports.get(probe.port)
            why = f"{port.name if port else 'a port that is gone'} takes no frames"
        else:
            segment = self._segments.get(probe.segment)
            why = (
                f"{segment.name if segment else 'a bridge'} has no IPv{family(probe.address)} gateway address"
            )
        last = self._unsent.get(why)
        if last is None or now >= last + UNSENT_APART:
            self._unsent.put(why, now)
            self._log.warning("probes cannot be sent; no guest counts as silent meanwhile", why=why)

    def kernel_unanswered(self, error: OSError) -> None:
        """Log that netlink is busy, or that file descriptors or memory have run out."""
        self._log.error(
            "the kernel does not answer; everything is looked at again when it does",
            why=str(error),
            cure="see ulimit -n, free memory and journalctl -k",
        )

    def kernel_answered(self) -> None:
        """Log that the kernel answers again."""
        self._log.info("the kernel answers again")


def ip_command(operation: Operation, segments: Mapping[int, Segment]) -> str:
    """Return an operation as one would type it after `ip`."""

    def device(index: int) -> str:
        return segments[index].name if index in segments else f"if{index}"  # as ip writes an unknown device

    match operation:
        case PutNeighbour(entry) | DropNeighbour(entry):
            verb = "replace" if isinstance(operation, PutNeighbour) else "del"
            mac = show_mac(entry.mac)
            return f"neigh {verb} {show_ip(entry.address)} lladdr {mac} dev {device(entry.device)}"
        case PutRoute(route) | DropRoute(route):
            verb = "replace" if isinstance(operation, PutRoute) else "del"
            table = "" if route.table == MAIN_TABLE else f" table {route.table}"
            return f"route {verb} {show_ip(route.address)} dev {device(route.device)}{table} metric {route.metric}"
