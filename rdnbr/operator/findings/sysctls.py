"""Checks of the sysctls of a bridge.

Several sysctls exist both for a device and for `all`. The kernel combines the two values in a different way for each
sysctl (include/linux/inetdevice.h: IN_DEV_MAXCONF, IN_DEV_ORCONF).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from rdnbr.operator.findings.cure import Cure, set_sysctls, sysctl_setting
from rdnbr.operator.findings.finding import Finding, Severity, on, problem


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

_FORWARDING4 = "ipv4/conf/{}/forwarding"

_CHECKS = (
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
    paths = (_FORWARDING4, *(check.path for check in _CHECKS))
    return sorted({path.format(name) for path in paths for name in ("all", device)})


def check_forwarding(bridge: str, uplink: str | None, values: Mapping[str, int]) -> Iterator[Finding]:
    """Yield the finding that IPv4 packets are not forwarded between a bridge and the uplink.

    The kernel reads the setting of the device that a packet comes in by (net/ipv4/route.c, ip_route_input_slow): that
    of the bridge for packets of guests, and that of the uplink for packets to them.

    Args:
        bridge: its name.
        uplink: the device of the IPv4 default route; None: unknown.
        values: values by path.
    """
    ways = {bridge: "of", **({} if uplink is None else {uplink: "to"})}
    off = {device: way for device, way in ways.items() if values.get(_FORWARDING4.format(device)) == 0}
    if not off:
        return
    # Writing 1 to ip_forward turns all devices on, but only where it was 0.
    common = values.get(_FORWARDING4.format("all"), 0)
    each = [sysctl_setting(_FORWARDING4, device, 1) for device in off]
    where = "off" if common == 0 else f"off on {' and '.join(off)}"
    yield problem(
        "ipv4-forwarding-off",
        bridge,
        f"IPv4 packets {' and '.join(off.values())} guests are not forwarded: forwarding is {where}",
        set_sysctls(*(("net.ipv4.ip_forward=1",) if common == 0 else each)),
        on(bridge, 4),
    )


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
                check.finding,
                check.severity,
                device,
                check.message,
                _cure(check, device, common, own),
                on(device, *_STOPPED[check.finding]) if check.finding in _STOPPED else None,
            )


_STOPPED = {"ipv6-forwarding-off": (6,), "arp-ignore-too-strict": (4,)}
"""The IP versions whose packets a wrong value stops, by finding."""


def _cure(check: SysctlCheck, device: str, common: int, own: int) -> Cure:
    """Return the cure. It sets `all` only if the device's value is not enough, because `all` affects other devices."""
    alone = check.combine is None or check.combine(common, check.right) not in check.wrong
    names = [device] if alone else ["all", device]
    return set_sysctls(
        *(
            sysctl_setting(check.path, name, check.right)
            for name, value in zip(names, [own] if alone else [common, own], strict=True)
            if value != check.right
        )
    )
