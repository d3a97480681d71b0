"""Segments and ports: which devices are served, and which of their members lead to guests."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rdnbr.core.model.address import IP, MAC

MAIN_TABLE = 254

GUEST_KINDS = frozenset({"tun", "veth", "netkit", "macvtap"})
"""IFLA_INFO_KIND of devices that lead to a guest. All others lead elsewhere (vxlan, geneve, gre, bond, vlan, and
physical NICs, which have no kind), and a host behind them belongs to another node."""

_PROXMOX_PORT = re.compile(r"(?:tap|veth)(\d+)i\d+|fwpr(\d+)p\d+")


@dataclass(frozen=True, slots=True)
class Link:
    """A network device as the kernel tells of it."""

    index: int
    name: str
    kind: str | None
    """IFLA_INFO_KIND, None for a physical NIC."""
    mac: MAC
    master: int | None
    """ifindex of the bridge or VRF it is enslaved to."""
    up: bool
    """Administratively up (IFF_UP)."""
    carrier: bool
    """IFF_LOWER_UP."""
    table: int | None = None
    """Routing table, for a VRF device only."""


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of the node."""

    index: int
    address: IP
    length: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A layer-3 device that carries gateway addresses, and whose ports lead to guests."""

    index: int
    name: str
    mac: MAC
    table: int
    gateway4: IP | None
    """The address IPv4 probes are sent from; None when the device has none."""
    gateway6: IP | None
    """The link-local address neighbour solicitations are sent from."""
    up: bool = True


@dataclass(frozen=True, slots=True)
class Port:
    """A device that frames arrive on."""

    index: int
    name: str
    segment: int
    """ifindex of its segment."""


def vm_of(port: str) -> int | None:
    """Return the guest number in a Proxmox port name (`tap100i0`, `veth101i0`, `fwpr102p0`), or None."""
    match = _PROXMOX_PORT.fullmatch(port)
    return int(match[1] or match[2]) if match else None


def segments(
    links: Sequence[Link], addresses: Sequence[InterfaceAddress], globs: Sequence[str] = ()
) -> list[Segment]:
    """Tell which bridges are served.

    Without `globs`: every bridge that owns an IPv4 link-local /32 or fe80::1. With them: every bridge whose name
    matches one, whatever addresses it owns.
    """
    tables = {link.index: link.table for link in links if link.kind == "vrf"}
    found = []
    for link in links:
        if link.kind != "bridge":
            continue
        own = [entry for entry in addresses if entry.index == link.index]
        by_name = any(fnmatchcase(link.name, glob) for glob in globs)
        if not by_name and (globs or not any(_is_gateway(entry) for entry in own)):
            continue
        table = tables.get(link.master or 0) or MAIN_TABLE
        found.append(
            Segment(link.index, link.name, link.mac, table, _gateway4(own), _gateway6(own), up=link.up)
        )
    return found


def ports(links: Sequence[Link], served: Sequence[Segment]) -> list[Port]:
    """Tell which devices lead to guests: those meant for guests that are up and running."""
    running = {link.index for link in links if link.up and link.carrier}
    return [port for port in guest_ports(links, served) if port.index in running]


def guest_ports(links: Sequence[Link], served: Sequence[Segment]) -> list[Port]:
    """Tell which devices are meant for guests, running or not: members of a served bridge, of a guest kind."""
    indexes = {segment.index for segment in served}
    return [
        Port(link.index, link.name, link.master)
        for link in links
        if link.master in indexes and link.master is not None and link.kind in GUEST_KINDS
    ]


def _is_gateway(entry: InterfaceAddress) -> bool:
    if len(entry.address) == 4:
        return entry.length == 32 and entry.address.startswith(b"\xa9\xfe")  # 169.254/16, RFC 3927
    return entry.address == b"\xfe\x80" + bytes(13) + b"\x01"


def _gateway4(own: Sequence[InterfaceAddress]) -> IP | None:
    """Prefer a gateway as the design has it, then any IPv4 address."""
    mine = [entry for entry in own if len(entry.address) == 4]
    return next((entry.address for entry in sorted(mine, key=lambda entry: not _is_gateway(entry))), None)


def _gateway6(own: Sequence[InterfaceAddress]) -> IP | None:
    """Prefer fe80::1, then any link-local address: RFC 4861 wants nothing else as a router's source."""
    mine = [entry for entry in own if len(entry.address) == 16 and entry.address[:2] == b"\xfe\x80"]
    return next((entry.address for entry in sorted(mine, key=lambda entry: not _is_gateway(entry))), None)
