"""Collects the facts of this node for `rdnbr.operator.findings.diagnosis`. It only reads."""

import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Literal, NamedTuple

from rdnbr.config.config import CommandLine, Config, examine, load_allowlist
from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.model.interfaces import Link
from rdnbr.core.model.question import Question
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.served_segments import served_segments
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError
from rdnbr.core.policy.local_addresses import LocalAddresses, node_local_addresses
from rdnbr.linux.frr import frr_json, vtysh
from rdnbr.linux.frr.frr_status import Frr, Seen
from rdnbr.linux.frr.zebra_diff import ServedBridge, compare
from rdnbr.linux.host import bridge_sysfs, clock_sync, networkd, rt_protos, sysctl
from rdnbr.linux.netlink.bridge_fdb import read_fdb
from rdnbr.linux.netlink.bridge_ports import read_port_settings
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.links import Snapshot, snapshot
from rdnbr.linux.netlink.next_hops import next_hops
from rdnbr.linux.netlink.route_lookup import uplink
from rdnbr.linux.nft.filters import read_filters
from rdnbr.operator.control.bound_addresses import BoundAddress, read_bound_addresses, read_question
from rdnbr.operator.control.client import Client, CommandFailed, NoDaemon, NoReply
from rdnbr.operator.control.json_fields import Fields, text
from rdnbr.operator.findings import sysctls
from rdnbr.operator.findings.bound_guests import BoundGuests
from rdnbr.operator.findings.bridge import Bridge, Claimant
from rdnbr.operator.findings.diagnosis import Facts
from rdnbr.operator.findings.filters import BRIDGE_CALLS
from rdnbr.operator.findings.gateway_addresses import ACCEPT_DAD

VTYSH_TIMEOUT = 3.0
"""Seconds that each answer of FRR may take for one guest. It is short: the operator has a guest that does not work."""


def collect_facts(given: CommandLine, *, of_guests: bool = True) -> Facts:
    """Collect all facts: files, links, sysctls, daemon, FRR, networkd.

    Args:
        given: the command line.
        of_guests: whether daemon, kernel and FRR are asked about all guests.

    Raises:
        OSError: netlink does not answer.
    """
    config, mistakes = examine(given)
    allowlist = None
    try:
        allowlist = load_allowlist(
            config.allowlist, config.allowlist_directory, required=config.allowlist_named
        )
    except AllowlistError as error:
        mistakes += error.problems
    kernel = snapshot()
    bridges = tuple(
        replace(bridge, claimants=_claimants(bridge, config)) if bridge.segment.dad_failed else bridge
        for bridge in _bridges(kernel, config.bridges)
    )
    served = [bridge.segment for bridge in bridges]
    frr = _frr(bridges) if of_guests else vtysh.read_frr(VTYSH_TIMEOUT)
    out = uplinks(kernel.links)
    devices = {*out.values(), *(segment.name for segment in served)}
    daemon, reload_failed, questions = _daemon(config) if of_guests else (None, None, ())
    asked = of_guests and daemon in ("open", "allowlist")
    return Facts(
        bridges,
        sysctl.read({path for device in devices for path in sysctl_paths(device)}),
        node_local_addresses(kernel.links, kernel.addresses, served, next_hops()),
        allowlist,
        tuple(mistakes),
        daemon,
        frr,
        networkd.cleans(),
        rt_protos.name_of(PROTOCOL),
        config.settings.mobility,
        read_filters(),
        _bound_guests(config, kernel, allowlist, frr) if asked else BoundGuests(),
        out,
        clock_sync.is_synchronised(),
        _guests({segment.table for segment in served}) if of_guests else frozenset(),
        reload_failed,
        config.doctor.accept,
        questions,
    )


def collect_local_addresses(globs: tuple[str, ...]) -> LocalAddresses:
    """Return this node's own addresses when bridges with these names or globs are served.

    Raises:
        OSError: netlink does not answer.
    """
    kernel = snapshot()
    served = served_segments(kernel.links, kernel.addresses, globs)
    return node_local_addresses(kernel.links, kernel.addresses, served, next_hops())


def _guests(tables: Collection[int]) -> frozenset[IP]:
    """Return the addresses of the host routes of rdnbr in these routing tables."""
    fib = KernelFib()
    try:
        routes, _ = fib.read_entries(tables)
    finally:
        fib.close()
    return frozenset(route.address for route in routes)


def _bridges(kernel: Snapshot, globs: tuple[str, ...]) -> tuple[Bridge, ...]:
    links = {link.index: link for link in kernel.links}
    bridges = []
    for segment in served_segments(kernel.links, kernel.addresses, globs):
        link = links[segment.index]
        master = links.get(link.master or 0)
        members = tuple(member for member in kernel.links if member.master == segment.index)
        bridges.append(
            Bridge(
                segment,
                link.carrier,
                members,
                bridge_sysfs.details(segment.name, segment.index, segment.mac),
                master.name if master is not None and master.kind == "vrf" else None,
                conflict_detection=networkd.conflict_detection(segment.index),
            )
        )
    return tuple(bridges)


def sysctl_paths(device: str) -> list[str]:
    """Return the paths, under net/, of all sysctls that are read for a bridge."""
    accept_dad = (ACCEPT_DAD.format(name) for name in ("all", device))
    return [*sysctls.sysctl_paths(device), *accept_dad, *BRIDGE_CALLS]


def _bound_guests(config: Config, kernel: Snapshot, allowlist: Allowlist | None, frr: Seen) -> BoundGuests:
    """Return what is known of the guests; nothing without a daemon.

    Raises:
        OSError: netlink does not answer.
    """
    try:
        with Client(config.socket) as client:
            bound = read_bound_addresses(client)
    except CommandFailed:
        return BoundGuests()
    names = {link.index: link.name for link in kernel.links}
    unlearned = {
        names[index]: one.unicast_flood
        for index, one in read_port_settings().items()
        if not one.learning and index in names
    }
    fdb = frozenset((names.get(bridge, ""), mac) for bridge, mac in read_fdb()) if unlearned else frozenset()
    return BoundGuests(bound, unlearned, fdb, _announced_elsewhere(bound, allowlist, frr), time.time())


def _announced_elsewhere(
    bound: Iterable[BoundAddress], allowlist: Allowlist | None, frr: Seen
) -> dict[IP, tuple[str, ...]]:
    """Return the routed addresses that other nodes announce too, without those that may be on several nodes."""
    if not isinstance(frr, Frr) or "bgpd" not in frr.daemons:
        return {}
    rules = () if allowlist is None else allowlist.rules
    anycast = [ip_network((rule.prefix.address, rule.prefix.length)) for rule in rules if rule.anycast]
    routed = dict.fromkeys(one.address for one in bound if one.installed)
    addresses = [one for one in routed if not any(ip_address(one) in network for network in anycast)]
    try:
        return vtysh.announced_elsewhere(addresses, None)
    except frr_json.VtyshError:
        return {}  # `frr` says why FRR does not answer


def uplinks(links: Iterable[Link]) -> dict[int, str]:
    """Return the device that packets to the Internet leave over, by IP version.

    Raises:
        OSError: netlink does not answer.
    """
    names = {link.index: link.name for link in links}
    found = {version: uplink(version) for version in (4, 6)}
    return {version: names[index] for version, index in found.items() if index in names}


def _claimants(bridge: Bridge, config: Config) -> dict[IP, Claimant]:
    """Return who was last heard with each address of a bridge that failed DAD, as far as the daemon remembers it."""
    members = {member.name for member in bridge.members}
    failed = {show_ip(address): address for address in bridge.segment.dad_failed}
    try:
        with Client(config.socket) as client:
            events = list(Fields(client.request("events")).objects("events"))
    except CommandFailed:
        return {}
    found = {}
    for event in events:
        address, port = event.optional("address", text), event.optional("port", text)
        if address in failed and port in members and event.get("reason", text) == Reason.OWN_ADDRESS:
            found[failed[address]] = Claimant(event.optional("mac", text) or "a guest", port)
    return found


class _Daemon(NamedTuple):
    """What is read of the daemon."""

    mode: Literal["open", "allowlist", "hangs"] | UnreadFact | None
    """None without a daemon."""
    reload_failed: str | None = None
    """Why it could not read its files again."""
    questions: tuple[tuple[str, Question], ...] = ()
    """What guests ask for and nobody answers, with the names of their ports."""


def _daemon(config: Config) -> _Daemon:
    try:
        with Client(config.socket) as client:
            document = client.request("ports")
    except NoDaemon:
        return _Daemon(None)
    except NoReply:
        return _Daemon("hangs")
    except CommandFailed as error:
        message, _, cure = str(error).partition("; ")
        return _Daemon(UnreadFact(f"the daemon was not looked at: {message}", cure or "see its log"))
    failed = document.get("reload_failed")  # an older daemon does not send it, nor `unanswered`
    questions = tuple(
        (port.get("port", text), read_question(one))
        for port in Fields(document).objects("ports")
        if "unanswered" in port
        for one in port.objects("unanswered")
    )
    return _Daemon(
        "open" if document["mode"] == "open" else "allowlist",
        failed if isinstance(failed, str) else None,
        questions,
    )


def _frr(bridges: Iterable[Bridge]) -> Seen:
    frr = vtysh.read_frr()
    if not isinstance(frr, Frr) or "zebra" not in frr.daemons:
        return frr
    try:
        differences = compare(
            ServedBridge(one.segment.name, one.segment.index, one.segment.table, one.vrf) for one in bridges
        )
    except frr_json.VtyshError as error:
        return UnreadFact(f"zebra's routes were not looked at, for vtysh says: {error}", "see FRR's log")
    return replace(
        frr,
        missed={one.bridge: one.missed for one in differences},
        not_selected={one.bridge: one.not_selected for one in differences},
        stale={one.bridge: one.stale for one in differences},
    )
