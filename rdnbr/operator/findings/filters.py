"""Checks of the node's packet filters: what certainly drops the packets and frames of guests. Pure."""

from collections.abc import Iterator, Mapping

from rdnbr.core.model.interfaces import GUEST_KINDS
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.nft.filter_rules import Chain, Drop
from rdnbr.linux.nft.guest_filters import cure, forward_drops, input_drop, port_drops, why
from rdnbr.operator.findings.bridge import Bridge
from rdnbr.operator.findings.cure import Cure, set_sysctls
from rdnbr.operator.findings.finding import Finding, problem, unread, warning
from rdnbr.operator.text.phrases import listed

Filters = tuple[Chain, ...] | UnreadFact

BRIDGE_CALLS = tuple(f"bridge/bridge-nf-call-{name}" for name in ("iptables", "ip6tables", "arptables"))
"""Sysctls under net/ by which br_netfilter gives the frames of bridges to the filters of IP and ARP."""

_MAX_NAMED = 3


def check_filters(
    filters: Filters, bridge: Bridge, uplinks: Mapping[int, str], settings: Mapping[str, int]
) -> Iterator[Finding]:
    """Yield the findings of the packet filters that concern a bridge.

    Args:
        filters: all of the node.
        bridge: the bridge.
        uplinks: the device of the default route, by IP version; a version that has none is missing.
        settings: values under /proc/sys/net, by path.
    """
    if isinstance(filters, UnreadFact):
        yield unread("node", filters)
        return
    forwarded = list(_forward(filters, bridge, uplinks))
    yield from forwarded
    calls = [path.rpartition("/")[2] for path in BRIDGE_CALLS if settings.get(path)]
    if forwarded and calls:
        yield warning(
            "bridge-nf-call",
            bridge.segment.name,
            f"frames between ports of the bridge pass the FORWARD chains too ({', '.join(calls)}), which drop",
            set_sysctls(
                *(f"net.bridge.{name}=0" for name in calls), advice="unless a firewall of guests needs it"
            ),
        )
    yield from _input(filters, bridge)
    yield from _ports(filters, bridge)


def _forward(filters: tuple[Chain, ...], bridge: Bridge, uplinks: Mapping[int, str]) -> Iterator[Finding]:
    """Yield one finding for each set of commands that lets packets pass: one table may filter both IP versions."""
    name = bridge.segment.name
    by_cure: dict[tuple[str, ...], tuple[str, str, list[str]]] = {}
    for version in bridge.families:
        drops = forward_drops(filters, name, version, uplinks.get(version))
        if not drops:
            continue
        pass_by = [cure(drop, name, "iif" if way == "from" else "oif") for way, drop in drops.items()]
        reason = why(next(iter(drops.values())))
        found = by_cure.setdefault(tuple(dict.fromkeys(pass_by)), (reason, " and ".join(drops), []))
        found[2].append(f"IPv{version}")
    for commands, (reason, ways, versions) in by_cure.items():
        yield problem(
            "forward-drops",
            name,
            f"{reason} drops all {' and '.join(versions)} packets {ways} guests",
            let_pass(*commands),
        )


def let_pass(*commands: str) -> Cure:
    """Return the cure whose commands change packet filters."""
    return Cure.run(
        *commands, advice="to make it last, the same in the file or the program that loads this filter"
    )


def _input(filters: tuple[Chain, ...], bridge: Bridge) -> Iterator[Finding]:
    """Yield the chains that keep the node from hearing the guests' questions for the gateway's MAC."""
    name = bridge.segment.name
    for version, kind, only in ((4, "ARP", ""), (6, "NDP", " icmpv6 type nd-neighbor-solicit")):
        drop = input_drop(filters, name, version)
        if drop is None or version not in bridge.families:
            continue
        command = cure(drop, name, "iif")
        if drop.rule is None and drop.chain.program == "nft":
            command = command.removesuffix(" accept") + f"{only} accept"
        yield problem(
            "input-drops",
            name,
            f"{why(drop)} drops {kind} of guests, so the gateway does not answer them",
            let_pass(command),
        )


def _ports(filters: tuple[Chain, ...], bridge: Bridge) -> Iterator[Finding]:
    """Yield one finding for each chain that drops frames of ports."""
    name = bridge.segment.name
    chains = [one for one in filters if one.family in ("bridge", "netdev")]
    by_cure: dict[str, tuple[Drop, dict[str, None], dict[str, None]]] = {}
    for port in (member.name for member in bridge.members if chains and member.kind in GUEST_KINDS):
        for (way, kind), drop in port_drops(chains, port, name).items():
            command = cure(drop, port, "iif" if way == "from" else "oif")
            _, kinds, ports = by_cure.setdefault(command, (drop, {}, {}))
            kinds[f"{kind} {way}"] = None
            ports[port] = None
    for command, (drop, kinds, ports) in by_cure.items():
        yield problem(
            "port-filter-drops",
            name,
            f"{why(drop)} drops {', '.join(kinds)} {listed(list(ports), _MAX_NAMED)}; rdnbr hears such frames "
            "all the same",
            let_pass(command),
        )
