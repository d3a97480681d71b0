"""The layers of `rdnbr explain`: what each of them says of one address, in the order in which they decide. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import show_ip, show_mac
from rdnbr.core.model.binding import Unsent
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.explanation import BindingDetail, DesiredEntry, Explanation, PolicyCase
from rdnbr.core.model.reason import Reason
from rdnbr.linux.netlink.route_lookup import HostRoute
from rdnbr.linux.netlink.rtnetlink import Entry
from rdnbr.operator.control.json_views import epoch
from rdnbr.operator.explain.facts import Facts, Kernel
from rdnbr.operator.text.phrases import age, clock, listed

Answer = Literal["ok", "no", "unknown"]

_MAX_NAMED = 3
"""How many ports or peers a layer names."""

_MAIN = 254
"""The main routing table, which needs no mention."""

BUILTIN_REFUSALS = {
    Reason.SPECIAL_ADDRESS: "no host can be routed there",
    Reason.LINK_LOCAL: "it means something else on every link, so no host route can lead there",
    Reason.OWN_ADDRESS: "it is the node's own",
    Reason.NEXT_HOP: "a route of the node leads to it: it is a router's",
    Reason.CONNECTED_PREFIX: "the node is connected to a network that it lies in",
}
"""What the built-in refusals mean."""


_LAYER_OF = {
    **dict.fromkeys(("gateway-dadfailed", "no-ipv4-gateway", "no-ipv6-gateway"), "gateway"),
    **dict.fromkeys(("forward-drops", "input-drops", "port-filter-drops"), "filter"),
    **dict.fromkeys(("bridge-down", "bridge-without-carrier", "no-segment"), "bridge"),
    **dict.fromkeys(("ipv4-forwarding-off", "ipv6-forwarding-off", "arp-ignore-too-strict"), "kernel"),
    **dict.fromkeys(("frr-not-running", "zebra-not-running", "bgpd-not-running"), "frr"),
    **dict.fromkeys(("no-redistribute-kernel", "bgp-no-session"), "frr"),
    "fdb-entry-missing": "fdb",
    "guest-half-silent": "guest",
    "guest-asks-nobody": "guest",
    "address-frozen": "guest",
    "address-claimed-twice": "guest",
}
"""The layer of each finding that can stand in the way; that of all others is `node`."""


class Layer(NamedTuple):
    """What one layer says."""

    name: str
    answer: Answer
    """Whether the address may pass this layer on its way to be routed."""
    text: str


def layers(facts: Facts) -> list[Layer]:
    """Return all layers, in the order in which they decide."""
    return [
        _daemon(facts),
        _builtin(facts.explanation),
        _allowlist(facts),
        *_state(facts),
        *_kernel(facts.kernel),
        *_frr(facts),
        *(Layer(_LAYER_OF.get(one.name, "node"), "no", one.message) for one in facts.findings),
    ]


def _daemon(facts: Facts) -> Layer:
    if facts.no_answer is not None:
        return Layer("daemon", "no", f"{facts.no_answer.why}; what follows is from the files and the kernel")
    mode = "OPEN: there is no allowlist" if facts.explanation.open_mode else "by the allowlist"
    return Layer("daemon", "ok", f"runs, {mode}")


def _builtin(explanation: Explanation) -> Layer:
    reason = explanation.refused
    if reason is None and explanation.connected_prefix is not None:
        return Layer("built-in", "ok", _covered(explanation))
    if reason is None:
        return Layer(
            "built-in", "ok", "not special, not the node's own, no next hop, in no network of the node's"
        )
    where = "" if explanation.connected_prefix is None else f", {explanation.connected_prefix}"
    return Layer("built-in", "no", f"{reason}: {BUILTIN_REFUSALS[reason]}{where}")


def _covered(explanation: Explanation) -> str:
    """Return why an address has a route, or may get one, although a connected prefix contains it."""
    named = any("connected" in rule.text.split() for rule in explanation.rules)
    why = "its rule says `connected`" if named else "it keeps its route, and a new claim would be refused"
    return f"{BUILTIN_REFUSALS[Reason.CONNECTED_PREFIX]}, {explanation.connected_prefix}; {why}"


def _allowlist(facts: Facts) -> Layer:
    explanation = facts.explanation
    if explanation.refused is not None:
        return Layer("allowlist", "unknown", "not asked: nobody may have this address")
    if explanation.open_mode:
        return Layer("allowlist", "ok", "none: whoever answers for it may have it, first come, first served")
    rules = {rule.where: rule.text for rule in explanation.rules}
    if facts.installed is not None:
        return Layer("allowlist", "ok", f"permitted by {_rule(facts.installed.shown.rule, rules)}")
    permitted = [case for case in explanation.cases if case.reason is None]
    if permitted:
        text = "; ".join(f"{_claimants(case)} by {_rule(case.rule, rules)}" for case in permitted)
        return Layer("allowlist", "ok", f"permitted to {text}")
    if not explanation.rules:
        return Layer("allowlist", "no", "not-permitted: no rule covers it")
    if not explanation.cases:
        first = explanation.rules[0].where
        return Layer("allowlist", "unknown", f"no port is there; the narrowest rule is {_rule(first, rules)}")
    text = "; ".join(
        f"refused to {_claimants(case)}: {case.reason}"
        + (f" by {_rule(case.rule, rules)}" if case.rule else "")
        for case in explanation.cases
    )
    return Layer("allowlist", "no", text)


def _rule(where: str | None, rules: Mapping[str, str]) -> str:
    if where is None:
        return "no rule"
    return f"{where} ({rules[where]})" if where in rules else where


def _claimants(case: PolicyCase) -> str:
    return ("" if case.mac is None else f"{show_mac(case.mac)} on ") + listed(case.ports, _MAX_NAMED)


def _state(facts: Facts) -> Iterator[Layer]:
    """Yield the layers that only a running daemon has a state of."""
    if facts.no_answer is not None:
        for name in ("limits", "quarantine", "binding", "wanted"):
            yield Layer(name, "unknown", "only a daemon knows")
        return
    yield _limits(facts.explanation)
    yield _quarantine(facts)
    yield _bindings(facts)
    yield _desired(facts)


def _limits(explanation: Explanation) -> Layer:
    bound = [detail for detail in explanation.bindings if detail.port_limit is not None]
    if bound:
        held = [f"{one.shown.port} has {one.port_addresses} of {one.port_limit} addresses" for one in bound]
        return Layer("limits", "ok", "; ".join(held))
    permitted = {port for case in explanation.cases if case.reason is None for port in case.ports}
    reached = dict.fromkeys(explanation.limited_ports, "has just claimed too many")
    reached |= dict.fromkeys(explanation.full_ports, "is full")
    hit = {port: limit for port, limit in reached.items() if port in permitted}
    if not hit:
        return Layer("limits", "ok", "none is reached")
    text = "; ".join(f"{port} {limit}" for port, limit in list(hit.items())[:_MAX_NAMED])
    return Layer("limits", "no" if set(hit) == permitted else "ok", text)


def _quarantine(facts: Facts) -> Layer:
    text = "; ".join(
        f"{'' if held.mac is None else show_mac(held.mac) + ' on '}{held.port or 'a port that is gone'}"
        f" is not heard for it until {clock(epoch(held.until))}"
        for held in facts.explanation.hold_downs
    )
    if not text:
        return Layer("quarantine", "ok", "everybody is heard")
    return Layer("quarantine", "no" if facts.installed is None else "ok", text)


def _bindings(facts: Facts) -> Layer:
    details = facts.explanation.bindings
    if not details:
        return Layer("binding", "no", "none: nobody has claimed it, or it was forgotten")
    alive = any(detail.shown.state not in (State.TENTATIVE, State.DEPARTED) for detail in details)
    text = "; ".join(" ".join(_binding(detail, facts)) for detail in details)
    return Layer("binding", "ok" if alive else "no", text)


def _binding(detail: BindingDetail, facts: Facts) -> Iterator[str]:
    """Yield the phrases that describe one binding."""
    shown = detail.shown
    unnamed = "a port that is gone" if shown.state is State.DEPARTED else "a port not known yet"
    card = "" if shown.physical_mac is None else f" (from the card {show_mac(shown.physical_mac)})"
    yield f"{shown.state}: {show_mac(shown.mac)}{card} on {shown.port or unnamed}"
    if detail.table != _MAIN:
        yield f"in table {detail.table},"
    since, seen = age(epoch(shown.since), facts.now), age(epoch(shown.last_seen), facts.now)
    yield f"since {since}, last seen {seen} ago ({shown.source})"
    if shown.state is State.STATIC:
        yield "— static: not probed, moved by no claim"
    elif shown.unsent is not None:
        yield f"— cannot be asked: {_UNSENT[shown.unsent].format(shown)}"
    elif detail.probes_sent:
        yield f"— asked {detail.probes_sent} times, no answer yet"
    elif not detail.answered and shown.state is not State.DEPARTED:
        yield "— has not answered a question yet"
    if detail.challenger is not None and detail.challenger.mac is not None:
        yield f"— rival {show_mac(detail.challenger.mac)} on {detail.challenger.port}"
    if shown.state is State.FROZEN and detail.frozen_until is not None:
        yield f"— frozen until {clock(epoch(detail.frozen_until))}"
    elif detail.moves:
        yield f"— moved {detail.moves} times of late"


_UNSENT = {
    Unsent.NO_GATEWAY: "{0.segment} has no gateway address of its family (rdnbr doctor)",
    Unsent.PORT: "{0.port} takes no frames",
}
"""Why a binding is not probed."""


def _desired(facts: Facts) -> Layer:
    desired = facts.explanation.desired
    if not desired:
        held = next((one for one in facts.explanation.bindings if one.refused is Reason.DAMPED), None)
        if held is not None and held.damped_until is not None:
            until = clock(epoch(held.damped_until))
            return Layer(
                "wanted", "no", f"damped: {held.shown.port} flaps, its routes are held back until {until}"
            )
        return Layer("wanted", "no", "nothing: no binding asks for a route")
    held_up = any(entry.kernel_error or entry.retry_at is not None for entry in desired)
    text = "; ".join(_desired_entry(entry, facts) for entry in desired)
    return Layer("wanted", "no" if held_up else "ok", text)


def _desired_entry(entry: DesiredEntry, facts: Facts) -> str:
    arrived = "" if entry.arrived is None else f" (arrived {age(epoch(entry.arrived), facts.now)} ago)"
    mac = "not known yet" if entry.mac is None else show_mac(entry.mac)
    text = f"route over {entry.bridge} with metric {entry.metric}{arrived}, neighbour {mac}"
    if entry.kernel_error is not None:
        text += f" — the kernel refuses: {entry.kernel_error}"
    elif entry.retry_at is not None:
        text += " — somebody keeps removing it"
    return text if entry.retry_at is None else f"{text} — tried again at {clock(epoch(entry.retry_at))}"


def _kernel(kernel: Kernel | str) -> Iterator[Layer]:
    if isinstance(kernel, str):
        yield Layer("route", "unknown", kernel)
        yield Layer("neighbour", "unknown", kernel)
        return
    routes = [_route(route, kernel) for route in kernel.routes]
    yield Layer("route", "ok" if kernel.held_route else "no", "; ".join(routes) or "none in the kernel")
    entries = [_neighbour(entry, kernel) for entry in kernel.neighbours]
    yield Layer(
        "neighbour", "ok" if kernel.held_neighbour else "no", "; ".join(entries) or "none in the kernel"
    )


def _route(route: HostRoute, kernel: Kernel) -> str:
    kind = "" if route.kind == "unicast" else f"{route.kind} "
    over = "" if route.device is None else f" dev {kernel.device(route.device)}"
    via = "" if route.gateway is None else f" via {show_ip(route.gateway)}"
    table = "" if route.table == _MAIN else f" table {route.table}"
    whose = "" if route.protocol == PROTOCOL else ", which rdnbr never replaces"
    return f"{kind}{kernel.origin(route.protocol)}{via}{over}{table} metric {route.metric}{whose}"


def _neighbour(entry: Entry, kernel: Kernel) -> str:
    mac = show_mac(entry.neighbour.mac) if len(entry.mac) == 6 else "no MAC"
    if entry.ours:
        return f"{mac} dev {kernel.device(entry.device)}, permanent, {kernel.origin(entry.protocol)}"
    whose = (
        "somebody else's, which rdnbr never replaces"
        if entry.configured
        else "the kernel's own, not permanent"
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
    selected = any(route.selected and route.protocol == "kernel" for route in frr.zebra)
    if frr.peers:
        bgp = Layer("bgp", "ok" if frr.in_bgp else "no", f"advertised to {listed(frr.peers, _MAX_NAMED)}")
    elif frr.in_bgp:
        bgp = Layer("bgp", "no", "in bgpd's table, and advertised to nobody")
    else:
        bgp = Layer("bgp", "no", "not redistributed into bgpd's table")
    return [Layer("zebra", "ok" if selected else "no", routes or "has no route to it"), bgp]
