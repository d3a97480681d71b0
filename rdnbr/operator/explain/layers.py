"""The layers of `rdnbr explain`: what each of them says of one address, in the order in which they decide.

Pure: the facts are the daemon's document (`explanation`), what the kernel holds, and what FRR says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import show_ip, show_mac
from rdnbr.linux.frr.host_view import Advertisement
from rdnbr.linux.netlink.route_lookup import HostRoute
from rdnbr.linux.netlink.rtnetlink import Entry
from rdnbr.operator.text.times import age, clock

Answer = Literal["ok", "no", "unknown"]

_MOST_NAMED = 3

NOT_INSTALLED = "FRR is not installed"
"""What `Facts.frr` is then."""

REFUSED = {
    "special-address": "no host can be routed there",
    "link-local": "it means something else on every link, so no host route can lead there",
    "own-address": "it is the node's own",
    "next-hop": "a route of the node leads to it: it is a router's",
    "connected-prefix": "the node is connected to a network that it lies in",
}
"""What the built-in refusals mean."""


class Layer(NamedTuple):
    """What one of them says."""

    name: str
    answer: Answer
    text: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel holds for the address, whoever put it there."""

    routes: Sequence[HostRoute] = ()
    """In the order of their metrics, in each table."""
    neighbours: Sequence[Entry] = ()
    devices: Mapping[int, str] = field(default_factory=dict)
    """Names by ifindex."""
    protocols: Mapping[int, str] = field(default_factory=dict)
    """The names that iproute2 has for them."""

    def device(self, index: int | None) -> str:
        """Name a device."""
        return "nowhere" if index is None else self.devices.get(index, f"if{index}")

    def origin(self, protocol: int) -> str:
        """Name a protocol, with its number."""
        name = self.protocols.get(protocol)
        return f"proto {protocol}" + (f" ({name})" if name else "")


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was looked at."""

    daemon: bool
    """Whether a daemon told of itself; without one, what it would say is made from the files."""
    why_not: str
    """Why no daemon told; empty when one did."""
    to_ask: str
    """What to do so that one tells."""
    told: Mapping[str, Any]
    """`explanation.document`."""
    kernel: Kernel | str
    """Or why it cannot be looked at."""
    frr: Advertisement | str
    """Or why it cannot be asked."""
    now: datetime


def layers(facts: Facts) -> list[Layer]:
    """Return all layers, the first that decides first."""
    return [
        _daemon(facts),
        _builtin(facts.told),
        _allowlist(facts.told),
        *_of_the_daemon(facts),
        *_kernel(facts.kernel),
        *_frr(facts),
    ]


def held_route(kernel: Kernel) -> HostRoute | None:
    """Return the route of ours that the kernel takes; None if it takes somebody else's, or there is none."""
    taken: dict[int, HostRoute] = {}
    for route in kernel.routes:
        taken.setdefault(route.table, route)
    return next((route for route in taken.values() if route.protocol == PROTOCOL), None)


def held_neighbour(kernel: Kernel) -> Entry | None:
    """Return our neighbour, on the device that our route leads over if the kernel takes one; or None."""
    route = held_route(kernel)
    ours = (entry for entry in kernel.neighbours if entry.ours)
    return next((entry for entry in ours if route is None or entry.device == route.device), None)


def _daemon(facts: Facts) -> Layer:
    if not facts.daemon:
        return Layer("daemon", "no", f"{facts.why_not}; what follows is from the files and the kernel")
    law = "by the allowlist" if facts.told["mode"] == "allowlist" else "OPEN: there is no allowlist"
    return Layer("daemon", "ok", f"runs, {law}")


def _builtin(told: Mapping[str, Any]) -> Layer:
    reason = told["refused"]
    if reason is None:
        return Layer(
            "built-in", "ok", "not special, not the node's own, no next hop, in no network of the node's"
        )
    meaning = REFUSED[reason] if told["within"] is None else f"{REFUSED[reason]}, {told['within']}"
    return Layer("built-in", "no", f"{reason}: {meaning}")


def _allowlist(told: Mapping[str, Any]) -> Layer:
    bound = [binding for binding in told["bindings"] if binding["installed"]]
    if told["refused"] is not None:
        return Layer("allowlist", "unknown", "not asked: nobody may have this address")
    if told["mode"] == "open":
        return Layer("allowlist", "ok", "none: whoever answers for it may have it, first come, first served")
    rules = {rule["where"]: rule["rule"] for rule in told["rules"]}
    if bound:
        where = bound[0]["rule"]
        return Layer("allowlist", "ok", f"permitted by {_rule(where, rules)}")
    permitted = [chance for chance in told["chances"] if chance["reason"] is None]
    if permitted:
        said = "; ".join(f"{_who(chance)} by {_rule(chance['rule'], rules)}" for chance in permitted)
        return Layer("allowlist", "ok", f"permitted to {said}")
    if not told["rules"]:
        return Layer("allowlist", "no", "not-permitted: no rule covers it")
    if not told["chances"]:
        first = told["rules"][0]
        return Layer(
            "allowlist", "unknown", f"no port is there; the narrowest rule is {_rule(first['where'], rules)}"
        )
    said = "; ".join(
        f"{chance['reason']} for {_who(chance)}"
        + (f" by {_rule(chance['rule'], rules)}" if chance["rule"] else "")
        for chance in told["chances"]
    )
    return Layer("allowlist", "no", said)


def _rule(where: str | None, rules: Mapping[str, str]) -> str:
    return "no rule" if where is None else f"{where} ({rules[where]})" if where in rules else where


def _who(chance: Mapping[str, Any]) -> str:
    who = f"{chance['mac']} on " if chance["mac"] else ""
    return who + _named(chance["ports"])


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _of_the_daemon(facts: Facts) -> Iterator[Layer]:
    if not facts.daemon:
        for name in ("limits", "quarantine", "binding", "wanted"):
            yield Layer(name, "unknown", "only a daemon knows")
        return
    yield _limits(facts.told)
    yield _quarantine(facts.told)
    yield _binding(facts.told, facts.now)
    yield _wanted(facts.told, facts.now)


def _limits(told: Mapping[str, Any]) -> Layer:
    bound = [binding for binding in told["bindings"] if binding["port_limit"] is not None]
    if bound:
        held = [
            f"{one['port']} has {one['port_addresses']} of {one['port_limit']} addresses" for one in bound
        ]
        return Layer("limits", "ok", "; ".join(held))
    permitted = {port for chance in told["chances"] if chance["reason"] is None for port in chance["ports"]}
    reached = dict.fromkeys(told["hurried"], "has just claimed too many") | dict.fromkeys(
        told["full"], "is full"
    )
    hit = {name: why for name, why in reached.items() if name in permitted}
    if not hit:
        return Layer("limits", "ok", "none is reached")
    said = "; ".join(f"{name} {why}" for name, why in list(hit.items())[:_MOST_NAMED])
    return Layer("limits", "no" if set(hit) == permitted else "ok", said)


def _quarantine(told: Mapping[str, Any]) -> Layer:
    said = "; ".join(
        f"{term['mac'] + ' on ' if term['mac'] else ''}{term['port'] or 'a port that is gone'}"
        f" is not heard for it until {clock(term['until'])}"
        for term in told["quarantine"]
    )
    if not said:
        return Layer("quarantine", "ok", "everybody is heard")
    held = any(binding["installed"] for binding in told["bindings"])
    return Layer("quarantine", "ok" if held else "no", said)


def _binding(told: Mapping[str, Any], now: datetime) -> Layer:
    if not told["bindings"]:
        return Layer("binding", "no", "none: nobody has claimed it, or it was forgotten")
    routed = any(binding["state"] not in ("tentative", "departed") for binding in told["bindings"])
    said = "; ".join(" ".join(_facets(binding, now)) for binding in told["bindings"])
    return Layer("binding", "ok" if routed else "no", said)


def _facets(binding: Mapping[str, Any], now: datetime) -> Iterator[str]:
    unnamed = "a port that is gone" if binding["state"] == "departed" else "a port not known yet"
    yield f"{binding['state']}: {binding['mac']} on {binding['port'] or unnamed}"
    if binding["table"] != 254:
        yield f"in table {binding['table']},"
    yield f"since {age(binding['since'], now)}, last seen {age(binding['last_seen'], now)} ago ({binding['source']})"
    if binding["asked"]:
        yield f"— asked {binding['asked']} times, no answer yet"
    elif not binding["answered"] and binding["state"] != "departed":
        yield "— has not answered a question yet"
    if binding["rival_mac"]:
        yield f"— rival {binding['rival_mac']} on {binding['rival_port']}"
    if binding["state"] == "frozen":
        yield f"— frozen until {clock(binding['frozen_until'])}"
    elif binding["moves"]:
        yield f"— moved {binding['moves']} times of late"


def _wanted(told: Mapping[str, Any], now: datetime) -> Layer:
    if not told["wanted"]:
        return Layer("wanted", "no", "nothing: no binding asks for a route")
    held_up = any(one["why"] or one["retry_at"] for one in told["wanted"])
    return Layer("wanted", "no" if held_up else "ok", "; ".join(_wish(one, now) for one in told["wanted"]))


def _wish(one: Mapping[str, Any], now: datetime) -> str:
    at = one.get("arrived")  # a daemon that was not restarted since an upgrade may not tell
    arrived = f" (arrived {age(at, now)} ago)" if at else ""
    wish = f"route over {one['bridge']} with metric {one['metric']}{arrived}, "
    wish += f"neighbour {one['mac'] or 'not known yet'}"
    if one["why"] is not None:
        wish += f" — the kernel refuses: {one['why']}"
    elif one["retry_at"] is not None:
        wish += " — somebody keeps removing it"
    return wish + (f" — tried again at {clock(one['retry_at'])}" if one["retry_at"] is not None else "")


def _kernel(kernel: Kernel | str) -> Iterator[Layer]:
    if isinstance(kernel, str):
        yield Layer("route", "unknown", kernel)
        yield Layer("neighbour", "unknown", kernel)
        return
    routes = [_route(route, kernel) for route in kernel.routes]
    yield Layer("route", "ok" if held_route(kernel) else "no", "; ".join(routes) or "none in the kernel")
    entries = [_neighbour(entry, kernel) for entry in kernel.neighbours]
    yield Layer(
        "neighbour", "ok" if held_neighbour(kernel) else "no", "; ".join(entries) or "none in the kernel"
    )


def _route(route: HostRoute, kernel: Kernel) -> str:
    kind = "" if route.kind == "unicast" else f"{route.kind} "
    over = "" if route.device is None else f" dev {kernel.device(route.device)}"
    via = "" if route.gateway is None else f" via {show_ip(route.gateway)}"
    table = "" if route.table == 254 else f" table {route.table}"
    whose = "" if route.protocol == PROTOCOL else ", which rdnbr never replaces"
    return f"{kind}{kernel.origin(route.protocol)}{via}{over}{table} metric {route.metric}{whose}"


def _neighbour(entry: Entry, kernel: Kernel) -> str:
    mac = show_mac(entry.neighbour.mac) if len(entry.mac) == 6 else "no MAC"
    if entry.ours:
        return f"{mac} dev {kernel.device(entry.device)}, permanent, {kernel.origin(entry.protocol)}"
    whose = (
        "somebody else's, which rdnbr never replaces" if entry.settled else "the kernel's own, not permanent"
    )
    return f"{mac} dev {kernel.device(entry.device)}: {whose}"


def _frr(facts: Facts) -> Iterable[Layer]:
    frr = facts.frr
    if isinstance(frr, str):
        return [Layer("zebra", "unknown", frr), Layer("bgp", "unknown", frr)]
    routes = "; ".join(
        f"{route.protocol} dev {route.device or '-'}{', selected' if route.selected else ''}"
        for route in frr.zebra
    )
    chosen = any(route.selected and route.protocol == "kernel" for route in frr.zebra)
    if frr.peers:
        bgp = Layer("bgp", "ok" if frr.in_bgp else "no", f"advertised to {_named(frr.peers)}")
    elif frr.in_bgp:
        bgp = Layer("bgp", "no", "in bgpd's table, and advertised to nobody")
    else:
        bgp = Layer("bgp", "no", "not redistributed into bgpd's table")
    return [Layer("zebra", "ok" if chosen else "no", routes or "has no route to it"), bgp]
