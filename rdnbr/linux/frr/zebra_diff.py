"""Compares the host routes over the served bridges: those of the kernel with those of zebra."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdnbr.core.model.address import IP
from rdnbr.core.model.served_segments import served_segments
from rdnbr.linux.frr import vtysh
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.links import Snapshot
from rdnbr.linux.netlink.route_lookup import hosts_over


class ServedBridge(NamedTuple):
    """A served bridge, and the table and VRF of the routes over it."""

    bridge: str
    device: int
    """Its ifindex."""
    table: int
    vrf: str | None


class Difference(NamedTuple):
    """How zebra and the kernel differ in the host routes over one bridge. Addresses are sorted, IPv4 first."""

    bridge: str
    routes: int
    """How many routes of rdnbr's the kernel has."""
    missed: tuple[IP, ...]
    """Addresses of rdnbr's routes that zebra does not have."""
    not_selected: tuple[IP, ...]
    """Addresses of rdnbr's routes that zebra has, while it has selected others."""
    stale: tuple[IP, ...]
    """Addresses of routes that zebra has, and the kernel no longer has."""


def served(found: Snapshot, globs: Sequence[str]) -> list[ServedBridge]:
    """Return the bridges that are served with these names or globs of the configuration."""
    links = {link.index: link for link in found.links}
    above = {link.index: links.get(link.master or 0) for link in found.links}
    return [
        ServedBridge(
            segment.name,
            segment.index,
            segment.table,
            vrf.name if (vrf := above[segment.index]) is not None and vrf.kind == "vrf" else None,
        )
        for segment in served_segments(found.links, found.addresses, globs)
    ]


def compare(bridges: Iterable[ServedBridge]) -> list[Difference]:
    """Return the differences of each bridge, in the order of `bridges`.

    Raises:
        frr_json.VtyshError: zebra does not answer.
        OSError: the kernel does not answer.
    """
    served: Sequence[ServedBridge] = list(bridges)
    ours_before, all_before = _ours(), {over.device: hosts_over(over.device) for over in served}
    known = {over.bridge: vtysh.kernel_routes(over.vrf) for over in served}
    # The kernel is read before and after zebra. A route that was there both times, or neither time, is one whose
    # netlink message zebra has had the time to read.
    ours = ours_before & _ours()
    return [
        _difference(
            over,
            frozenset(address for device, address in ours if device == over.device),
            all_before[over.device] | hosts_over(over.device),
            {
                address: selected
                for (address, name), selected in known[over.bridge].items()
                if name == over.bridge
            },
        )
        for over in served
    ]


def _difference(
    over: ServedBridge, ours: frozenset[IP], in_kernel: frozenset[IP], known: dict[IP, bool]
) -> Difference:
    return Difference(
        over.bridge,
        len(ours),
        _ordered(ours - known.keys()),
        _ordered(address for address in ours & known.keys() if not known[address]),
        _ordered(known.keys() - in_kernel),
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
