"""What zebra knows of the routes over our bridges, held against what the kernel has."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import segments
from rdnbr.linux.frr import vtysh
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.links import Snapshot
from rdnbr.linux.netlink.route_lookup import hosts_over


class ServedBridge(NamedTuple):
    """A bridge, and where zebra keeps the routes over it."""

    bridge: str
    device: int
    """Its ifindex."""
    table: int
    vrf: str | None


class Difference(NamedTuple):
    """Where zebra and the kernel disagree about the host routes over one bridge, each in the order of addresses."""

    bridge: str
    routes: int
    """Routes of ours in the kernel."""
    missed: tuple[IP, ...]
    """Routes of ours that zebra has not heard of."""
    outdone: tuple[IP, ...]
    """Routes of ours that zebra knows, and prefers others to."""
    stale: tuple[IP, ...]
    """Routes that zebra still has, and the kernel does not."""


def served(there: Snapshot, globs: Sequence[str]) -> list[ServedBridge]:
    """Return the bridges that are served when these names or globs are configured."""
    links = {link.index: link for link in there.links}
    above = {link.index: links.get(link.master or 0) for link in there.links}
    return [
        ServedBridge(
            segment.name,
            segment.index,
            segment.table,
            vrf.name if (vrf := above[segment.index]) is not None and vrf.kind == "vrf" else None,
        )
        for segment in segments(there.links, there.addresses, globs)
    ]


def compare(bridges: Iterable[ServedBridge]) -> list[Difference]:
    """Compare, bridge for bridge.

    Raises:
        vtysh.Silent: zebra cannot be asked.
        OSError: netlink does not answer.
    """
    served: Sequence[ServedBridge] = list(bridges)
    ours_before, all_before = _ours(), {over.device: hosts_over(over.device) for over in served}
    known = {over.bridge: vtysh.kernel_routes(over.vrf) for over in served}
    # Those that are, or are not, there before and after: zebra has had the time to hear of it.
    ours = ours_before & _ours()
    return [
        _difference(
            over,
            frozenset(address for device, address in ours if device == over.device),
            all_before[over.device] | hosts_over(over.device),
            {
                address: chosen
                for (address, name), chosen in known[over.bridge].items()
                if name == over.bridge
            },
        )
        for over in served
    ]


def _difference(
    over: ServedBridge, ours: frozenset[IP], there: frozenset[IP], known: dict[IP, bool]
) -> Difference:
    return Difference(
        over.bridge,
        len(ours),
        _ordered(ours - known.keys()),
        _ordered(address for address in ours & known.keys() if not known[address]),
        _ordered(known.keys() - there),
    )


def _ordered(addresses: Iterable[IP]) -> tuple[IP, ...]:
    return tuple(sorted(addresses, key=lambda address: (len(address), address)))


def _ours() -> frozenset[tuple[int, IP]]:
    fib = KernelFib()
    try:
        routes, _ = fib.read_entries()
    finally:
        fib.close()
    return frozenset((route.device, route.address) for route in routes)
