"""What sysfs tells of a bridge and netlink does not, or less plainly (Documentation/ABI/testing/sysfs-class-net)."""

from dataclasses import dataclass
from pathlib import Path

from rdnbr.core.model.address import MAC
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.host.machine_mac import machine_mac

_NET = Path("/sys/class/net")
_NET_ADDR_SET = 3  # linux/netdevice.h


@dataclass(frozen=True, slots=True)
class Details:
    """What only sysfs or a bridge's own attributes tell."""

    mac_fixed: bool
    """Somebody assigned its MAC (NET_ADDR_SET), so it does not follow its ports'."""
    mac_of_machine: bool
    """systemd made it up from this machine's id, for nobody had given it one."""
    snooping: bool
    """Multicast goes only to ports that asked for it."""
    querier: bool
    """The bridge itself asks who wants which multicast."""
    vlan_filtering: bool


def details(name: str, index: int, mac: MAC) -> Details | UnreadFact:
    """Read the details of a bridge that has this MAC.

    sysfs shows the network namespace that it was mounted in, which need not be ours: ifindexes tell.
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
    """Read a number; None where the kernel was built without what it is about."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
