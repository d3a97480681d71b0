"""What the kernel's settings for a bridge mean for its guests.

Several knobs exist for a device and for `all`, and the kernel combines the two in its own way for each
(include/linux/inetdevice.h: IN_DEV_MAXCONF, IN_DEV_ORCONF).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from rdnbr.operator.doctor.finding import Finding, Severity


class Knob(NamedTuple):
    """A wrong value of a setting under net/, and what it does."""

    finding: str
    severity: Severity
    path: str
    """Under net/, with `{}` for the device."""
    combine: Callable[[int, int], int] | None
    """How the kernel makes one of the values of `all` and of the device; None: the device's alone counts."""
    wrong: frozenset[int]
    right: int
    message: str


_PROBLEM, _WARNING, _NOTE = Severity

_KNOBS = (
    Knob(
        "ipv4-forwarding-off", _PROBLEM, "ipv4/conf/{}/forwarding", None, frozenset({0}), 1,
        "IPv4 packets of guests are not forwarded",
    ),
    # ip6_forward() asks `all`, router advertisements and the R flag ask the device.
    Knob(
        "ipv6-forwarding-off", _PROBLEM, "ipv6/conf/{}/forwarding", min, frozenset({0}), 1,
        "IPv6 packets of guests are not forwarded, or guests do not take the node for a router",
    ),
    # Case 17
    Knob(
        "rp-filter-strict", _WARNING, "ipv4/conf/{}/rp_filter", max, frozenset({1}), 2,
        "with strict rp_filter the gateway answers a guest's ARP only once its route is here: its first packets wait "
        "for its second request, a second later",
    ),
    # Case 19
    Knob(
        "proxy-arp-on", _WARNING, "ipv4/conf/{}/proxy_arp", max, frozenset({1}), 0,
        "with proxy_arp the node may answer a moved guest's own announcement, which tells it of an address conflict",
    ),
    Knob(
        "arp-ignore-off", _NOTE, "ipv4/conf/{}/arp_ignore", max, frozenset({0}), 1,
        "guests can ask by ARP for the node's addresses on its other interfaces, and get an answer",
    ),
    # 2 wants the sender in the gateway's subnet, where no guest is; 8 answers nobody (ip-sysctl.rst).
    Knob(
        "arp-ignore-too-strict", _PROBLEM, "ipv4/conf/{}/arp_ignore", max, frozenset({2, 8}), 1,
        "arp_ignore keeps the gateway from answering guests' ARP requests",
    ),
    Knob(
        "send-redirects-on", _WARNING, "ipv4/conf/{}/send_redirects", max, frozenset({1}), 0,
        "guests that send to each other are told by ICMP redirects to do so without the gateway",
    ),
    Knob(
        "arp-accept-on", _WARNING, "ipv4/conf/{}/arp_accept", max, frozenset({1, 2}), 0,
        "guests can fill the node's neighbour table by gratuitous ARP (arp_accept)",
    ),
    Knob(
        "untracked-na-accepted", _WARNING, "ipv6/conf/{}/accept_untracked_na", None, frozenset({1, 2}), 0,
        "guests can fill the node's neighbour table by neighbour advertisements (accept_untracked_na)",
    ),
    Knob(
        "router-advertisements-accepted", _PROBLEM, "ipv6/conf/{}/accept_ra", None, frozenset({2}), 0,
        "a guest that sends router advertisements becomes the node's default router (accept_ra)",
    ),
)  # fmt: skip


def paths(device: str) -> list[str]:
    """Name the settings, under net/, that `findings` is about."""
    return sorted({knob.path.format(name) for knob in _KNOBS for name in ("all", device)})


def findings(device: str, values: Mapping[str, int]) -> Iterator[Finding]:
    """Yield what is wrong with the settings of `device`.

    Args:
        device: the bridge.
        values: by path; a setting that this kernel does not have is left out, and is not wrong.
    """
    for knob in _KNOBS:
        own = values.get(knob.path.format(device))
        if own is None:
            continue
        common = values.get(knob.path.format("all"), own)
        effective = own if knob.combine is None else knob.combine(common, own)
        if effective in knob.wrong:
            yield Finding(knob.finding, knob.severity, device, knob.message, _cure(knob, device, common, own))


def _cure(knob: Knob, device: str, common: int, own: int) -> str:
    """Set the device alone where that is enough: `all` is for other devices too."""
    alone = knob.combine is None or knob.combine(common, knob.right) not in knob.wrong
    names = [device] if alone else ["all", device]
    changes = [
        _sysctl(knob.path, name, knob.right)
        for name, value in zip(names, [own] if alone else [common, own], strict=True)
        if value != knob.right
    ]
    return (
        f"sysctl -w {' '.join(changes)}, and in /etc/sysctl.d to make it last (contrib/sysctl.d/rdnbr.conf)"
    )


def _sysctl(path: str, device: str, value: int) -> str:
    """Write a setting as sysctl(8) has it, where a dot in a device's name becomes a slash."""
    return f"net.{path.replace('/', '.').format(device.replace('.', '/'))}={value}"
