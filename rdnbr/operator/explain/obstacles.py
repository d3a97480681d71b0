"""What keeps packets of one guest from passing, or the guest from answering, beside routes and BGP. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rdnbr.core.model.address import IP, MAC, family, show_ip, show_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Verb
from rdnbr.core.model.explanation import BindingDetail, Explanation
from rdnbr.core.model.reason import Reason
from rdnbr.linux.frr.host_routes import Advertisement
from rdnbr.linux.nft.filter_rules import Chain
from rdnbr.linux.nft.guest_filters import cure, forward_drops, input_drop, port_drops, why
from rdnbr.operator.control.bound_addresses import BoundAddress
from rdnbr.operator.control.json_views import epoch
from rdnbr.operator.control.silent_guest import PROBE_OF, alive_address
from rdnbr.operator.explain.cures import take_from
from rdnbr.operator.findings.bound_guests import ANSWER, add_fdb_entry, end_double_announcement
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.filters import let_pass
from rdnbr.operator.findings.finding import Finding, problem, warning
from rdnbr.operator.findings.questions import check_questions
from rdnbr.operator.text.phrases import age, clock, listed

_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of the node around one guest."""

    findings: Sequence[Finding] = ()
    """What `doctor` finds on the node."""
    filters: Sequence[Chain] = ()
    """The packet filters of the node."""
    uplink: str | None = None
    """The device that packets to the Internet leave over."""
    unlearned: Mapping[str, bool] = field(default_factory=dict)
    """Names of ports with learning off, and whether frames to unknown MACs leave by them."""
    fdb: frozenset[tuple[str, MAC]] = frozenset()
    """The MACs in the forwarding database of each bridge."""
    bound: Sequence[BoundAddress] = ()
    """All bindings of the daemon."""


def obstacles(
    explanation: Explanation, around: Surroundings, frr: Advertisement | str, now: datetime
) -> Iterator[Finding]:
    """Yield what is in the way of an address, in the order in which it matters."""
    detail = next(iter(explanation.bindings), None)
    reaching = list(_of_node(explanation.address, detail, around))
    yield from (one for one in reaching if one.about != "frr")
    if detail is not None:
        yield from _conflict(detail)
        yield from _filters(explanation.address, detail, around)
        yield from _unlearned(detail, around)
    yield from _guest(explanation, around, now)
    yield from check_questions(explanation.questions)
    yield from (one for one in reaching if one.about == "frr")
    if isinstance(frr, Advertisement) and frr.in_bgp and frr.elsewhere and not _anycast(explanation):
        yield warning(
            "announced-twice",
            "frr",
            f"another node announces it too: next hop {listed(frr.elsewhere, _MAX_NAMED)}",
            end_double_announcement(explanation.address),
        )


def _of_node(address: IP, detail: BindingDetail | None, around: Surroundings) -> Iterator[Finding]:
    """Yield the findings about the node that stop all packets of the guest's bridge, or of all bridges."""
    bridge = None if detail is None else detail.shown.segment
    for one in around.findings:
        if one.reach is not None and one.reach.covers(bridge, family(address)):
            yield one


def _filters(address: IP, detail: BindingDetail, around: Surroundings) -> Iterator[Finding]:
    shown, version = detail.shown, family(address)
    for way, drop in forward_drops(
        around.filters, shown.segment, version, around.uplink, show_ip(address)
    ).items():
        yield problem(
            "forward-drops",
            shown.segment,
            f"{why(drop)} drops its packets {way} the guest",
            let_pass(cure(drop, shown.segment, "iif" if way == "from" else "oif")),
        )
    heard = input_drop(around.filters, shown.segment, version)
    if heard is not None:
        yield problem(
            "input-drops",
            shown.segment,
            f"{why(heard)} drops what the guest asks the gateway ({'ARP' if version == 4 else 'NDP'})",
            let_pass(cure(heard, shown.segment, "iif")),
        )
    if shown.port is None:
        return
    kinds = ("ARP", "IPv4") if version == 4 else ("NDP", "IPv6")
    for (way, kind), drop in port_drops(around.filters, shown.port, shown.segment, show_ip(address)).items():
        if kind in kinds:
            yield problem(
                "port-filter-drops",
                shown.port,
                f"{why(drop)} drops {kind} {way} {shown.port}; rdnbr hears such frames all the same",
                let_pass(cure(drop, shown.port, "iif" if way == "from" else "oif")),
            )


def _conflict(detail: BindingDetail) -> Iterator[Finding]:
    """Yield that two guests have the address, or had it by turns."""
    shown, address, rival = detail.shown, show_ip(detail.shown.address), detail.challenger
    if shown.state is State.FROZEN and detail.frozen_until is not None:
        yield warning(
            "address-frozen",
            address,
            f"it moved too often, and stays on {shown.port} until {clock(epoch(detail.frozen_until))}",
            Cure.run(f"rdnbr flush {address}", advice="see which guests have it; then, to end it at once"),
        )
    elif shown.installed and rival is not None and rival.mac is not None and rival.port is not None:
        yield warning(
            "address-claimed-twice",
            address,
            f"{show_mac(rival.mac)} on {rival.port} claims it too",
            take_from(rival.mac, rival.port),
        )


def _unlearned(detail: BindingDetail, around: Surroundings) -> Iterator[Finding]:
    shown = detail.shown
    if not shown.installed or shown.port is None or shown.port not in around.unlearned:
        return
    if (shown.segment, shown.mac) in around.fdb:
        return
    where = "leave by all ports" if around.unlearned[shown.port] else "reach nobody"
    yield problem(
        "fdb-entry-missing",
        shown.port,
        f"learning is off on {shown.port}, and the bridge has no entry for {show_mac(shown.mac)}: frames to it {where}",
        add_fdb_entry(shown.mac, shown.port),
    )


def _guest(explanation: Explanation, around: Surroundings, now: datetime) -> Iterator[Finding]:
    address = explanation.address
    silent = next((one for one in around.bound if one.address == address), None) or _silent(explanation)
    alive = None if silent is None else alive_address(silent, around.bound, now.timestamp())
    if silent is not None and alive is not None:
        yield warning(
            "guest-half-silent",
            silent.port or "guest",
            f"{show_mac(silent.mac)} on {silent.port} is alive ({show_ip(alive.address)} was seen "
            f"{age(epoch(alive.last_seen), now)} ago) and does not answer {PROBE_OF[family(address)]}: "
            "a filter of the guest drops them, or the guest no longer has the address",
            ANSWER[family(address)],
        )


def _silent(explanation: Explanation) -> BoundAddress | None:
    """Return the binding that ended last, if it ended in silence; None if not, or if it is forgotten."""
    ended = (event for event in reversed(explanation.events) if event.verb is not Verb.REFUSED)
    last = next(ended, None)
    if last is None or last.reason is not Reason.SILENT or last.mac is None:
        return None
    return BoundAddress(
        explanation.address,
        last.mac,
        last.port,
        "",
        State.DEPARTED,
        installed=False,
        since=last.at,
        last_seen=last.at,
    )


def _anycast(explanation: Explanation) -> bool:
    """Return whether a rule says that the address may be on several nodes."""
    return any("anycast" in rule.text.split() for rule in explanation.rules)
