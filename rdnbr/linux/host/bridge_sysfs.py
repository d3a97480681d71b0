"""Reads the attributes of a bridge from sysfs (Documentation/ABI/testing/sysfs-class-net)."""

from dataclasses import dataclass
from pathlib import Path

from rdnbr.core.model.address import MAC
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.host.machine_mac import machine_mac

_NET = Path("/sys/class/net")
_NET_ADDR_SET = 3  # linux/netdevice.h


@dataclass(frozen=True, slots=True)
class Details:
    """Attributes of a bridge that `Link` does not have."""

    mac_fixed: bool
    """The MAC was assigned (NET_ADDR_SET), so it does not change with the ports."""
    mac_of_machine: bool
    """systemd computed the MAC from the machine id."""
    snooping: bool
    """The bridge forwards multicast only to ports that joined the group."""
    querier: bool
    """The bridge itself sends multicast queries."""
    vlan_filtering: bool


def details(name: str, index: int, mac: MAC) -> Details | UnreadFact:
    """Read the attributes of the bridge with this name, ifindex and MAC.

    sysfs shows the network namespace in which it was mounted, which may be another one: the ifindex is compared.
    """
    bridge = _NET / name
    if _number(bridge / "ifindex") != index:
        return UnreadFact(
            f"/sys does not show {name}, so whether its MAC is fixed and multicast snooped was not looked at",
            "mount sysfs in this network namespace (ip netns exec does)",
        )
    return Details(
        mac_fixed=_number(bridge / "addr_assign_type") == _NET_ADDR_SET,
        mac_of_machine=mac == machine_mac(name),
        snooping=_number(bridge / "bridge" / "multicast_snooping") == 1,
        querier=_number(bridge / "bridge" / "multicast_querier") == 1,
        vlan_filtering=_number(bridge / "bridge" / "vlan_filtering") == 1,
    )


def _number(path: Path) -> int | None:
    """Read a number; None if the kernel was built without the feature."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
