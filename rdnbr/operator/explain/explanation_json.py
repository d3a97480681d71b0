"""The JSON of an explanation: the daemon encodes it, and `rdnbr explain` decodes it. Pure.

The names of the keys and their order are promised to scripts. Where the code has another name for a thing, the names
are older than the code: `chances` are policy cases, `hurried` are ports that have used up their rate, `quarantine` has
the hold-downs, `wanted` the desired entries, `asked` counts probes, and the `rival` is the challenger.
"""

from rdnbr.core.model.address import MAC, family, show_ip, show_mac
from rdnbr.core.model.binding import Unsent
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.engine_outputs import Challenger, Decision, Verb
from rdnbr.core.model.explanation import (
    BindingDetail,
    DesiredEntry,
    Explanation,
    HoldDown,
    PolicyCase,
    RuleText,
)
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.operator.control import json_views
from rdnbr.operator.control.bound_addresses import read_question
from rdnbr.operator.control.json_fields import Fields, flag, integer, ip, mac, moment, octets, text, texts
from rdnbr.operator.control.json_views import Wall
from rdnbr.operator.control.protocol import Document, Json


def encode(explanation: Explanation, wall: Wall) -> Document:
    """Return the JSON of an explanation.

    Args:
        explanation: with times on some clock.
        wall: turns times of that clock into times of day.
    """
    refused = explanation.refused
    return {
        "mode": "open" if explanation.open_mode else "allowlist",
        "address": show_ip(explanation.address),
        "family": family(explanation.address),
        "refused": refused and refused.value,
        "within": explanation.connected_prefix,
        "rules": [{"where": rule.where, "rule": rule.text} for rule in explanation.rules],
        "chances": [_encode_case(case) for case in explanation.cases],
        "full": list(explanation.full_ports),
        "hurried": list(explanation.limited_ports),
        "quarantine": [_encode_hold_down(one, wall) for one in explanation.hold_downs],
        "bindings": [_encode_binding(detail, wall) for detail in explanation.bindings],
        "wanted": [_encode_desired(entry, wall) for entry in explanation.desired],
        "events": [json_views.decision(event, wall) for event in explanation.events],
        "refused_frame": None if explanation.refused_frame is None else explanation.refused_frame.hex(),
        "unanswered": [{"port": port, **json_views.question(one)} for port, one in explanation.questions],
    }


def decode(document: Json) -> Explanation:
    """Return the explanation that `encode` made a document of; its times are seconds since 1970.

    Raises:
        OtherVersion: the document comes from a daemon whose version has other keys or values.
    """
    fields = Fields(document)
    return Explanation(
        address=fields.get("address", ip),
        open_mode=fields.get("mode", _is_open),
        refused=fields.optional("refused", _reason),
        connected_prefix=fields.optional("within", text),
        rules=tuple(
            RuleText(rule.get("where", text), rule.get("rule", text)) for rule in fields.objects("rules")
        ),
        cases=tuple(map(_decode_case, fields.objects("chances"))),
        full_ports=fields.get("full", texts),
        limited_ports=fields.get("hurried", texts),
        hold_downs=tuple(map(_decode_hold_down, fields.objects("quarantine"))),
        bindings=tuple(map(_decode_binding, fields.objects("bindings"))),
        desired=tuple(map(_decode_desired, fields.objects("wanted"))),
        events=tuple(map(_decode_event, fields.objects("events"))),
        # An older daemon does not send it.
        refused_frame=fields.optional("refused_frame", octets) if "refused_frame" in fields else None,
        questions=tuple((one.get("port", text), read_question(one)) for one in fields.objects("unanswered"))
        if "unanswered" in fields
        else (),
    )


def _encode_case(case: PolicyCase) -> Json:
    return {
        "ports": list(case.ports),
        "mac": _mac(case.mac),
        "reason": case.reason and case.reason.value,
        "rule": case.rule,
    }


def _decode_case(fields: Fields) -> PolicyCase:
    return PolicyCase(
        ports=fields.get("ports", texts),
        mac=fields.optional("mac", mac),
        reason=fields.optional("reason", _reason),
        rule=fields.optional("rule", text),
    )


def _encode_hold_down(held: HoldDown, wall: Wall) -> Json:
    return {"port": held.port, "mac": _mac(held.mac), "until": json_views.timestamp(wall(held.until))}


def _decode_hold_down(fields: Fields) -> HoldDown:
    return HoldDown(
        port=fields.optional("port", text),
        mac=fields.optional("mac", mac),
        until=fields.get("until", moment),
    )


def _encode_binding(detail: BindingDetail, wall: Wall) -> Json:
    challenger = detail.challenger
    return {
        **json_views.binding(detail.shown, wall),
        "table": detail.table,
        "entered": json_views.timestamp(wall(detail.state_since)),
        "due": _time(detail.deadline, wall),
        "asked": detail.probes_sent,
        "answered": detail.answered,
        "rival_mac": None if challenger is None else _mac(challenger.mac),
        "rival_port": None if challenger is None else challenger.port,
        "moves": detail.moves,
        "frozen_until": _time(detail.frozen_until, wall),
        "refused": detail.refused and detail.refused.value,
        "damped_until": _time(detail.damped_until, wall),
        "port_addresses": detail.port_addresses,
        "port_limit": detail.port_limit,
    }


def _decode_binding(fields: Fields) -> BindingDetail:
    return BindingDetail(
        shown=BindingSnapshot(
            address=fields.get("address", ip),
            mac=fields.get("mac", mac),
            port=fields.optional("port", text),
            segment=fields.get("bridge", text),
            vlan=fields.optional("vlan", integer),
            state=fields.get("state", _state),
            installed=fields.get("installed", flag),
            source=fields.get("source", _source),
            since=fields.get("since", moment),
            last_seen=fields.get("last_seen", moment),
            rule=fields.optional("rule", text),
            # An older daemon does not send it.
            physical_mac=fields.optional("physical_mac", mac) if "physical_mac" in fields else None,
            unsent=fields.optional("unsent", _unsent) if "unsent" in fields else None,
        ),
        table=fields.get("table", integer),
        state_since=fields.get("entered", moment),
        deadline=fields.optional("due", moment),
        probes_sent=fields.get("asked", integer),
        answered=fields.get("answered", flag),
        challenger=_decode_challenger(fields),
        moves=fields.get("moves", integer),
        frozen_until=fields.optional("frozen_until", moment),
        refused=fields.optional("refused", _reason),
        # An older daemon does not send it.
        damped_until=fields.optional("damped_until", moment) if "damped_until" in fields else None,
        port_addresses=fields.optional("port_addresses", integer),
        port_limit=fields.optional("port_limit", integer),
    )


def _encode_desired(entry: DesiredEntry, wall: Wall) -> Json:
    return {
        "table": entry.table,
        "bridge": entry.bridge,
        "mac": _mac(entry.mac),
        "metric": entry.metric,
        "arrived": _time(entry.arrived, json_views.epoch),
        "retry_at": _time(entry.retry_at, wall),
        "why": entry.kernel_error,
    }


def _decode_desired(fields: Fields) -> DesiredEntry:
    return DesiredEntry(
        table=fields.get("table", integer),
        bridge=fields.get("bridge", text),
        mac=fields.optional("mac", mac),
        metric=fields.get("metric", integer),
        # An older daemon does not send it, and all else in its answer is understood.
        arrived=fields.optional("arrived", moment) if "arrived" in fields else None,
        retry_at=fields.optional("retry_at", moment),
        kernel_error=fields.optional("why", text),
    )


def _decode_event(fields: Fields) -> Decision:
    return Decision(
        at=fields.get("at", moment),
        verb=fields.get("decision", _verb),
        reason=fields.get("reason", _reason),
        address=fields.optional("address", ip),
        mac=fields.optional("mac", mac),
        port=fields.optional("port", text),
        state=fields.optional("state", _state),
        rule=fields.optional("rule", text),
        challenger=_decode_challenger(fields),
    )


def _decode_challenger(fields: Fields) -> Challenger | None:
    """Return the challenger; one whose MAC and port are both unknown is as none."""
    challenger = Challenger(fields.optional("rival_mac", mac), fields.optional("rival_port", text))
    return None if challenger == (None, None) else challenger


def _is_open(value: Json) -> bool:
    if value not in ("open", "allowlist"):
        raise ValueError
    return value == "open"


def _reason(value: Json) -> Reason:
    return Reason(text(value))


def _state(value: Json) -> State:
    return State(text(value))


def _unsent(value: Json) -> Unsent:
    return Unsent(text(value))


def _source(value: Json) -> Source:
    return Source(text(value))


def _verb(value: Json) -> Verb:
    return Verb(text(value))


def _mac(address: MAC | None) -> str | None:
    return None if address is None else show_mac(address)


def _time(at: float | None, wall: Wall) -> str | None:
    return None if at is None else json_views.timestamp(wall(at))
