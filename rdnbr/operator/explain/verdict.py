"""The first sentence of `rdnbr explain`: whether the address is routed, the one reason why not, and what to do."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import show_ip, show_mac
from rdnbr.linux.frr.host_view import Advertisement
from rdnbr.operator.explain.layers import NOT_INSTALLED, Facts, Kernel, Layer, held_neighbour, held_route
from rdnbr.operator.text.times import age


class AddressVerdict(NamedTuple):
    """What it comes to."""

    routed: bool
    sentence: str
    cure: str | None
    """What to do; None when all is well, or when it is as it should be."""


def judge(facts: Facts, layers: Sequence[Layer]) -> AddressVerdict:
    """Judge by all layers: by the first that says no, where the address is not routed."""
    address = facts.told["address"]
    found = {layer.name: layer for layer in layers}
    if found["route"].answer == "ok" and found["neighbour"].answer == "ok" and _bound(facts):
        return _routed(facts, found)
    said = {name: layer.text for name, layer in found.items()}
    if isinstance(facts.kernel, str):
        sentence = f"whether {address} is routed is not known: {facts.kernel}"
        return AddressVerdict(routed=False, sentence=sentence, cure="run it on the node itself, as root")
    if found["built-in"].answer == "no":
        return _not(address, said["built-in"], None)
    elsewhere = _elsewhere(facts.kernel)
    if elsewhere is not None and not facts.told["wanted"]:
        return _not(
            address,
            f"the fabric has it elsewhere: {elsewhere}",
            "if its guest is on this node, let it ping its gateway",
        )
    foreign = _foreign(facts.kernel)
    if foreign is not None:
        return _not(
            address,
            f"somebody else's entry holds its place, and is never replaced: {foreign}",
            f"see who makes it (ip route show {address}; ip neigh show {address}) and remove it",
        )
    if not facts.daemon:
        return _not(
            address, f"the kernel has {_lacking(found)} of rdnbr's for it; {facts.why_not}", facts.to_ask
        )
    if found["wanted"].answer == "no" and facts.told["wanted"]:
        return _not(address, said["wanted"], _RETRIED if facts.told["wanted"][0]["why"] else _REMOVED)
    if _bound(facts):
        return _not(
            address,
            f"its guest is known, and the kernel has {_lacking(found)} of rdnbr's for it",
            "ask again in a second; if it stays so, rdnbr show events and the log say why",
        )
    return _unbound(facts, found)


def _lacking(found: Mapping[str, Layer]) -> str:
    return " and ".join(f"no {name}" for name in ("route", "neighbour") if found[name].answer == "no")


def _routed(facts: Facts, found: Mapping[str, Layer]) -> AddressVerdict:
    routed = f"{facts.told['address']} is routed to {_where(facts)}{_contested(facts)}"
    if not facts.daemon:
        return AddressVerdict(routed=True, sentence=f"{routed}; {facts.why_not}", cure=facts.to_ask)
    if found["zebra"].answer == "no":
        but, cure = _of_zebra(facts, found["zebra"].text)
        return AddressVerdict(routed=True, sentence=f"{routed}, but {but}", cure=cure)
    if found["bgp"].answer == "no":
        return AddressVerdict(
            routed=True,
            sentence=f"{routed}, but BGP does not tell anybody: {found['bgp'].text}",
            cure=_UNTOLD if isinstance(facts.frr, Advertisement) and facts.frr.in_bgp else _NOT_IN_BGP,
        )
    if found["bgp"].answer == "ok":
        return AddressVerdict(routed=True, sentence=f"{routed}, and {found['bgp'].text}", cure=None)
    if facts.frr == NOT_INSTALLED:
        return AddressVerdict(routed=True, sentence=routed, cure=None)
    return AddressVerdict(
        routed=True,
        sentence=f"{routed}; whether BGP tells of it is not known",
        cure="run it as root, and see that FRR runs: rdnbr doctor",
    )


def _of_zebra(facts: Facts, text: str) -> tuple[str, str]:
    """Say why zebra does not use a route that the kernel has, and what to do."""
    if isinstance(facts.frr, Advertisement) and any(route.protocol == "kernel" for route in facts.frr.zebra):
        command = "ip route" if facts.told["family"] == 4 else "ipv6 route"
        return (
            f"zebra prefers another: {text}",
            f"vtysh -c 'show {command} {facts.told['address']}' shows both",
        )
    return "zebra has not heard of it", "rdnbr resync --frr"


def _unbound(facts: Facts, found: Mapping[str, Layer]) -> AddressVerdict:
    """Nobody holds it, or who claims it has not proved it."""
    address, told = facts.told["address"], facts.told
    tentative = next((one for one in told["bindings"] if one["state"] == "tentative"), None)
    if tentative is not None:
        return _not(
            address,
            f"{tentative['mac']} on {tentative['port']} claims it, and has not answered for it yet "
            f"({tentative['asked']} questions)",
            _MUTE,
        )
    gone = next((one for one in told["bindings"] if one["state"] == "departed"), None)
    if gone is not None and not gone["port"]:
        return _not(address, f"it was at {gone['mac']} on a port that is gone, and is withdrawn", _GONE)
    if found["allowlist"].answer == "no":
        pinned = any(chance["reason"] == "pinned" for chance in told["chances"])
        cure = _UNCOVERED if not told["rules"] else _PINNED if pinned else _DENIED
        return _not(address, found["allowlist"].text, cure)
    if told["refused"] is None and not told["chances"]:
        return _not(
            address, "no guest port is there", "rdnbr show ports; start the guest, or plug it into the bridge"
        )
    if found["limits"].answer == "no":
        return _not(address, found["limits"].text, _LIMITED)
    if found["quarantine"].answer == "no":
        made = [event["decision"] for event in told["events"] if event["decision"] != "refused"]
        mute = made[-1:] == ["expired"]
        sentence = found["quarantine"].text + (", for it did not answer when it claimed it" if mute else "")
        return _not(address, sentence, _MUTE if mute else _HEARD_LATER)
    last = next((event for event in reversed(told["events"]) if event["decision"] == "refused"), None)
    if last is not None and not told["bindings"]:
        return _not(
            address,
            f"{last['mac']} on {last['port']} claimed it {age(last['at'], facts.now)} ago and was refused: "
            f"{last['reason']}" + (f" ({last['rule']})" if last["rule"] else ""),
            _REFUSED.get(
                last["reason"], "see the events below; rdnbr show counters has every frame by its reason"
            ),
        )
    why = "nobody claims it"
    if gone is not None:
        why = f"it was at {gone['mac']} on {gone['port']}, and is withdrawn"
    return _not(address, why, _UNHEARD)


_ZEBRA_S = frozenset({11, *range(186, 199)})
"""Protocols of routes that FRR itself makes (zebra/rt_netlink.c, is_selfroute), but for babel's."""

_RETRIED = "the log has the kernel's words, and journalctl -k perhaps more; it is tried again by itself"
_REMOVED = "ip -ts monitor route neigh shows when; look for another program that cleans up"
_UNTOLD = "vtysh -c 'show bgp summary' tells whether a session is up; if so, see its filters (prefix-list, route-map)"
_NOT_IN_BGP = "rdnbr doctor finds a missing `redistribute kernel`; else see its route-map and prefix list"
_UNCOVERED = "if a guest should have it, add a rule to the allowlist; rdnbr check names mistakes"
_PINNED = "see that the port of the guest it belongs to is there (rdnbr show ports), or change that rule"
_DENIED = "change that rule if a guest should have it; rdnbr check names mistakes"
_LIMITED = "[port] in the configuration has the limits; rdnbr show counters says who reached them"
_MUTE = "the guest must answer ARP from 169.254.0.1, or NS from fe80::1: see its firewall, and arp_ignore"
_HEARD_LATER = "wait until then; who claimed it did not answer for it, or its guest answered"
_UNHEARD = "let the guest ping its gateway; tcpdump -eni PORT arp or icmp6 shows whether it says anything"
_GONE = (
    "rdnbr show ports lists those that are heard; once its port is among them, let the guest ping its gateway"
)
_BY_LAW = "change that rule if it should be this guest's; if not, wait for the right guest, or let it ping its gateway"
_REFUSED = {
    "pinned": _BY_LAW,
    "denied": _BY_LAW,
    "mac-mismatch": "mac_check in the configuration, if the guest may send so (MS NLB, some bonds)",
    "port-full": "[port] in the configuration has the limits",
    "table-full": "[limits] in the configuration has the number of addresses",
    "too-many-new": "[port] in the configuration has the limits",
}
"""What to do about the latest refusal."""


def _not(address: str, why: str, cure: str | None) -> AddressVerdict:
    return AddressVerdict(routed=False, sentence=f"{address} is not routed: {why}", cure=cure)


def _bound(facts: Facts) -> bool:
    return not facts.daemon or any(binding["installed"] for binding in facts.told["bindings"])


def _where(facts: Facts) -> str:
    binding = next((one for one in facts.told["bindings"] if one["installed"]), None)
    assert isinstance(facts.kernel, Kernel)
    route, neighbour = held_route(facts.kernel), held_neighbour(facts.kernel)
    assert route is not None
    assert neighbour is not None
    mac, over = show_mac(neighbour.neighbour.mac), facts.kernel.device(route.device)
    port = binding["port"] if binding is not None else None
    return f"{port} ({mac}) over {over}" if port else f"{mac} over {over}"


def _elsewhere(kernel: Kernel) -> str | None:
    """Name the route by which FRR knows of the address on another node, if it is that one that is taken."""
    taken = next(iter(kernel.routes), None)
    if taken is None or taken.protocol not in _ZEBRA_S:
        return None
    gateway = "" if taken.gateway is None else f" via {show_ip(taken.gateway)}"
    return f"{kernel.origin(taken.protocol)}{gateway} dev {kernel.device(taken.device)}"


def _contested(facts: Facts) -> str:
    challenger = next((one for one in facts.told["bindings"] if one["installed"] and one["rival_mac"]), None)
    return (
        ""
        if challenger is None
        else f", while {challenger['rival_mac']} on {challenger['rival_port']} claims it"
    )


def _foreign(kernel: Kernel) -> str | None:
    """Name what of somebody else's keeps ours out, or wins over it."""
    taken = next((route for route in kernel.routes if route.protocol not in _ZEBRA_S), None)
    if taken is not None and taken.protocol != PROTOCOL:
        return f"a route, {kernel.origin(taken.protocol)} dev {kernel.device(taken.device)} metric {taken.metric}"
    other = next((entry for entry in kernel.neighbours if entry.settled and not entry.ours), None)
    if other is not None:
        return f"a permanent neighbour on {kernel.device(other.device)}"
    return None
