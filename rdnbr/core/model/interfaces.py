"""The node's links and addresses, and the segments and ports among them."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC

GUEST_KINDS = frozenset({"tun", "veth", "netkit", "macvtap"})
"""IFLA_INFO_KIND of the devices that lead to a guest. All other devices (vxlan, geneve, gre, bond, vlan, and physical
NICs, which have no kind) lead to other nodes, and a host behind such a device is served by another node."""

PLACEHOLDER_KINDS = frozenset({"dummy", "ifb"})
"""IFLA_INFO_KIND of the devices that lead nowhere, and only keep the carrier of a bridge up."""

_PROXMOX_PORT = re.compile(r"(?:tap|veth)(\d+)i\d+|fwpr(\d+)p\d+")


@dataclass(frozen=True, slots=True)
class Link:
    """A network device, as netlink reports it."""

    index: int
    name: str
    kind: str | None
    """IFLA_INFO_KIND, None for a physical NIC."""
    mac: MAC
    master: int | None
    """ifindex of the bridge or VRF that the device is enslaved to."""
    up: bool
    """Administratively up (IFF_UP)."""
    carrier: bool
    """IFF_LOWER_UP."""
    table: int | None = None
    """The routing table of a VRF; None for any other device."""
    lower: int | None = None
    """ifindex of the device that a macvlan is on; None for any other device."""

    @property
    def leads_elsewhere(self) -> bool:
        """Whether hosts that are not guests of this node may be behind the device."""
        return self.kind not in GUEST_KINDS and self.kind not in PLACEHOLDER_KINDS


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of the node."""

    index: int
    """ifindex of the device that has the address."""
    address: IP
    length: int
    """Prefix length in bits."""
    dad_failed: bool = False
    """Another host has the address, by duplicate address detection (RFC 4862 §5.4.5): the node does not use it."""
    without_dad: bool = field(default=False, compare=False)
    """It was added without duplicate address detection (`nodad` of ip(8)). It is the same address either way."""


class NextHop(NamedTuple):
    """A next hop of a route of the node."""

    address: IP
    device: int | None
    """ifindex of the device that the route leads over; None if the route names none."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A bridge that has the gateway addresses, and whose ports lead to guests."""

    index: int
    name: str
    mac: MAC
    table: int
    """The routing table that the host routes of its guests are written to."""
    gateway4: IP | None
    """Source of ARP probes; None if the bridge has no IPv4 address."""
    gateway6: IP | None
    """Source of neighbour solicitations, a link-local address; None if the bridge has none."""
    up: bool = True
    addresses: tuple[InterfaceAddress, ...] = ()
    """All addresses of the bridge, with their prefix lengths; in each family the gateway address first."""

    @property
    def families(self) -> tuple[int, ...]:
        """The families that have a gateway, each as the number of bytes of its addresses."""
        gateways = (self.gateway4, self.gateway6)
        return tuple(len(gateway) for gateway in gateways if gateway is not None)

    def gateway(self, size: int) -> IP | None:
        """Return the gateway address of the family whose addresses have `size` bytes."""
        return self.gateway4 if size == 4 else self.gateway6

    @property
    def dad_failed(self) -> tuple[IP, ...]:
        """The addresses of the bridge that the node does not use, since another host has them (`gateway-dadfailed`)."""
        return tuple(entry.address for entry in self.addresses if entry.dad_failed)

    def has_more_gateways_than(self, before: "Segment") -> bool:
        """Tell whether the segment has a gateway address of a family that it had none of before."""
        return (before.gateway4 is None and self.gateway4 is not None) or (
            before.gateway6 is None and self.gateway6 is not None
        )


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a segment: the device that frames of a guest arrive on."""

    index: int
    name: str
    segment: int
    """ifindex of its segment."""


# Each claim needs it.
@lru_cache(maxsize=1 << 14)
def vm_of(port: str) -> int | None:
    """Return the guest number in a Proxmox port name (`tap100i0`, `veth101i0`, `fwpr102p0`), or None."""
    match = _PROXMOX_PORT.fullmatch(port)
    return int(match[1] or match[2]) if match else None
