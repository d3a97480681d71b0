"""`rdnbr explain`: why an address is routed, or is not."""

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rdnbr.config.config import CommandLine, Config, examine, load_allowlist
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.interface_inventory import InterfaceInventory
from rdnbr.core.model.address import IP, parse_ip, show_ip, show_mac
from rdnbr.core.model.interfaces import Link
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError
from rdnbr.linux.frr import vtysh
from rdnbr.linux.frr.host_view import Advertisement
from rdnbr.linux.frr.zebra_diff import ServedBridge, served
from rdnbr.linux.host import rt_protos
from rdnbr.linux.netlink import route_lookup
from rdnbr.linux.netlink.links import snapshot
from rdnbr.linux.netlink.next_hops import next_hops
from rdnbr.operator.control import json_views
from rdnbr.operator.control.client import CannotAsk, Client, NoDaemon
from rdnbr.operator.control.protocol import Document
from rdnbr.operator.explain import report
from rdnbr.operator.explain.layers import NOT_INSTALLED, Facts, Kernel, Layer, layers
from rdnbr.operator.explain.verdict import AddressVerdict, judge
from rdnbr.operator.text.times import clock

PATIENCE = 3.0
"""Seconds that FRR may take for an answer: whoever asks has a guest that does not work."""

_MARKS = {"ok": "ok", "no": "NO", "unknown": "?"}


def explain(args: Namespace) -> int:
    """Print it, and return 0 when the address is routed, else 1."""
    facts = look(args.address, CommandLine(args.config), args.socket)
    found = layers(facts)
    judgement = judge(facts, found)
    if args.json:
        print(json.dumps(document(facts, found, judgement), ensure_ascii=False))
    else:
        print("\n".join(lines(facts, found, judgement)))
    return 0 if judgement.routed else 1


class _Here(NamedTuple):
    """This node's devices, as far as they matter."""

    links: tuple[Link, ...]
    bridges: tuple[ServedBridge, ...]
    landscape: InterfaceInventory

    @property
    def vrf(self) -> str | None:
        """The VRF of the bridges, where all are in the same."""
        found = {over.vrf for over in self.bridges}
        return found.pop() if len(found) == 1 else None


def look(text: str, given: CommandLine, socket: str | None = None) -> Facts:
    """Look at everything there is to look at; what cannot be looked at is said to be unknown."""
    address = parse_ip(text)
    config, _ = examine(given)  # its mistakes are for `check`
    here = _here(config)
    told, why_not, to_ask = _told(address, Path(socket) if socket else config.socket, config, here)
    return Facts(
        daemon=not why_not,
        why_not=why_not,
        to_ask=to_ask,
        told=told,
        kernel=here if isinstance(here, str) else _kernel(address, here),
        frr=_frr(address, here),
        now=datetime.now(UTC),
    )


def document(facts: Facts, found: Iterable[Layer], judgement: AddressVerdict) -> Document:
    """Return all of it as the JSON promised to scripts."""
    told = {key: value for key, value in facts.told.items() if key not in ("address", "family", "events")}
    return {
        "address": facts.told["address"],
        "family": facts.told["family"],
        "routed": judgement.routed,
        "verdict": judgement.sentence,
        "cure": judgement.cure,
        "daemon": facts.daemon,
        "layers": [{"layer": layer.name, "answer": layer.answer, "text": layer.text} for layer in found],
        **told,
        "kernel": None if isinstance(facts.kernel, str) else _kernel_document(facts.kernel),
        "frr": None if isinstance(facts.frr, str) else _frr_document(facts.frr),
        "events": facts.told["events"],
    }


def lines(facts: Facts, found: Iterable[Layer], judgement: AddressVerdict) -> Iterator[str]:
    """Yield all of it for people: the verdict, the cure, each layer, and what happened lately."""
    yield judgement.sentence
    if judgement.cure is not None:
        yield f"    do: {judgement.cure}"
    yield ""
    for layer in found:
        yield f"{_MARKS[layer.answer]:3} {layer.name:11} {layer.text}"
    if facts.told["events"]:
        yield ""
        yield "lately:"
    for event in facts.told["events"]:
        yield f"    {clock(event['at'])} {_event(event)}"


def _event(event: dict[str, Any]) -> str:
    who = f"{event['mac'] or '-'} on {event['port'] or '-'}"
    rule = f" ({event['rule']})" if event["rule"] else ""
    challenger = f", rival {event['rival_mac'] or '-'} on {event['rival_port'] or '-'}"
    return f"{event['decision']:10} {who}: {event['reason']}{rule}" + (
        challenger if event["rival_port"] else ""
    )


def _here(config: Config) -> _Here | str:
    landscape = InterfaceInventory(config.bridges)
    try:
        there = snapshot()
        landscape.replace_all(*there)
        landscape.set_next_hops(next_hops())
    except OSError as error:
        return f"the kernel was not looked at: {error.strerror or error}"
    return _Here(tuple(there.links), tuple(served(there, config.bridges)), landscape)


def _told(address: IP, socket: Path, config: Config, here: _Here | str) -> tuple[Document, str, str]:
    """Return what a daemon says; without one what can be said from the files, why no daemon did, and the cure."""
    try:
        with Client(socket) as client:
            told: Document = client.ask("explain", show_ip(address))
    except NoDaemon:
        why_not, to_ask = f"no daemon answers on {socket}", "systemctl start rdnbr"
    except CannotAsk as error:
        why_not, _, to_ask = str(error).partition("; ")
    else:
        return told, "", ""
    allowlist: Allowlist | None = None
    try:
        allowlist = load_allowlist(
            config.allowlist, config.allowlist_directory, required=config.allowlist_named
        )
    except AllowlistError as error:
        why_not += f"; the allowlist has {len(error.problems)} mistakes (rdnbr check)"
    engine = Engine(config.settings, allowlist)
    if not isinstance(here, str):
        here.landscape.update_engine(0.0, engine)
    standing = engine.explain(0.0, address)
    return report.document(standing, (), (), (), allowlist, json_views.epoch), why_not, to_ask


def _kernel(address: IP, here: _Here) -> Kernel | str:
    devices = [over.device for over in here.bridges]
    try:
        routes, neighbours = route_lookup.routes(address, devices), route_lookup.neighbours(address, devices)
    except OSError as error:
        return f"the kernel was not looked at: {error.strerror or error}"
    numbers = {route.protocol for route in routes} | {entry.protocol for entry in neighbours}
    names = {number: rt_protos.name_of(number) for number in numbers}
    return Kernel(
        routes,
        neighbours,
        {link.index: link.name for link in here.links},
        {number: name for number, name in names.items() if name is not None},
    )


def _frr(address: IP, here: _Here | str) -> Advertisement | str:
    if not vtysh.installed():
        return NOT_INSTALLED
    try:
        return vtysh.advertisement(address, None if isinstance(here, str) else here.vrf, PATIENCE)
    except vtysh.Silent as silent:
        return f"FRR was not asked, for vtysh says: {silent}"


def _kernel_document(kernel: Kernel) -> Document:
    return {
        "routes": [
            {
                "table": route.table,
                "device": None if route.device is None else kernel.device(route.device),
                "metric": route.metric,
                "protocol": route.protocol,
                "kind": route.kind,
                "gateway": None if route.gateway is None else show_ip(route.gateway),
            }
            for route in kernel.routes
        ],
        "neighbours": [
            {
                "device": kernel.device(entry.device),
                "mac": show_mac(entry.neighbour.mac) if entry.mac else None,
                "permanent": entry.settled,
                "protocol": entry.protocol,
            }
            for entry in kernel.neighbours
        ],
    }


def _frr_document(frr: Advertisement) -> Document:
    return {
        "zebra": [
            {"protocol": route.protocol, "device": route.device, "selected": route.selected}
            for route in frr.zebra
        ],
        "in_bgp": frr.in_bgp,
        "peers": list(frr.peers),
    }
