"""The first lines of `rdnbr explain`: whether packets reach the address, the one reason why not, and the cure. Pure.

An address is *reachable* if it is routed here, advertised to somebody, and nothing known stands in the way.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import family, show_ip, show_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.linux.frr.host_routes import Advertisement
from rdnbr.operator.control.json_views import epoch
from rdnbr.operator.explain import cures
from rdnbr.operator.explain.facts import FRR_NOT_INSTALLED, Facts, Kernel
from rdnbr.operator.explain.layers import Layer
from rdnbr.operator.findings.bound_guests import ANSWER
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.frr import RESYNC, see_routes
from rdnbr.operator.text.phrases import age


class AddressVerdict(NamedTuple):
    """The verdict on one address."""

    routed: bool
    """Whether the kernel has the route and the neighbour."""
    reachable: bool
    """Whether it is routed, advertised to somebody, and nothing known stands in the way."""
    code: str
    """The verdict in one word, for programs: `reachable`, the name of a finding, a reason, or one of its own."""
    sentence: str
    cure: Cure | None
    """What to do; None if nothing is wrong, or if the address is meant not to be routed."""


def verdict(facts: Facts, layers: Sequence[Layer]) -> AddressVerdict:
    """Return the verdict; for an address that is not routed, the first layer that is in the way gives the reason."""
    found = {layer.name: layer for layer in layers}
    desired = facts.explanation.desired
    bound = facts.no_answer is not None or facts.installed is not None
    if found["route"].answer == "ok" and found["neighbour"].answer == "ok" and bound:
        return _routed(facts, found)
    if isinstance(facts.kernel, str):
        sentence = f"whether {show_ip(facts.explanation.address)} is routed is not known: {facts.kernel}"
        return AddressVerdict(
            routed=False, reachable=False, code="kernel-unknown", sentence=sentence, cure=cures.AS_ROOT
        )
    if facts.explanation.refused is not None:
        return _not_routed(facts, facts.explanation.refused, found["built-in"].text, None)
    elsewhere = _on_another_node(facts.kernel)
    if elsewhere is not None and not desired:
        return _not_routed(
            facts,
            "elsewhere",
            f"the fabric has it elsewhere: {elsewhere}",
            cures.probe(facts, "if its guest is on this node"),
        )
    foreign = _foreign_entry(facts.kernel)
    if foreign is not None:
        why = f"somebody else's entry holds its place, and is never replaced: {foreign}"
        return _not_routed(facts, "foreign-entry", why, cures.remove_foreign(facts, facts.kernel))
    if facts.no_answer is not None:
        why = f"the kernel has {_missing(found)} of rdnbr's for it; {facts.no_answer.why}"
        return _not_routed(facts, facts.no_answer.code, why, facts.no_answer.cure)
    if found["wanted"].answer == "no" and desired:
        code, cure = (
            ("kernel-refused", cures.RETRIED) if desired[0].kernel_error else ("contested", cures.REMOVED)
        )
        return _not_routed(facts, code, found["wanted"].text, cure)
    if any(detail.refused is Reason.DAMPED for detail in facts.explanation.bindings):
        return _not_routed(facts, Reason.DAMPED, found["wanted"].text, cures.end_damping(facts))
    if bound:
        why = f"its guest is known, and the kernel has {_missing(found)} of rdnbr's for it"
        return _not_routed(facts, "entry-missing", why, cures.EVENTS)
    return _not_bound(facts, found)


def _missing(found: Mapping[str, Layer]) -> str:
    return " and ".join(f"no {name}" for name in ("route", "neighbour") if found[name].answer == "no")


def _routed(facts: Facts, found: Mapping[str, Layer]) -> AddressVerdict:
    routed = f"{show_ip(facts.explanation.address)} is routed to {_guest(facts)}"
    if facts.findings:
        first = facts.findings[0]
        return _unreached(first.name, f"{routed}, but {first.message}", first.cure)
    if found["zebra"].answer == "no":
        return _unreached(*_zebra(facts, routed, found["zebra"].text))
    if found["bgp"].answer == "no":
        return _unadvertised(facts, routed, found["bgp"].text)
    if found["bgp"].answer == "unknown" and facts.frr != FRR_NOT_INSTALLED:
        if facts.no_answer is not None:
            return _unreached(facts.no_answer.code, f"{routed}; {facts.no_answer.why}", facts.no_answer.cure)
        sentence = f"{routed}; whether BGP advertises it is not known: {found['bgp'].text}"
        return _unreached("advertisement-unknown", sentence, cures.FRR_UNKNOWN)
    if found["bgp"].answer == "ok":
        routed += f", and {found['bgp'].text}"
    if facts.no_answer is not None:
        return AddressVerdict(
            routed=True,
            reachable=True,
            code=facts.no_answer.code,
            sentence=f"{routed}; {facts.no_answer.why}",
            cure=facts.no_answer.cure,
        )
    return AddressVerdict(routed=True, reachable=True, code="reachable", sentence=routed, cure=None)


def _unreached(code: str, sentence: str, cure: Cure) -> AddressVerdict:
    return AddressVerdict(routed=True, reachable=False, code=code, sentence=sentence, cure=cure)


def _zebra(facts: Facts, routed: str, text: str) -> tuple[str, str, Cure]:
    """Return why zebra does not use a route that the kernel has, and what to do."""
    if isinstance(facts.frr, Advertisement) and any(route.protocol == "kernel" for route in facts.frr.zebra):
        why = f"{routed}, but zebra prefers another: {text}"
        return "zebra-prefers-others", why, see_routes(facts.explanation.address)
    return "zebra-missed-routes", f"{routed}, but zebra has not heard of it", RESYNC


def _unadvertised(facts: Facts, routed: str, text: str) -> AddressVerdict:
    """Return the verdict for a route that zebra has, and BGP does not advertise to anybody."""
    sentence = f"{routed}, but BGP does not tell anybody: {text}"
    if isinstance(facts.frr, Advertisement) and facts.frr.in_bgp:
        advice = "vtysh -c 'show bgp summary' tells whether a session is up; if so, see its filters"
        return _unreached("not-advertised", sentence, Cure.advise(advice))
    return _unreached("not-redistributed", sentence, cures.redistribute(facts))


def _not_bound(facts: Facts, found: Mapping[str, Layer]) -> AddressVerdict:
    """Return the verdict where no binding has a route."""
    explanation = facts.explanation
    version = family(explanation.address)
    shown = [detail.shown for detail in explanation.bindings]
    departed = next((one for one in shown if one.state is State.DEPARTED), None)
    if found["allowlist"].answer == "no" and (departed is None or departed.port):
        # A guest whose port has another name now is refused, and not silent.
        return _not_permitted(facts, found["allowlist"].text)
    half_silent = next((one for one in facts.findings if one.name == "guest-half-silent"), None)
    if half_silent is not None:
        return _not_routed(facts, half_silent.name, half_silent.message, half_silent.cure)
    tentative = next((one for one in explanation.bindings if one.shown.state is State.TENTATIVE), None)
    if tentative is not None:
        why = (
            f"{show_mac(tentative.shown.mac)} on {tentative.shown.port} claims it, "
            f"and has not answered for it yet ({tentative.probes_sent} questions)"
        )
        return _not_routed(facts, "unanswered", why, ANSWER[version])
    refused = cures.claim(facts)
    if departed is not None and not departed.port:
        if refused is not None and refused == explanation.events[-1] and refused.mac == departed.mac:
            return _refused(facts, refused)  # its guest is on another port now
        where = f"{show_mac(departed.mac)} on a port that is gone"
        why = f"it was at {where}, and is withdrawn"
        return _not_routed(facts, Reason.PORT_GONE, why, cures.plug_in(facts, _last_port(facts)))
    if explanation.refused is None and not explanation.cases:
        return _not_routed(facts, "no-port", "no guest port is there", cures.NO_PORT)
    if found["limits"].answer == "no":
        port = next(iter((*explanation.full_ports, *explanation.limited_ports)))
        code = Reason.PORT_FULL if explanation.full_ports else Reason.TOO_MANY_NEW
        return _not_routed(facts, code, found["limits"].text, cures.raise_limit(facts, port))
    if found["quarantine"].answer == "no":
        return _quarantined(facts, found["quarantine"].text)
    if refused is not None and not shown:
        return _refused(facts, refused)
    if departed is not None:
        why = f"it was at {show_mac(departed.mac)} on {departed.port}, and is withdrawn"
        return _not_routed(facts, Reason.SILENT, why, cures.probe(facts, _AWAKE))
    return _not_routed(facts, "unclaimed", "nobody claims it", cures.probe(facts, _AWAKE))


def _last_port(facts: Facts) -> str | None:
    """Return the port that the latest decision names."""
    return next((event.port for event in reversed(facts.explanation.events) if event.port), None)


def _not_permitted(facts: Facts, text: str) -> AddressVerdict:
    reasons = [case.reason for case in facts.explanation.cases]
    if not facts.explanation.rules:
        return _not_routed(facts, Reason.NOT_PERMITTED, text, cures.permit(facts, "if a guest may have it"))
    code = Reason.PINNED if Reason.PINNED in reasons else Reason.DENIED
    return _not_routed(facts, code, text, cures.permit(facts, "if that rule should be this guest's"))


def _quarantined(facts: Facts, text: str) -> AddressVerdict:
    """Return the verdict for a source in quarantine: it was silent, or an incumbent has answered."""
    verbs = [event.verb for event in facts.explanation.events if event.verb is not Verb.REFUSED]
    if verbs[-1:] == [Verb.EXPIRED]:
        why = f"{text}, for it did not answer when it claimed it"
        return _not_routed(facts, Reason.SILENT, why, ANSWER[family(facts.explanation.address)])
    return _not_routed(facts, Reason.QUARANTINED, text, cures.WAIT)


def _refused(facts: Facts, event: Decision) -> AddressVerdict:
    """Return the verdict for the latest claim, which was refused."""
    mac = None if event.mac is None else show_mac(event.mac)
    rule = f" ({event.rule})" if event.rule else ""
    ago = age(epoch(event.at), facts.now)
    why = f"{mac} on {event.port} claimed it {ago} ago and was refused: {event.reason}{rule}"
    return _not_routed(facts, event.reason, why, _refusal_cure(facts, event))


def _refusal_cure(facts: Facts, event: Decision) -> Cure:
    match event.reason:
        case Reason.PINNED | Reason.DENIED | Reason.NOT_PERMITTED:
            return cures.permit(
                facts, "if it should be this guest's; else the right guest has not claimed it"
            )
        case Reason.PORT_FULL | Reason.TOO_MANY_NEW:
            return cures.raise_limit(facts, event.port or "")
        case Reason.MAC_MISMATCH:
            return Cure.advise(
                "mac_check in the configuration, if the guest may send so (MS NLB, some bonds)"
            )
        case Reason.TABLE_FULL:
            return Cure.advise("[limits] in the configuration has the number of addresses")
        case _:
            return cures.COUNTERS


_ZEBRA_PROTOCOLS = frozenset({11, *range(186, 199)})
"""Protocols of the routes that FRR makes (zebra/rt_netlink.c, is_selfroute), without babel's."""

_AWAKE = "its guest must answer, or send a packet; tcpdump -eni PORT shows whether it does"


def _not_routed(facts: Facts, code: str, why: str, cure: Cure | None) -> AddressVerdict:
    sentence = f"{show_ip(facts.explanation.address)} is not routed: {why}"
    return AddressVerdict(routed=False, reachable=False, code=str(code), sentence=sentence, cure=cure)


def _guest(facts: Facts) -> str:
    """Name port, MAC and bridge of the guest that the kernel routes to."""
    assert isinstance(facts.kernel, Kernel)
    route, neighbour = facts.kernel.held_route, facts.kernel.held_neighbour
    assert route is not None
    assert neighbour is not None
    mac, bridge = show_mac(neighbour.neighbour.mac), facts.kernel.device(route.device)
    port = None if facts.installed is None else facts.installed.shown.port
    return f"{port} ({mac}) over {bridge}" if port else f"{mac} over {bridge}"


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
