"""Explanations for the tests of `rdnbr explain`: what a daemon would send of a world, beside kernel and FRR tables."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dialogue import World

from rdnbr.core.bindings.explanation_builder import events_about
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.explanation import DesiredEntry, Explanation
from rdnbr.core.model.settings import Settings
from rdnbr.linux.frr.host_routes import Advertisement, ZebraRoute
from rdnbr.linux.netlink.route_lookup import HostRoute
from rdnbr.linux.netlink.rtnetlink import Entry
from rdnbr.operator.control import json_views
from rdnbr.operator.explain.explanation_json import decode, encode
from rdnbr.operator.explain.facts import Facts, Kernel, NoAnswer
from rdnbr.operator.findings.cure import Cure

V4 = "2.57.57.30"
ALICE, BOB = parse_mac("52:02:45:00:00:01"), parse_mac("52:02:45:00:00:02")
ALLOW = f"{V4} port=tap1i0"
BRIDGE, UPLINK = 1, 2
OURS = HostRoute(254, BRIDGE, 0, 171, "unicast", None)
NEIGHBOUR = Entry(BRIDGE, parse_ip(V4), ALICE, 0x80, 171)
DEVICES = {BRIDGE: "vmbr1", UPLINK: "uplink"}
HELD = Kernel((OURS,), (NEIGHBOUR,), DEVICES, {171: "rdnbr"})
EMPTY = Kernel(devices=DEVICES, protocols={4: "static"})
SELECTED = ZebraRoute("kernel", "vmbr1", selected=True)
ADVERTISED = Advertisement((SELECTED,), in_bgp=True, peers=("198.51.100.0",))
UNKNOWN_TO_FRR = Advertisement((), in_bgp=False, peers=())
NO_DAEMON = NoAnswer("daemon-not-running", "no daemon answers on /run/x", Cure.run("start it"))


def explained(world: World, address: str = V4, **desired: Any) -> Explanation:
    """Return the explanation that a client gets from the daemon; the engine's wishes are what it desires."""
    packed = parse_ip(address)
    entries = [
        DesiredEntry(
            table=key.table,
            bridge="vmbr1",
            mac=host.mac,
            metric=host.metric,
            arrived=desired.get("arrived"),
            retry_at=desired.get("retry_at"),
            kernel_error=desired.get("kernel_error"),
        )
        for key, host in world.wanted.items()
        if key.address == packed
    ]
    explanation = replace(
        world.engine.explain(world.now, packed),
        desired=tuple(entries),
        events=events_about(packed, world.decisions),
    )
    return decode(encode(explanation, json_views.epoch))


def facts(explanation: Explanation, **changes: Any) -> Facts:
    """Return facts at the tenth second, with an address that kernel and FRR have, but for `changes`."""
    return replace(Facts(explanation, None, HELD, ADVERTISED, datetime.fromtimestamp(10, UTC)), **changes)


def bound(allow: str | None = ALLOW) -> World:
    """Alice has had the address for ten seconds."""
    world = World(allow)
    world.guest("alice", "tap1i0", V4).asks_gateway()
    world.plugs("tap2i0")
    world.runs(10)
    return world


def quiet(allow: str | None = ALLOW, *ports: str, settings: Settings | None = None) -> World:
    """There are ports, and no guest has sent a frame."""
    world = World(allow, settings or Settings())
    for port in ports or ("tap1i0", "tap2i0"):
        world.plugs(port)
    return world
