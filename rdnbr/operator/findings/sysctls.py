"""Checks of the sysctls of a bridge.

Several sysctls exist both for a device and for `all`. The kernel combines the two values in a different way for each
sysctl (include/linux/inetdevice.h: IN_DEV_MAXCONF, IN_DEV_ORCONF).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from rdnbr.operator.findings.finding import Finding, Severity


class SysctlCheck(NamedTuple):
    """A sysctl under net/, its wrong values, and their effect."""

    finding: str
    severity: Severity
    path: str
    """Under net/, with `{}` for the device."""
    combine: Callable[[int, int], int] | None
    """How the kernel combines the values of `all` and of the device. None: only the device's value counts."""
    wrong: frozenset[int]
    right: int
    message: str


_PROBLEM, _WARNING, _NOTE = Severity

_CHECKS = (
    SysctlCheck(
        "ipv4-forwarding-off", _PROBLEM, "ipv4/conf/{}/forwarding", None, frozenset({0}), 1,
        "IPv4 packets of guests are not forwarded",
    ),
    # ip6_forward() reads `all`; router advertisements and the R flag depend on the device.
    SysctlCheck(
        "ipv6-forwarding-off", _PROBLEM, "ipv6/conf/{}/forwarding", min, frozenset({0}), 1,
        "IPv6 packets of guests are not forwarded, or guests do not take the node for a router",
    ),
    # Strict reverse path filtering drops ARP requests from senders without a route through the bridge (arp_process).
    SysctlCheck(
        "rp-filter-strict", _WARNING, "ipv4/conf/{}/rp_filter", max, frozenset({1}), 2,
        "with strict rp_filter the gateway answers a guest's ARP only once its route is here: its first packets wait "
        "for its second request, a second later",
    ),
    # An announcement is a request for the guest's own address. Proxy ARP answers it while the route points elsewhere.
    SysctlCheck(
        "proxy-arp-on", _WARNING, "ipv4/conf/{}/proxy_arp", max, frozenset({1}), 0,
        "with proxy_arp the node may answer a moved guest's own announcement, which the guest takes for a conflict",
    ),
    SysctlCheck(
        "arp-ignore-off", _NOTE, "ipv4/conf/{}/arp_ignore", max, frozenset({0}), 1,
        "guests can ask by ARP for the node's addresses on its other interfaces, and get an answer",
    ),
    # 2 requires a sender in the gateway's subnet, and no guest is in it; 8 answers no request (ip-sysctl.rst).
    SysctlCheck(
        "arp-ignore-too-strict", _PROBLEM, "ipv4/conf/{}/arp_ignore", max, frozenset({2, 8}), 1,
        "arp_ignore keeps the gateway from answering guests' ARP requests",
    ),
    SysctlCheck(
        "send-redirects-on", _WARNING, "ipv4/conf/{}/send_redirects", max, frozenset({1}), 0,
        "guests that send to each other are told by ICMP redirects to do so without the gateway",
    ),
    SysctlCheck(
        "arp-accept-on", _WARNING, "ipv4/conf/{}/arp_accept", max, frozenset({1, 2}), 0,
        "guests can fill the node's neighbour table by gratuitous ARP (arp_accept)",
    ),
    SysctlCheck(
        "untracked-na-accepted", _WARNING, "ipv6/conf/{}/accept_untracked_na", None, frozenset({1, 2}), 0,
        "guests can fill the node's neighbour table by neighbour advertisements (accept_untracked_na)",
    ),
    SysctlCheck(
        "router-advertisements-accepted", _PROBLEM, "ipv6/conf/{}/accept_ra", None, frozenset({2}), 0,
        "a guest that sends router advertisements becomes the node's default router (accept_ra)",
    ),
)  # fmt: skip


def sysctl_paths(device: str) -> list[str]:
    """Return the paths, under net/, of all sysctls that `check_sysctls` reads."""
    return sorted({check.path.format(name) for check in _CHECKS for name in ("all", device)})


def check_sysctls(device: str, values: Mapping[str, int]) -> Iterator[Finding]:
    """Yield the findings for the sysctls of a bridge.

    Args:
        device: the bridge.
        values: values by path. A sysctl that this kernel does not have is missing, and gives no finding.
    """
    for check in _CHECKS:
        own = values.get(check.path.format(device))
        if own is None:
            continue
        common = values.get(check.path.format("all"), own)
        effective = own if check.combine is None else check.combine(common, own)
        if effective in check.wrong:
            yield Finding(
                check.finding, check.severity, device, check.message, _cure(check, device, common, own)
            )


def _cure(check: SysctlCheck, device: str, common: int, own: int) -> str:
    """Return the cure. It sets `all` only if the device's value is not enough, because `all` affects other devices."""
    alone = check.combine is None or check.combine(common, check.right) not in check.wrong
    names = [device] if alone else ["all", device]
    changes = [
        _sysctl(check.path, name, check.right)
        for name, value in zip(names, [own] if alone else [common, own], strict=True)
        if value != check.right
    ]
    return (
        f"sysctl -w {' '.join(changes)}, and in /etc/sysctl.d to make it last (contrib/sysctl.d/rdnbr.conf)"
    )


def _sysctl(path: str, device: str, value: int) -> str:
    """Write a setting in the syntax of sysctl(8), in which a dot in a device's name becomes a slash."""
    return f"net.{path.replace('/', '.').format(device.replace('.', '/'))}={value}"
