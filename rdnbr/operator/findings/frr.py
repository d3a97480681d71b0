"""Checks whether FRR advertises the routes that rdnbr installs."""

from collections.abc import Iterable, Iterator, Mapping

from rdnbr.core.model.address import IP, family, show_ip
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.frr.frr_status import Frr, Seen
from rdnbr.operator.findings.bridge import Bridge
from rdnbr.operator.findings.finding import Finding, note, problem, unread, warning
from rdnbr.operator.text.phrases import listed

CARRIER_SINCE = (10, 3)
"""The FRR release since which zebra drops kernel routes over devices without carrier (pull request 17544)."""

_MAX_NAMED = 3
_SLOW = {
    "bgp-coalesce-time": "(milliseconds) holds updates back, so that a guest that comes or moves is reachable later",
    "bgp-advertisement-interval": "(seconds) lets a neighbour learn of a guest that comes or moves only so often",
    "bgp-update-delay": "(seconds) lets bgpd advertise no guest for so long after it has started",
    "bgp-dampening": "holds back the route of a guest that moves often, by minutes; rdnbr limits moves itself",
}
"""What a setting that slows BGP does, by finding."""
_ROUTE = {4: "ip route", 6: "ipv6 route"}


def carrier_matters(frr: Seen) -> bool:
    """Return whether BGP withdraws the routes over a bridge without carrier. True if the version is unknown."""
    match frr:
        case Frr():
            return frr.version is None or frr.version >= CARRIER_SINCE
        case UnreadFact():
            return True
        case None:
            return False


def check_metrics(frr: Seen) -> Iterator[Finding]:
    """Yield the redistributions that give all routes one metric, so that newest-wins has no effect."""
    for one in frr.redistributions if isinstance(frr, Frr) else ():
        if one.one_metric:
            where = _where(one.vrf, one.family)
            yield warning(
                "metric-levelled",
                "frr",
                f"`redistribute kernel` in {where} gives all routes one metric, so that BGP cannot tell which is the "
                "newest: newest-wins has no effect",
                f"remove `set metric` from route-map {one.route_map}, or `metric` from the redistribute line"
                if one.route_map
                else "remove `metric` from the redistribute line",
            )


def check_frr(frr: Seen, bridges: Iterable[Bridge]) -> Iterator[Finding]:
    """Yield the reasons for which guests may not be advertised."""
    match frr:
        case None:
            yield note(
                "frr-missing",
                "frr",
                "FRR is not installed, so whether anybody advertises the guests was not looked at",
                "apt-get install frr (contrib/frr/frr.conf), or let your routing daemon redistribute kernel routes",
            )
        case UnreadFact():
            yield unread("frr", frr)
        case Frr():
            yield from _running(frr, list(bridges))


def _running(frr: Frr, bridges: list[Bridge]) -> Iterator[Finding]:
    if not frr.daemons:
        yield warning(
            "frr-not-running",
            "frr",
            "FRR is installed and does not run, so it advertises no guest",
            "systemctl start frr",
        )
        return
    if "zebra" not in frr.daemons:
        yield problem(
            "zebra-not-running",
            "frr",
            "FRR runs without zebra, so BGP learns of no guest that comes or goes",
            "systemctl restart frr; journalctl -u frr says why it ended",
        )
        return
    if "bgpd" not in frr.daemons:
        yield problem(
            "bgpd-not-running",
            "frr",
            "FRR runs without bgpd, so BGP advertises no guest",
            "bgpd=yes in /etc/frr/daemons, and systemctl restart frr",
        )
        return
    instances = {(bridge.vrf or "", version) for bridge in bridges for version in bridge.families}
    for vrf, version in sorted(instances):
        yield from _redistributed(frr, vrf or None, version)
        yield from _sessions(frr, vrf or None, version)
    for setting in frr.slow_settings:
        yield warning(setting.finding, "frr", f"`{setting.line}` {_SLOW[setting.finding]}", setting.cure)
    yield from _differing(
        frr.missed,
        "zebra-missed-routes",
        "host routes that the kernel has and zebra has missed, so that BGP does not advertise them",
        "rdnbr resync --frr makes the kernel announce them to zebra again",
    )
    yield from _differing(
        frr.stale,
        "zebra-stale-routes",
        "host routes that zebra has and the kernel no longer has, so that BGP advertises them in vain",
        "rdnbr resync --frr makes the kernel announce their removal to zebra again",
    )
    yield from _differing(
        frr.not_selected,
        "zebra-prefers-others",
        "host routes that zebra knows, and prefers others to, so that BGP does not advertise ours",
        "vtysh -c 'show {route} {address}' shows the other; remove it, or see where it comes from",
    )


def _differing(
    by_bridge: Mapping[str, tuple[IP, ...]], name: str, message: str, cure: str
) -> Iterator[Finding]:
    for bridge, addresses in by_bridge.items():
        if not addresses:
            continue
        first = show_ip(addresses[0])
        named = listed([show_ip(address) for address in addresses], _MAX_NAMED)
        yield warning(
            name,
            bridge,
            f"{message}: {named}",
            cure.format(route=_ROUTE[family(addresses[0])], address=first),
        )


def _redistributed(frr: Frr, vrf: str | None, version: int) -> Iterator[Finding]:
    where = _where(vrf, version)
    redistribution = next(
        (one for one in frr.redistributions if (one.vrf, one.family) == (vrf, version)), None
    )
    if redistribution is None:
        yield problem(
            "no-redistribute-kernel",
            "frr",
            f"bgpd has no `redistribute kernel` in {where}, so guests are not advertised there",
            f"vtysh: router bgp …, {where}, redistribute kernel route-map RDNBR{version} (contrib/frr/frr.conf)",
        )
    elif redistribution.route_map is None:
        yield warning(
            "redistribute-without-route-map",
            "frr",
            f"`redistribute kernel` in {where} has no route-map, so routes of DHCP, Docker or WireGuard get out too",
            f"redistribute kernel route-map RDNBR{version} (contrib/frr/frr.conf)",
        )


def _sessions(frr: Frr, vrf: str | None, version: int) -> Iterator[Finding]:
    """Yield the BGP sessions that are down although routes are redistributed there."""
    if not any((one.vrf, one.family) == (vrf, version) for one in frr.redistributions):
        return
    where = _where(vrf, version)
    sessions = [one for one in frr.sessions if (one.vrf, one.family) == (vrf, version)]
    down = [one for one in sessions if not one.up and not one.shutdown]
    named = listed([f"{one.neighbour} ({one.state})" for one in down], _MAX_NAMED)
    if not any(one.up for one in sessions):
        yield problem(
            "bgp-no-session",
            "frr",
            f"no BGP session is up in {where}, so no BGP neighbour learns of the guests there"
            + (f": {named}" if down else ""),
            "vtysh -c 'show bgp summary' has all sessions; a neighbour needs `activate` in the address family",
        )
    elif down:
        show = f"show bgp vrf {vrf} neighbors" if vrf else "show bgp neighbors"
        yield warning(
            "bgp-session-down",
            "frr",
            f"BGP sessions are down in {where}: {named}",
            f"vtysh -c '{show} {down[0].neighbour}' says why; `neighbor … shutdown` if that is meant",
        )


def _where(vrf: str | None, version: int) -> str:
    return f"address-family ipv{version} unicast" + (f" of vrf {vrf}" if vrf else "")
