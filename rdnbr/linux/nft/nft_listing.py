"""Reads the chains of `nft --json list ruleset` (libnftables-json(5)). Pure."""

from collections.abc import Iterator
from typing import Any

from rdnbr.linux.nft.filter_rules import Chain, Condition, Rule, Verdict
from rdnbr.linux.nft.ruleset import TABLE

_META = {
    "iif": "iif",
    "iifname": "iif",
    "oif": "oif",
    "oifname": "oif",
    "l4proto": "l4",
    "nfproto": "l3",
    "protocol": "l3",
}
_PAYLOADS = {
    ("ip", "saddr"): "saddr",
    ("ip", "daddr"): "daddr",
    ("ip6", "saddr"): "saddr",
    ("ip6", "daddr"): "daddr",
    ("arp", "saddr ip"): "saddr",
    ("arp", "daddr ip"): "daddr",
    ("ip", "protocol"): "l4",
    ("ip6", "nexthdr"): "l4",
    ("ether", "type"): "l3",
    ("icmpv6", "type"): "icmpv6 type",
}
_LAYER3 = {"ipv4": "ip", "ipv6": "ip6", "ipv6-icmp": "icmpv6"}
"""Names that nft has for one protocol in several places."""
_NETWORK = frozenset({"ip", "ip6", "arp"})
_TRANSPORT = frozenset({"tcp", "udp", "icmp", "icmpv6", "sctp", "udplite", "dccp", "esp", "ah"})
_VERDICTS: dict[str, Verdict] = {
    "accept": "accept",
    "drop": "drop",
    "reject": "drop",
    "return": "return",
    "continue": "continue",
    "jump": "jump",
    "goto": "goto",
    "vmap": "any",
    "queue": "any",
    "xt": "any",
}
_NO_CONDITION = frozenset(
    {"counter", "log", "mangle", "meter", "notrack", "flow", "ct helper", "set", "comment"}
)
_UNJUDGED = Condition("", None)


def read_ruleset(listing: Any) -> list[Chain]:
    """Return the chains with a hook, without those of rdnbr's own table."""
    entries = listing["nftables"]
    sets = {(one["family"], one["table"], one["name"]): one.get("elem", []) for one in _kind(entries, "set")}
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    for one in _kind(entries, "rule"):
        key = one["family"], one["table"], one["chain"]
        rules.setdefault(key, []).append(_rule(one, sets))
    chains = list(_kind(entries, "chain"))
    by_table: dict[tuple[str, str], dict[str, tuple[Rule, ...]]] = {}
    for one in chains:
        key = one["family"], one["table"], one["name"]
        by_table.setdefault(key[:2], {})[one["name"]] = tuple(rules.get(key, ()))
    return [
        Chain(
            one["family"],
            one["table"],
            one["name"],
            one["hook"],
            one.get("policy", "accept"),
            by_table[one["family"], one["table"]][one["name"]],
            by_table[one["family"], one["table"]],
            one.get("dev"),
        )
        for one in chains
        if one.get("type") == "filter" and "hook" in one and f"{one['family']} {one['table']}" != TABLE
    ]


def has_xtables_rules(listing: Any, family: str) -> bool:
    """Return whether iptables has written rules of a family (ip, ip6) that nft cannot list (`xt`)."""
    return any(
        one["family"] == family and any("xt" in statement for statement in one["expr"])
        for one in _kind(listing["nftables"], "rule")
    )


def _kind(entries: list[Any], kind: str) -> Iterator[Any]:
    return (entry[kind] for entry in entries if kind in entry)


def _rule(one: Any, sets: Any) -> Rule:
    conditions: list[Condition] = []
    verdict: Verdict = "continue"
    target = None
    for statement in one["expr"]:
        ((name, content),) = statement.items()
        if name == "match":
            conditions += _conditions(
                content, {key[2]: elem for key, elem in sets.items() if key[:2] == _table(one)}
            )
        elif name in _VERDICTS:
            verdict = _VERDICTS[name]
            target = str(content["target"]) if name in ("jump", "goto") else None
            if name == "xt":  # a match or a target of iptables
                conditions.append(_UNJUDGED)
        elif name not in _NO_CONDITION:
            conditions.append(_UNJUDGED)
    remove = f"nft delete rule {one['family']} {one['table']} {one['chain']} handle {one['handle']}"
    return Rule(tuple(conditions), verdict, target, remove)


def _table(one: Any) -> tuple[str, str]:
    return one["family"], one["table"]


def _conditions(match: Any, sets: Any) -> Iterator[Condition]:
    left, negated = match["left"], match["op"] == "!="
    values = _values(match["right"], sets) if match["op"] in ("==", "!=", "in") else None
    field = ""
    if isinstance(left, dict) and "meta" in left:
        field = _META.get(left["meta"]["key"], "")
    elif isinstance(left, dict) and "ct" in left:
        field = f"ct {left['ct'].get('key')}"
    elif isinstance(left, dict) and "payload" in left:
        protocol, name = left["payload"].get("protocol"), left["payload"].get("field")
        field = _PAYLOADS.get((protocol, name), "")
        # A field of a protocol is only there in a packet of that protocol.
        if protocol in _NETWORK:
            yield Condition("l3", (protocol,))
        elif protocol in _TRANSPORT:
            yield Condition("l4", (protocol,))
    yield Condition(field, values, negated)


def _values(right: Any, sets: Any) -> tuple[str, ...] | None:
    """Return the values of a match as text; None if one of them cannot be judged."""
    if isinstance(right, str) and right.startswith("@"):
        elements = sets.get(right[1:])
        return None if elements is None else _values({"set": elements}, {})
    if isinstance(right, str | int):
        return (_LAYER3.get(str(right), str(right)),)
    if isinstance(right, list):
        right = {"set": right}
    if isinstance(right, dict) and "prefix" in right:
        return (f"{right['prefix']['addr']}/{right['prefix']['len']}",)
    if isinstance(right, dict) and "set" in right:
        found: list[str] = []
        for element in right["set"]:
            values = _values(element, sets)
            if values is None:
                return None
            found += values
        return tuple(found)
    return None
