"""Checks whether FRR advertises the routes that rdnbr installs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rdnbr.core.model.address import IP, family, show_ip
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.frr.frr_status import Frr, Seen, Session
from rdnbr.operator.findings.bridge import Bridge
from rdnbr.operator.findings.cure import SAVE_FRR, Cure, configure_frr
from rdnbr.operator.findings.finding import Finding, Reach, note, problem, unread, warning
from rdnbr.operator.text.phrases import listed

CARRIER_SINCE = (10, 3)
"""The FRR release since which zebra drops kernel routes over devices without carrier (pull request 17544)."""
MGMTD_SINCE = (10, 3)
"""A release, not necessarily the first, in which zebra has its configuration from mgmtd alone."""
IPV4_ADDRESS_SINCE = (10, 7)
"""The FRR release since which zebra, when any interface goes down, drops IPv4 routes over devices without IPv4."""

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


def ipv4_address_matters(frr: Seen) -> bool:
    """Return whether BGP withdraws the IPv4 routes over a bridge that has no IPv4 address."""
    return isinstance(frr, Frr) and frr.version is not None and frr.version >= IPV4_ADDRESS_SINCE


def check_metrics(frr: Seen) -> Iterator[Finding]:
    """Yield the redistributions that give all routes one metric, so that newest-wins has no effect."""
    for one in frr.redistributions if isinstance(frr, Frr) else ():
        if one.one_metric:
            where = _where(one.vrf, one.family)
            yield warning(
                "metric-levelled",
                "frr",
                f"`{one.command}` in {where} gives all routes one metric, so that BGP cannot tell which is the "
                "newest: newest-wins has no effect",
                Cure.advise(
                    f"remove `set metric` from route-map {one.route_map}, or `metric` from the redistribute line"
                    if one.route_map
                    else "remove `metric` from the redistribute line"
                ),
            )


def check_frr(frr: Seen, bridges: Iterable[Bridge]) -> Iterator[Finding]:
    """Yield the reasons for which guests may not be advertised."""
    match frr:
        case None:
            yield note(
                "frr-missing",
                "frr",
                "FRR is not installed, so whether anybody advertises the guests was not looked at",
                Cure.run(
                    "apt-get install frr",
                    advice="contrib/frr/frr.conf is its configuration; another routing daemon must redistribute kernel "
                    "routes",
                ),
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
            START_FRR,
            Reach(),
        )
        return
    if "zebra" not in frr.daemons:
        yield problem(
            "zebra-not-running",
            "frr",
            "FRR runs without zebra, so BGP learns of no guest that comes or goes",
            Cure.run("systemctl restart frr", advice="journalctl -u frr says why it ended"),
            Reach(),
        )
        return
    if "bgpd" not in frr.daemons:
        yield problem(
            "bgpd-not-running",
            "frr",
            "FRR runs without bgpd, so BGP advertises no guest",
            Cure.run("sed -i s/^bgpd=no/bgpd=yes/ /etc/frr/daemons", "systemctl restart frr"),
            Reach(),
        )
        return
    if frr.version is not None and frr.version >= MGMTD_SINCE and "mgmtd" not in frr.daemons:
        yield warning(
            "mgmtd-not-running",
            "frr",
            "FRR runs without mgmtd, from which zebra and staticd have their configuration: what /etc/frr/frr.conf "
            "says of interfaces and static routes has no effect",
            Cure.run("systemctl restart frr"),
        )
    instances = {
        (bridge.vrf or "", version, bridge.segment.table) for bridge in bridges for version in bridge.families
    }
    for vrf, version, table in sorted(instances):
        served = [bridge.segment.name for bridge in bridges if bridge.vrf == (vrf or None)]
        yield from _advertised(frr, vrf or None, version, table, served)
    for setting in frr.slow_settings:
        yield warning(
            setting.finding,
            "frr",
            f"`{setting.line}` {_SLOW[setting.finding]}",
            Cure((setting.cure,), SAVE_FRR),
        )
    yield from _differing(
        frr.missed,
        "zebra-missed-routes",
        "host routes that the kernel has and zebra has missed, so that BGP does not advertise them",
        RESYNC,
    )
    yield from _differing(
        frr.stale,
        "zebra-stale-routes",
        "host routes that zebra has and the kernel no longer has, so that BGP advertises them in vain",
        RESYNC,
    )
    yield from _differing(
        frr.not_selected,
        "zebra-prefers-others",
        "host routes that zebra knows, and prefers others to, so that BGP does not advertise ours",
        None,
    )


def _differing(
    by_bridge: Mapping[str, tuple[IP, ...]], name: str, message: str, cure: Cure | None
) -> Iterator[Finding]:
    for bridge, addresses in by_bridge.items():
        if not addresses:
            continue
        named = listed([show_ip(address) for address in addresses], _MAX_NAMED)
        yield warning(
            name,
            bridge,
            f"{message}: {named}",
            cure or see_routes(addresses[0]),
        )


def see_routes(address: IP) -> Cure:
    """Return the cure of an address that zebra has a better route to than ours."""
    command = f"vtysh -c 'show {_ROUTE[family(address)]} {show_ip(address)}'"
    return Cure.advise(f"{command} shows the other route; remove it where it comes from")


def pass_route_map(frr: Frr, addresses: Sequence[IP], bridge: str) -> Cure:
    """Return the cure of addresses of one IP version that the route-map of `redistribute kernel` filters.

    Args:
        frr: its state.
        addresses: the addresses.
        bridge: the bridge of their routes.
    """
    version = family(addresses[0])
    names = [one.route_map for one in frr.redistributions if one.family == version and one.route_map]
    route_map = next((frr.route_maps[name] for name in names if name in frr.route_maps), None)
    if route_map is None:
        return Cure.advise("see the route-map of `redistribute kernel`")
    advice = "if the guest may be advertised"
    if route_map.prefix_lists:
        command, bits = ("ip", 32) if version == 4 else ("ipv6", 128)
        permit = f"{command} prefix-list {route_map.prefix_lists[0]} permit"
        lines = [f"{permit} {show_ip(address)}/{bits}" for address in addresses[:_MAX_NAMED]]
        return Cure(tuple(configure_frr(line) for line in lines), SAVE_FRR, advice)
    entry = configure_frr(
        f"route-map {route_map.name} permit {route_map.last + 10}", f"match interface {bridge}"
    )
    return Cure((entry,), SAVE_FRR, advice)


START_FRR = Cure(("systemctl start frr",), ("systemctl enable frr",))
RESYNC = Cure.run("rdnbr resync --frr", advice="makes the kernel announce them to zebra again")


def _advertised(frr: Frr, vrf: str | None, version: int, table: int, served: list[str]) -> Iterator[Finding]:
    """Yield why the routes in a table are not advertised: they are redistributed by their VRF, or by `table-direct`."""
    redistributions = [
        one
        for one in frr.redistributions
        if one.family == version and (one.table == table or (one.table is None and one.vrf == vrf))
    ]
    where = _where(vrf, version)
    if not redistributions:
        yield problem(
            "no-redistribute-kernel",
            "frr",
            f"bgpd has no `redistribute kernel` in {where}, so guests are not advertised there",
            _redistribute(frr, vrf, version, served),
            Reach(frozenset(served), frozenset({version})),
        )
    for one in redistributions:
        if one.route_map is None:
            yield warning(
                "redistribute-without-route-map",
                "frr",
                f"`{one.command}` in {_where(one.vrf, version)} has no route-map, so routes of DHCP, Docker or "
                "WireGuard get out too",
                _redistribute(frr, one.vrf, version, served, one.command),
            )
        yield from _sessions(frr, one.vrf, version, served)


def _redistribute(
    frr: Frr, vrf: str | None, version: int, served: list[str], command: str = "redistribute kernel"
) -> Cure:
    """Return the commands that redistribute the routes over the bridges `served`, and no others."""
    name, instance = f"RDNBR{version}", frr.instances.get(vrf)
    if instance is None:
        return Cure.advise(f"configure BGP{f' in vrf {vrf}' if vrf else ''}, as contrib/frr/frr.conf does")
    entries = () if name in frr.route_maps else enumerate(served, 1)
    route_maps = [
        configure_frr(f"route-map {name} permit {10 * number}", f"match interface {bridge}")
        for number, bridge in entries
    ]
    redistribute = configure_frr(
        instance, f"address-family ipv{version} unicast", f"{command} route-map {name}"
    )
    return Cure((*route_maps, redistribute), SAVE_FRR)


def _sessions(frr: Frr, vrf: str | None, version: int, served: list[str]) -> Iterator[Finding]:
    """Yield the BGP sessions that are down where routes are redistributed."""
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
            _raise_sessions(frr, vrf, [one for one in sessions if one.shutdown])
            or Cure.advise(
                "vtysh -c 'show bgp summary' has all sessions; a neighbour needs `activate` in the address family"
            ),
            Reach(frozenset(served), frozenset({version})),
        )
    elif down:
        show = f"show bgp vrf {vrf} neighbors" if vrf else "show bgp neighbors"
        yield warning(
            "bgp-session-down",
            "frr",
            f"BGP sessions are down in {where}: {named}",
            Cure.advise(
                f"vtysh -c '{show} {down[0].neighbour}' says why; `neighbor … shutdown` if that is meant"
            ),
        )


def _raise_sessions(frr: Frr, vrf: str | None, shut: list[Session]) -> Cure | None:
    """Return the commands that end the shutdown of sessions; None if no session is shut down."""
    if not shut or vrf not in frr.instances:
        return None
    lines = (f"no neighbor {one.neighbour} shutdown" for one in shut)
    return Cure((configure_frr(frr.instances[vrf], *lines),), SAVE_FRR)


def _where(vrf: str | None, version: int) -> str:
    return f"address-family ipv{version} unicast" + (f" of vrf {vrf}" if vrf else "")
