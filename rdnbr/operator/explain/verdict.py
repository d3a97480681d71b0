"""The first lines of `rdnbr explain`: whether the address is routed, the one reason why not, and the cure. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import family, show_ip, show_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.linux.frr.host_routes import Advertisement
from rdnbr.operator.control.json_views import epoch
from rdnbr.operator.explain.facts import FRR_NOT_INSTALLED, Facts, Kernel
from rdnbr.operator.explain.layers import Layer
from rdnbr.operator.text.phrases import age


class AddressVerdict(NamedTuple):
    """The verdict on one address."""

    routed: bool
    sentence: str
    cure: str | None
    """What to do; None if nothing is wrong, or if the address is meant not to be routed."""


def verdict(facts: Facts, layers: Sequence[Layer]) -> AddressVerdict:
    """Return the verdict; for an address that is not routed, the first layer that is in the way gives the reason."""
    address = show_ip(facts.explanation.address)
    found = {layer.name: layer for layer in layers}
    desired = facts.explanation.desired
    bound = facts.no_answer is not None or facts.installed is not None
    if found["route"].answer == "ok" and found["neighbour"].answer == "ok" and bound:
        return _routed(facts, found)
    if isinstance(facts.kernel, str):
        sentence = f"whether {address} is routed is not known: {facts.kernel}"
        return AddressVerdict(routed=False, sentence=sentence, cure="run it on the node itself, as root")
    if found["built-in"].answer == "no":
        return _not_routed(facts, found["built-in"].text, None)
    elsewhere = _on_another_node(facts.kernel)
    if elsewhere is not None and not desired:
        return _not_routed(
            facts,
            f"the fabric has it elsewhere: {elsewhere}",
            "if its guest is on this node, let it ping its gateway",
        )
    foreign = _foreign_entry(facts.kernel)
    if foreign is not None:
        return _not_routed(
            facts,
            f"somebody else's entry holds its place, and is never replaced: {foreign}",
            f"see who makes it (ip route show {address}; ip neigh show {address}) and remove it",
        )
    if facts.no_answer is not None:
        why = f"the kernel has {_missing(found)} of rdnbr's for it; {facts.no_answer.why}"
        return _not_routed(facts, why, facts.no_answer.cure)
    if found["wanted"].answer == "no" and desired:
        return _not_routed(facts, found["wanted"].text, _RETRIED if desired[0].kernel_error else _REMOVED)
    if any(detail.refused is Reason.DAMPED for detail in facts.explanation.bindings):
        return _not_routed(facts, found["wanted"].text, _DAMPED)
    if bound:
        return _not_routed(
            facts,
            f"its guest is known, and the kernel has {_missing(found)} of rdnbr's for it",
            "ask again in a second; if it stays so, rdnbr show events and the log say why",
        )
    return _not_bound(facts, found)


def _missing(found: Mapping[str, Layer]) -> str:
    return " and ".join(f"no {name}" for name in ("route", "neighbour") if found[name].answer == "no")


def _routed(facts: Facts, found: Mapping[str, Layer]) -> AddressVerdict:
    routed = f"{show_ip(facts.explanation.address)} is routed to {_guest(facts)}{_challenged(facts)}"
    if facts.no_answer is not None:
        return AddressVerdict(
            routed=True, sentence=f"{routed}; {facts.no_answer.why}", cure=facts.no_answer.cure
        )
    if facts.obstacles:
        first = facts.obstacles[0]
        return AddressVerdict(routed=True, sentence=f"{routed}, but {first.text}", cure=first.cure)
    if found["zebra"].answer == "no":
        but, cure = _zebra(facts, found["zebra"].text)
        return AddressVerdict(routed=True, sentence=f"{routed}, but {but}", cure=cure)
    if found["bgp"].answer == "no":
        return AddressVerdict(
            routed=True,
            sentence=f"{routed}, but BGP does not tell anybody: {found['bgp'].text}",
            cure=_NOT_ADVERTISED
            if isinstance(facts.frr, Advertisement) and facts.frr.in_bgp
            else _NOT_REDISTRIBUTED,
        )
    if found["bgp"].answer == "ok":
        return AddressVerdict(routed=True, sentence=f"{routed}, and {found['bgp'].text}", cure=None)
    if facts.frr == FRR_NOT_INSTALLED:
        return AddressVerdict(routed=True, sentence=routed, cure=None)
    return AddressVerdict(
        routed=True,
        sentence=f"{routed}; whether BGP tells of it is not known",
        cure="run it as root, and see that FRR runs: rdnbr doctor",
    )


def _zebra(facts: Facts, text: str) -> tuple[str, str]:
    """Return why zebra does not use a route that the kernel has, and what to do."""
    if isinstance(facts.frr, Advertisement) and any(route.protocol == "kernel" for route in facts.frr.zebra):
        address = facts.explanation.address
        command = "ip route" if family(address) == 4 else "ipv6 route"
        return f"zebra prefers another: {text}", f"vtysh -c 'show {command} {show_ip(address)}' shows both"
    return "zebra has not heard of it", "rdnbr resync --frr"


def _not_bound(facts: Facts, found: Mapping[str, Layer]) -> AddressVerdict:
    """Return the verdict where no binding has a route."""
    explanation = facts.explanation
    half_silent = next((one for one in facts.obstacles if one.layer == "guest"), None)
    if half_silent is not None:
        return _not_routed(facts, half_silent.text, half_silent.cure)
    shown = [detail.shown for detail in explanation.bindings]
    tentative = next((one for one in explanation.bindings if one.shown.state is State.TENTATIVE), None)
    if tentative is not None:
        return _not_routed(
            facts,
            f"{show_mac(tentative.shown.mac)} on {tentative.shown.port} claims it, "
            f"and has not answered for it yet ({tentative.probes_sent} questions)",
            _SILENT,
        )
    departed = next((one for one in shown if one.state is State.DEPARTED), None)
    if departed is not None and not departed.port:
        where = f"{show_mac(departed.mac)} on a port that is gone"
        return _not_routed(facts, f"it was at {where}, and is withdrawn", _PORT_GONE)
    if found["allowlist"].answer == "no":
        pinned = any(case.reason is Reason.PINNED for case in explanation.cases)
        cure = _NO_RULE if not explanation.rules else _PINNED if pinned else _DENIED
        return _not_routed(facts, found["allowlist"].text, cure)
    if explanation.refused is None and not explanation.cases:
        return _not_routed(
            facts, "no guest port is there", "rdnbr show ports; start the guest, or plug it into the bridge"
        )
    if found["limits"].answer == "no":
        return _not_routed(facts, found["limits"].text, _LIMITED)
    if found["quarantine"].answer == "no":
        return _quarantined(facts, found["quarantine"].text)
    refused = next((event for event in reversed(explanation.events) if event.verb is Verb.REFUSED), None)
    if refused is not None and not shown:
        return _refused(facts, refused)
    why = "nobody claims it"
    if departed is not None:
        why = f"it was at {show_mac(departed.mac)} on {departed.port}, and is withdrawn"
    return _not_routed(facts, why, _NO_CLAIM)


def _quarantined(facts: Facts, text: str) -> AddressVerdict:
    """Return the verdict for a source in quarantine: it was silent, or an incumbent has answered."""
    verbs = [event.verb for event in facts.explanation.events if event.verb is not Verb.REFUSED]
    if verbs[-1:] == [Verb.EXPIRED]:
        return _not_routed(facts, f"{text}, for it did not answer when it claimed it", _SILENT)
    return _not_routed(facts, text, _QUARANTINED)


def _refused(facts: Facts, event: Decision) -> AddressVerdict:
    """Return the verdict for the latest claim, which was refused."""
    mac = None if event.mac is None else show_mac(event.mac)
    rule = f" ({event.rule})" if event.rule else ""
    ago = age(epoch(event.at), facts.now)
    why = f"{mac} on {event.port} claimed it {ago} ago and was refused: {event.reason}{rule}"
    return _not_routed(facts, why, _REFUSAL_CURES.get(event.reason, _REFUSED))


_ZEBRA_PROTOCOLS = frozenset({11, *range(186, 199)})
"""Protocols of the routes that FRR makes (zebra/rt_netlink.c, is_selfroute), without babel's."""

_RETRIED = "the log has the kernel's words, and journalctl -k perhaps more; it is tried again by itself"
_DAMPED = "see why the port goes down and up (ip monitor link); rdnbr probe ADDRESS ends the damping at once"
_REMOVED = "ip -ts monitor route neigh shows when; look for another program that cleans up"
_NOT_ADVERTISED = (
    "vtysh -c 'show bgp summary' tells whether a session is up; "
    "if so, see its filters (prefix-list, route-map)"
)
_NOT_REDISTRIBUTED = (
    "rdnbr doctor finds a missing `redistribute kernel`; else see its route-map and prefix list"
)
_NO_RULE = "if a guest should have it, add a rule to the allowlist; rdnbr check names mistakes"
_PINNED = "see that the port of the guest it belongs to is there (rdnbr show ports), or change that rule"
_DENIED = "change that rule if a guest should have it; rdnbr check names mistakes"
_LIMITED = "[port] in the configuration has the limits; rdnbr show counters says who reached them"
_SILENT = "the guest must answer ARP from 169.254.0.1, or NS from fe80::1: see its firewall, and arp_ignore"
_QUARANTINED = "wait until then; who claimed it did not answer for it, or its guest answered"
_NO_CLAIM = "let the guest ping its gateway; tcpdump -eni PORT arp or icmp6 shows whether it says anything"
_PORT_GONE = (
    "rdnbr show ports lists those that are heard; once its port is among them, let the guest ping its gateway"
)
_POLICY = "change that rule if it should be this guest's; if not, wait for the right guest, or let it ping its gateway"
_REFUSED = "see the events below; rdnbr show counters has every frame by its reason"
_REFUSAL_CURES = {
    Reason.PINNED: _POLICY,
    Reason.DENIED: _POLICY,
    Reason.MAC_MISMATCH: "mac_check in the configuration, if the guest may send so (MS NLB, some bonds)",
    Reason.PORT_FULL: "[port] in the configuration has the limits",
    Reason.TABLE_FULL: "[limits] in the configuration has the number of addresses",
    Reason.TOO_MANY_NEW: "[port] in the configuration has the limits",
}
"""What to do about the latest refusal."""


def _not_routed(facts: Facts, why: str, cure: str | None) -> AddressVerdict:
    sentence = f"{show_ip(facts.explanation.address)} is not routed: {why}"
    return AddressVerdict(routed=False, sentence=sentence, cure=cure)


def _guest(facts: Facts) -> str:
    """Name port, MAC and bridge of the guest that the kernel routes to."""
    assert isinstance(facts.kernel, Kernel)
    route, neighbour = facts.kernel.held_route, facts.kernel.held_neighbour
    assert route is not None
    assert neighbour is not None
    mac, bridge = show_mac(neighbour.neighbour.mac), facts.kernel.device(route.device)
    port = None if facts.installed is None else facts.installed.shown.port
    return f"{port} ({mac}) over {bridge}" if port else f"{mac} over {bridge}"


def _challenged(facts: Facts) -> str:
    for detail in facts.explanation.bindings:
        challenger = detail.challenger
        if detail.shown.installed and challenger is not None and challenger.mac is not None:
            return f", while {show_mac(challenger.mac)} on {challenger.port} claims it"
    return ""


def _on_another_node(kernel: Kernel) -> str | None:
    """Name the route that the kernel uses, if FRR made it: the guest is on another node."""
    used = next(iter(kernel.routes), None)
    if used is None or used.protocol not in _ZEBRA_PROTOCOLS:
        return None
    gateway = "" if used.gateway is None else f" via {show_ip(used.gateway)}"
    return f"{kernel.origin(used.protocol)}{gateway} dev {kernel.device(used.device)}"


def _foreign_entry(kernel: Kernel) -> str | None:
    """Name another program's entry that rdnbr's cannot replace, or that the kernel prefers to rdnbr's."""
    used = next((route for route in kernel.routes if route.protocol not in _ZEBRA_PROTOCOLS), None)
    if used is not None and used.protocol != PROTOCOL:
        return (
            f"a route, {kernel.origin(used.protocol)} dev {kernel.device(used.device)} metric {used.metric}"
        )
    other = next((entry for entry in kernel.neighbours if entry.configured and not entry.ours), None)
    if other is not None:
        return f"a permanent neighbour on {kernel.device(other.device)}"
    return None
