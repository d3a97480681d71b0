"""The document of `rdnbr explain --json`. The names of its keys and their order are promised to scripts. Pure."""

from collections.abc import Iterable

from rdnbr.core.model.address import show_ip, show_mac
from rdnbr.linux.frr.host_routes import Advertisement
from rdnbr.operator.control import json_views
from rdnbr.operator.control.protocol import Document
from rdnbr.operator.explain.explanation_json import encode
from rdnbr.operator.explain.facts import Facts, Kernel
from rdnbr.operator.explain.layers import Layer
from rdnbr.operator.explain.verdict import AddressVerdict
from rdnbr.operator.findings.cure import Cure


def document(facts: Facts, layers: Iterable[Layer], verdict: AddressVerdict) -> Document:
    """Return the facts, what each layer says of them, and the verdict."""
    explanation = encode(facts.explanation, json_views.epoch)
    address, address_family, events = (explanation.pop(key) for key in ("address", "family", "events"))
    del explanation["refused_frame"]  # here it is in words
    unanswered = explanation.pop("unanswered")
    return {
        "address": address,
        "family": address_family,
        "routed": verdict.routed,
        "verdict": verdict.sentence,
        "cure": None if verdict.cure is None else str(verdict.cure),
        "daemon": facts.no_answer is None,
        "layers": [{"layer": layer.name, "answer": layer.answer, "text": layer.text} for layer in layers],
        **explanation,
        "kernel": None if isinstance(facts.kernel, str) else _kernel(facts.kernel),
        "frr": None if isinstance(facts.frr, str) else _frr(facts.frr),
        "events": events,
        "refused_frame": facts.refused_frame,
        "reachable": verdict.reachable,
        "code": verdict.code,
        **_commands(verdict.cure),
        "findings": [
            {"name": one.name, "message": one.message, **one.cure.document()} for one in facts.findings
        ],
        "unanswered": unanswered,
    }


def _commands(cure: Cure | None) -> Document:
    document = (cure or Cure()).document()
    return {key: value for key, value in document.items() if key != "cure"}


def _kernel(kernel: Kernel) -> Document:
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
                "permanent": entry.configured,
                "protocol": entry.protocol,
            }
            for entry in kernel.neighbours
        ],
    }


def _frr(frr: Advertisement) -> Document:
    return {
        "zebra": [
            {"protocol": route.protocol, "device": route.device, "selected": route.selected}
            for route in frr.zebra
        ],
        "in_bgp": frr.in_bgp,
        "peers": list(frr.peers),
    }
