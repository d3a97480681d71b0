"""Checks of the gateway addresses of a bridge: whether they are there, and whether a guest can take them away."""

from collections.abc import Iterator, Mapping

from rdnbr.core.model.address import IP, family, show_ip
from rdnbr.core.model.interfaces import InterfaceAddress
from rdnbr.operator.findings.bridge import Bridge
from rdnbr.operator.findings.cure import Cure, set_sysctls, sysctl_setting
from rdnbr.operator.findings.finding import Finding, Severity, on, problem, warning
from rdnbr.operator.text.phrases import listed

ACCEPT_DAD = "ipv6/conf/{}/accept_dad"
"""The sysctl under net/. DAD is done if it is above 0 for `all` or for the device (addrconf_dad_begin)."""

_FE80_1 = IP(b"\xfe\x80" + bytes(13) + b"\x01")
_MAX_NAMED = 4


def check_gateways(
    bridge: Bridge, settings: Mapping[str, int], *, ipv4_address_matters: bool
) -> Iterator[Finding]:
    """Yield the findings of the gateway addresses of a bridge.

    Args:
        bridge: the bridge.
        settings: values under /proc/sys/net, by path.
        ipv4_address_matters: whether this FRR withdraws IPv4 routes over a device without an IPv4 address.
    """
    yield from _missing(bridge, Severity.PROBLEM if ipv4_address_matters else Severity.WARNING)
    for entry in bridge.segment.addresses:
        if entry.dad_failed:
            yield _dad_failed(bridge, entry)
    yield from _dad_on(bridge, settings)
    if bridge.conflict_detection:
        yield warning(
            "networkd-detects-conflicts",
            bridge.segment.name,
            "systemd-networkd drops an address of the bridge as soon as a guest claims it by ARP or DAD: "
            + listed([show_ip(address) for address in bridge.conflict_detection], _MAX_NAMED),
            Cure.run(
                "networkctl reload",
                advice="first an [Address] section with DuplicateAddressDetection=none for each of them in the "
                ".network file, as in contrib/network/networkd/vmbr1.network",
            ),
        )


def _missing(bridge: Bridge, without_ipv4: Severity) -> Iterator[Finding]:
    name, segment = bridge.segment.name, bridge.segment
    if segment.gateway4 is None:
        yield Finding(
            "no-ipv4-gateway",
            without_ipv4,
            name,
            "the bridge has no IPv4 address, so its guests are served by IPv6 only; FRR from 10.7 on withdraws the "
            "IPv4 routes over it when any interface goes down",
            _address(name, "169.254.0.1/32"),
            on(name, 4),
        )
    if segment.gateway6 != _FE80_1 and _FE80_1 not in segment.dad_failed:
        yield warning(
            "no-ipv6-gateway",
            name,
            "the bridge does not own fe80::1, the guests' default gateway",
            _address(name, "fe80::1/64"),
            on(name, 6) if segment.gateway6 is None else None,
        )


def _dad_failed(bridge: Bridge, entry: InterfaceAddress) -> Finding:
    name, address = bridge.segment.name, show_ip(entry.address)
    claimant = bridge.claimants.get(entry.address)
    if claimant is None:
        who, first = "another host on the bridge", f"find the guest that has it: tcpdump -eni {name} icmp6"
    else:
        who = f"{claimant.mac} on {claimant.port}"
        first = f"take it from that guest, or set {claimant.port} down"
    off = set_sysctls(_accept_dad_off(name))
    return problem(
        "gateway-dadfailed",
        name,
        f"{address} failed duplicate address detection, since {who} has it: guests that use it as gateway have none",
        Cure(
            (
                *off.commands,
                f"ip address del {address}/{entry.length} dev {name}",
                f"ip address add {address}/{entry.length} dev {name} nodad",
            ),
            off.lasting,
            f"{first}; the node takes its address back by",
        ),
        on(name, family(entry.address)),
    )


def _dad_on(bridge: Bridge, settings: Mapping[str, int]) -> Iterator[Finding]:
    name = bridge.segment.name
    effective = max(settings.get(ACCEPT_DAD.format(device), 0) for device in ("all", name))
    exposed = [
        entry for entry in bridge.segment.addresses if entry.address == _FE80_1 and not entry.without_dad
    ]
    if effective > 0 and exposed:
        yield warning(
            "accept-dad-on",
            name,
            "when fe80::1 is added again, the node gives it up if a guest has it (accept_dad)",
            set_sysctls(_accept_dad_off(name)),
        )


def _accept_dad_off(device: str) -> str:
    return sysctl_setting(ACCEPT_DAD, device, 0)


def _address(device: str, address: str) -> Cure:
    nodad = " nodad" if ":" in address else ""
    return Cure.run(
        f"ip address add {address} dev {device}{nodad}",
        advice=f"to make it last, `address {address}` under `iface {device}` in /etc/network/interfaces",
    )
