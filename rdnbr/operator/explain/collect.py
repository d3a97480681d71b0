"""Collects the facts about one address: the daemon is asked for its explanation, the kernel and FRR are read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rdnbr.config.config import CommandLine, Config, examine, load_allowlist
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.interface_inventory import InterfaceInventory
from rdnbr.core.model.address import IP, family, parse_ip, show_ip
from rdnbr.core.model.explanation import Explanation
from rdnbr.core.model.interfaces import Link
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError
from rdnbr.linux.frr import frr_json, vtysh
from rdnbr.linux.frr.frr_status import Frr, Seen
from rdnbr.linux.frr.host_routes import Advertisement
from rdnbr.linux.frr.zebra_diff import ServedBridge, served
from rdnbr.linux.host import rt_protos
from rdnbr.linux.netlink import route_lookup
from rdnbr.linux.netlink.bridge_fdb import read_fdb
from rdnbr.linux.netlink.bridge_ports import read_port_settings
from rdnbr.linux.netlink.links import snapshot
from rdnbr.linux.netlink.next_hops import next_hops
from rdnbr.operator.control.bound_addresses import BoundAddress, read_bound_addresses
from rdnbr.operator.control.client import Client, CommandFailed, NoDaemon, NoReply
from rdnbr.operator.explain.explanation_json import decode
from rdnbr.operator.explain.facts import FRR_NOT_INSTALLED, Facts, Kernel, NoAnswer
from rdnbr.operator.explain.obstacles import Surroundings, obstacles
from rdnbr.operator.findings.collect import VTYSH_TIMEOUT, collect_facts
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.diagnosis import RESTART_DAEMON, START_DAEMON, diagnose
from rdnbr.operator.findings.diagnosis import Facts as NodeFacts


class _Node(NamedTuple):
    """This node's interfaces."""

    links: tuple[Link, ...]
    bridges: tuple[ServedBridge, ...]
    inventory: InterfaceInventory

    @property
    def vrf(self) -> str | None:
        """The VRF of the bridges, if all of them are in the same one."""
        found = {bridge.vrf for bridge in self.bridges}
        return found.pop() if len(found) == 1 else None


def collect(text: str, given: CommandLine, socket: str | None = None) -> Facts:
    """Collect all that can be known; for what cannot, the facts hold the reason.

    Args:
        text: the address.
        given: the configuration's place. `rdnbr check` reports mistakes in it; here they are passed over.
        socket: the daemon's control socket; None for that of the configuration.

    Raises:
        ValueError: `text` is no address.
    """
    address = parse_ip(text)
    config, _ = examine(given)
    node = _node(config)
    path = Path(socket) if socket else config.socket
    no_answer = None
    bound: tuple[BoundAddress, ...] = ()
    try:
        explanation, bound = _of_daemon(address, path)
    except CommandFailed as error:
        explanation, mistakes = _of_files(address, config, node)
        no_answer = _no_answer(error, path, mistakes)
    of_node = _of_node(given, node)
    now = datetime.now(UTC)
    frr = _frr(address, node, None if of_node is None else of_node.frr)
    return Facts(
        explanation=explanation,
        no_answer=no_answer,
        kernel=node if isinstance(node, str) else _kernel(address, node),
        frr=frr,
        now=now,
        findings=tuple(obstacles(explanation, _surroundings(address, node, of_node, bound), frr, now)),
        frr_status=None if of_node is None else of_node.frr,
        links=() if isinstance(node, str) else node.links,
        bridges=() if isinstance(node, str) else tuple(bridge.bridge for bridge in node.bridges),
        allowlist=str(config.allowlist),
        configuration=str(config.file),
    )


def _no_answer(error: CommandFailed, path: Path, mistakes: str) -> NoAnswer:
    why, _, advice = str(error).partition("; ")
    match error:
        case NoDaemon():
            return NoAnswer("daemon-not-running", f"no daemon answers on {path}{mistakes}", START_DAEMON)
        case NoReply():
            return NoAnswer("daemon-hangs", why + mistakes, RESTART_DAEMON)
        case _:
            return NoAnswer("daemon-unread", why + mistakes, Cure.advise(advice))


def _node(config: Config) -> _Node | str:
    """Return this node's interfaces, or why they cannot be read."""
    inventory = InterfaceInventory(config.bridges)
    try:
        found = snapshot()
        inventory.replace_all(*found)
        inventory.set_next_hops(next_hops())
    except OSError as error:
        return f"the kernel was not looked at: {error.strerror or error}"
    return _Node(tuple(found.links), tuple(served(found, config.bridges)), inventory)


def _surroundings(
    address: IP, node: _Node | str, of_node: NodeFacts | None, bound: tuple[BoundAddress, ...]
) -> Surroundings:
    """Return what is known of the node around the guest; what cannot be read is left out."""
    if isinstance(node, str) or of_node is None:
        return Surroundings(bound=bound)
    names = {link.index: link.name for link in node.links}
    try:
        ports = read_port_settings()
        fdb = read_fdb()
    except OSError:
        ports, fdb = {}, {}
    return Surroundings(
        findings=diagnose(of_node),
        filters=of_node.filters if isinstance(of_node.filters, tuple) else (),
        uplink=of_node.uplinks.get(family(address)),
        unlearned={
            names.get(index, ""): one.unicast_flood for index, one in ports.items() if not one.learning
        },
        fdb=frozenset((names.get(bridge, ""), mac) for bridge, mac in fdb),
        bound=bound,
    )


def _of_daemon(address: IP, socket: Path) -> tuple[Explanation, tuple[BoundAddress, ...]]:
    """Return the daemon's explanation; for an address without a route also all bindings, else none.

    Raises:
        CommandFailed: no daemon answers, or one of another version does.
    """
    with Client(socket) as client:
        explanation = decode(client.request("explain", show_ip(address)))
    if any(detail.shown.installed for detail in explanation.bindings):
        return explanation, ()
    with Client(socket) as client:
        return explanation, read_bound_addresses(client)


def _of_files(address: IP, config: Config, node: _Node | str) -> tuple[Explanation, str]:
    """Return what a daemon that has just started would say, and what the operator must know of the files."""
    allowlist: Allowlist | None = None
    mistakes = ""
    try:
        allowlist = load_allowlist(
            config.allowlist, config.allowlist_directory, required=config.allowlist_named
        )
    except AllowlistError as error:
        mistakes = f"; the allowlist has {len(error.problems)} mistakes (rdnbr check)"
    engine = Engine(config.settings, allowlist)
    if not isinstance(node, str):
        node.inventory.update_engine(0.0, engine)
    return engine.explain(0.0, address), mistakes


def _kernel(address: IP, node: _Node) -> Kernel | str:
    devices = [bridge.device for bridge in node.bridges]
    try:
        routes, neighbours = route_lookup.routes(address, devices), route_lookup.neighbours(address, devices)
    except OSError as error:
        return f"the kernel was not looked at: {error.strerror or error}"
    numbers = {route.protocol for route in routes} | {entry.protocol for entry in neighbours}
    names = {number: rt_protos.name_of(number) for number in numbers}
    return Kernel(
        routes,
        neighbours,
        {link.index: link.name for link in node.links},
        {number: name for number, name in names.items() if name is not None},
    )


def _of_node(given: CommandLine, node: _Node | str) -> NodeFacts | None:
    """Return what `doctor` looks at, without the other guests; None if the kernel cannot be read."""
    if isinstance(node, str):
        return None
    try:
        return collect_facts(given, of_guests=False)
    except OSError:
        return None


def _frr(address: IP, node: _Node | str, status: Seen) -> Advertisement | str:
    if not vtysh.installed():
        return FRR_NOT_INSTALLED
    if isinstance(status, Frr) and not status.daemons:
        return "FRR does not run"
    try:
        return vtysh.advertisement(address, None if isinstance(node, str) else node.vrf, VTYSH_TIMEOUT)
    except frr_json.VtyshError as error:
        return f"FRR was not asked, for vtysh says: {error}"
