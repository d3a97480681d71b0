"""What the daemon knows of one address, as the JSON that `rdnbr explain` is made of. Pure, as `views` is."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdnbr.core.bindings.explanation import BindingDetail, Explanation, HoldDown, PolicyCase, rules_about
from rdnbr.core.model.address import MAC, family, show_ip, show_mac
from rdnbr.core.model.fib_entries import Host
from rdnbr.core.model.outputs import Decision
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.operator.control import json_views
from rdnbr.operator.control.json_views import Mode, Wall
from rdnbr.operator.control.protocol import Document, Json

EVENTS = 20
"""The latest decisions about the address that are told."""
RULES = 20
"""The rules about it that are told, those with the longest prefix first."""


class Wanted(NamedTuple):
    """What should be in the kernel."""

    host: Host
    bridge: str
    retry_at: float | None
    """When it is tried again, where the kernel refused it or somebody keeps removing it."""
    why: str | None
    """What the kernel said when it refused."""
    arrived: float | None = None
    """Seconds since 1970: when the guest arrived, where the metric tells that."""


def document(
    standing: Explanation,
    bindings: Sequence[BindingSnapshot],
    wanted: Iterable[Wanted],
    decisions: Iterable[Decision],
    allowlist: Allowlist | None,
    wall: Wall,
) -> Document:
    """Return all of it.

    Args:
        standing: as the engine tells it.
        bindings: those of `standing`, in the same order, as `show` tells them.
        wanted: what the kernel should hold for the address.
        decisions: what happened lately, oldest first, to whatever address.
        allowlist: the one in force; None in open mode.
        wall: turns times of the engine's clock into times of day.
    """
    mode: Mode = "open" if allowlist is None else "allowlist"
    rules = [] if allowlist is None else rules_about(standing.address, allowlist.rules)
    about = [made for made in decisions if made.address == standing.address]
    return {
        "mode": mode,
        "address": show_ip(standing.address),
        "family": family(standing.address),
        "refused": standing.refused and standing.refused.value,
        "within": standing.within,
        "rules": [{"where": rule.where, "rule": str(rule)} for rule in rules[:RULES]],
        "chances": [_chance(chance) for chance in standing.chances],
        "full": list(standing.full),
        "hurried": list(standing.hurried),
        "quarantine": [_term(term, wall) for term in standing.terms],
        "bindings": [
            _binding(view, inner, wall) for view, inner in zip(bindings, standing.bindings, strict=True)
        ],
        "wanted": [_wanted(one, wall) for one in wanted],
        "events": [json_views.decision(made, wall) for made in about[-EVENTS:]],
    }


def _chance(chance: PolicyCase) -> Json:
    return {
        "ports": list(chance.ports),
        "mac": _mac(chance.mac),
        "reason": chance.reason and chance.reason.value,
        "rule": None if chance.rule is None else chance.rule.where,
    }


def _term(term: HoldDown, wall: Wall) -> Json:
    return {"port": term.port, "mac": _mac(term.mac), "until": json_views.timestamp(wall(term.until))}


def _binding(view: BindingSnapshot, inner: BindingDetail, wall: Wall) -> Json:
    challenger = inner.challenger
    return {
        **json_views.binding(view, wall),
        "table": inner.key.table,
        "entered": json_views.timestamp(wall(inner.entered)),
        "due": _time(inner.due, wall),
        "asked": inner.asked,
        "answered": inner.answered,
        "rival_mac": None if challenger is None else _mac(challenger.mac),
        "rival_port": None if challenger is None else challenger.port,
        "moves": inner.moves,
        "frozen_until": _time(inner.frozen_until, wall),
        "refused": inner.refused and inner.refused.value,
        "port_addresses": inner.held,
        "port_limit": inner.most,
    }


def _wanted(wanted: Wanted, wall: Wall) -> Json:
    host = wanted.host
    return {
        "table": host.key.table,
        "bridge": wanted.bridge,
        "mac": _mac(host.mac),
        "metric": host.metric,
        "arrived": _time(wanted.arrived, json_views.epoch),
        "retry_at": _time(wanted.retry_at, wall),
        "why": wanted.why,
    }


def _mac(mac: MAC | None) -> str | None:
    return None if mac is None else show_mac(mac)


def _time(at: float | None, wall: Wall) -> str | None:
    return None if at is None else json_views.timestamp(wall(at))
