"""What to do about an address that is not routed, or not reached: the cures of the verdict. Pure."""

import shlex
from ipaddress import ip_address

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import MAC, family, show_ip, show_mac
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.linux.frr.frr_status import Frr
from rdnbr.linux.netlink.route_lookup import HostRoute
from rdnbr.operator.explain.facts import Facts, Kernel
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.frr import pass_route_map

_MAIN = 254
_FEWEST = {4: 64, 6: 128}
"""Addresses of a port that a cure allows at least, by IP version: four times the defaults."""

WAIT = Cure.advise("wait until then; who claimed it did not answer for it, or its guest answered")
RETRIED = Cure.advise(
    "the log has the kernel's words, and journalctl -k perhaps more; it is tried again by itself"
)
REMOVED = Cure.advise("ip -ts monitor route neigh shows when; look for another program that cleans up")
EVENTS = Cure.advise("ask again in a second; if it stays so, rdnbr show events and the log say why")
COUNTERS = Cure.advise("see the events below; rdnbr show counters has every frame by its reason")
AS_ROOT = Cure.advise("run it on the node itself, as root")
FRR_UNKNOWN = Cure.advise("run it as root, or in the group frrvty")
NO_PORT = Cure.advise("rdnbr show ports; start the guest, or plug it into the bridge")


def probe(facts: Facts, advice: str) -> Cure:
    """Return the cure that looks for the guest now, wherever it may be."""
    return Cure.run(f"rdnbr probe {show_ip(facts.explanation.address)}", advice=advice)


def claim(facts: Facts) -> Decision | None:
    """Return the latest claim that was refused on a port; None if there is none."""
    refused = (event for event in reversed(facts.explanation.events) if event.verb is Verb.REFUSED)
    return next((event for event in refused if event.port is not None), None)


def permit(facts: Facts, advice: str) -> Cure:
    """Return the cure that has the allowlist permit the address to the guest that claims it."""
    address, claimed = show_ip(facts.explanation.address), claim(facts)
    rule = address if claimed is None else f"{address} port={claimed.port}"
    for one in facts.explanation.rules:
        if _is_host_rule(one.text, address):
            file, _, line = one.where.rpartition(":")
            command = f"sed -i {shlex.quote(f'{line}s|.*|{rule}|')} {shlex.quote(file)}"
            break
    else:
        command = f"echo {shlex.quote(rule)} >> {shlex.quote(facts.allowlist)}"
    if claimed is None:
        advice += "; with port=, vm= or mac= for one guest alone"
    return Cure.run(command, "rdnbr reload", advice=advice)


def _is_host_rule(rule: str, address: str) -> bool:
    """Return whether a rule is about this address and no other, so that no longer prefix can take precedence."""
    word = next((word for word in rule.split() if word != "deny"), "")
    prefix = word.removesuffix("/32").removesuffix("/128")
    try:
        return ip_address(prefix) == ip_address(address)
    except ValueError:
        return False


def raise_limit(facts: Facts, port: str) -> Cure:
    """Return the cure that lets a port have more addresses."""
    version = family(facts.explanation.address)
    most = max([_FEWEST[version], *(2 * (one.port_limit or 0) for one in facts.explanation.bindings)])
    lines = rf'\n[ports."{port}"]\naddresses_ipv{version} = {most}\n'
    return Cure.run(
        f"printf {shlex.quote(lines)} >> {shlex.quote(facts.configuration)}",
        "rdnbr reload",
        advice="if the guest may have so many, and [ports] does not have the port yet",
    )


def remove_foreign(facts: Facts, kernel: Kernel) -> Cure:
    """Return the cure that removes other programs' entries which hold the place of rdnbr's."""
    address, version = show_ip(facts.explanation.address), family(facts.explanation.address)
    routes = [_remove_route(address, version, route, kernel) for route in kernel.routes if _is_foreign(route)]
    neighbours = [
        f"ip neigh del {address} dev {kernel.device(entry.device)}"
        for entry in kernel.neighbours
        if entry.configured and not entry.ours
    ]
    return Cure.run(*routes, *neighbours, advice="see which program makes it, for it may come again")


def _is_foreign(route: HostRoute) -> bool:
    return route.protocol != PROTOCOL and route.gateway is None


def _remove_route(address: str, version: int, route: HostRoute, kernel: Kernel) -> str:
    kind = "" if route.kind == "unicast" else f"{route.kind} "
    device = "" if route.device is None else f" dev {kernel.device(route.device)}"
    table = "" if route.table == _MAIN else f" table {route.table}"
    return (
        f"ip -{version} route del {kind}{address}{device} proto {route.protocol} metric {route.metric}{table}"
    )


def redistribute(facts: Facts) -> Cure:
    """Return the cure of an address that BGP does not take over from zebra."""
    bridge = None if facts.installed is None else facts.installed.shown.segment
    if not isinstance(facts.frr_status, Frr) or bridge is None:
        return Cure.advise("see the route-map and the prefix list of `redistribute kernel`")
    return pass_route_map(facts.frr_status, [facts.explanation.address], bridge)


def end_damping(facts: Facts) -> Cure:
    """Return the cure of a port that flaps."""
    return probe(facts, "see why the port goes down and up (ip monitor link); to end the damping at once")


def plug_in(facts: Facts, port: str | None) -> Cure:
    """Return the cure of a guest whose port is gone or down.

    Args:
        facts: all that was collected.
        port: the name that it had; None if that is forgotten.
    """
    link = next((link for link in facts.links if link.name == port), None)
    advice = "rdnbr show ports lists the ports that are heard"
    if link is None:
        return Cure.advise(f"{advice}; start the guest, or plug it into the bridge")
    commands = [] if link.up else [f"ip link set {link.name} up"]
    bridges = [bridge for bridge in facts.bridges if bridge]
    if link.master is None and len(bridges) == 1:
        commands.insert(0, f"ip link set {link.name} master {bridges[0]}")
    return Cure.run(*commands, advice=advice)


def take_from(mac: MAC, port: str) -> Cure:
    """Return the cure of a second guest that claims an address."""
    return Cure.run(
        f"ip link set {port} down",
        advice=f"take the address from one of the two guests; until then, to cut off {show_mac(mac)}",
    )
