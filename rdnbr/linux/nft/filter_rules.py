"""The packet filters of the node, and whether they certainly drop a packet. Pure.

A condition that cannot be judged (a rate limit, a range, a mark) may be true or false. A packet counts as dropped only
if no outcome of such conditions lets it pass. So a filter that passes some packets of a guest is never reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal, NamedTuple

Packet = Mapping[str, str]
"""What is known of a packet, by field: `iif`, `oif`, `l3` (ip, ip6, arp), `l4`, `saddr`, `daddr`, `ct state`, `icmpv6
type`. A field that is missing may have any value."""

Verdict = Literal["accept", "drop", "jump", "goto", "return", "continue", "any"]
"""`any`: the verdict depends on what is not judged, such as a verdict map."""

Outcome = Literal["accept", "drop", "continue"]
"""Of some rules; `continue`: they end without a verdict."""

_ADDRESSES = frozenset({"saddr", "daddr"})
_DEEPEST = 16
"""Jumps that are followed; nftables and iptables allow as many (NFT_JUMP_STACK_SIZE)."""


class Condition(NamedTuple):
    """One condition of a rule: a test of a field."""

    field: str
    values: tuple[str, ...] | None
    """The field must have one of them; None: it cannot be judged."""
    negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Return whether the condition is true for a packet; None if that is not known."""
        value = packet.get(self.field)
        if value is None or self.values is None:
            return None
        return any(_equal(self.field, value, wanted) for wanted in self.values) != self.negated


class Rule(NamedTuple):
    """A rule of a chain."""

    conditions: tuple[Condition, ...]
    verdict: Verdict
    target: str | None
    """The chain of a `jump` or `goto`."""
    remove: str
    """The command that removes the rule."""

    def holds(self, packet: Packet) -> bool | None:
        """Return whether the rule applies to a packet; None if that is not known."""
        held = [condition.holds(packet) for condition in self.conditions]
        return False if False in held else None if None in held else True


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that the kernel calls at a hook."""

    family: str
    """ip, ip6, inet, arp, bridge or netdev."""
    table: str
    name: str
    hook: str
    policy: Literal["accept", "drop"]
    rules: tuple[Rule, ...]
    others: Mapping[str, tuple[Rule, ...]]
    """The chains of its table that rules can jump to, by name."""
    device: str | None = None
    """The device of a chain of the family netdev."""
    program: str = "nft"
    """The program that changes it: nft, iptables, iptables-legacy …"""

    def __str__(self) -> str:
        """Name the chain as its program does."""
        if self.program == "nft":
            return f"chain {self.name} of table {self.family} {self.table} (nftables)"
        return f"chain {self.name} ({self.program})"


class Drop(NamedTuple):
    """A chain that certainly drops a packet."""

    chain: Chain
    rule: Rule | None
    """The rule that drops; None: the policy of the chain does, or one of several rules."""


_END = Rule((), "continue", None, "")


def find_drop(chain: Chain, packet: Packet) -> Drop | None:
    """Return how a chain drops a packet; None if it lets the packet pass, or may do so."""
    found = _outcomes(chain, chain.rules, packet, _DEEPEST)
    if "accept" in found or ("continue" in found and chain.policy == "accept"):
        return None
    return Drop(chain, None if "continue" in found else found.get("drop"))


def _outcomes(chain: Chain, rules: tuple[Rule, ...], packet: Packet, depth: int) -> dict[Outcome, Rule]:
    """Return the possible outcomes of some rules, and the rule of each; `continue` is the end of the rules."""
    found: dict[Outcome, Rule] = {}
    for rule in rules:
        held = rule.holds(packet)
        if held is False or rule.verdict == "continue":
            continue
        match rule.verdict:
            case "any":
                found["accept"] = rule
                continue
            case "return":
                found["continue"] = rule
            case "accept" | "drop":
                found[rule.verdict] = rule
            case "jump" | "goto":
                inner = chain.others.get(rule.target or "")
                after: dict[Outcome, Rule] = {"accept": rule}
                if inner is not None and depth:
                    after = _outcomes(chain, inner, packet, depth - 1)
                returns = after.pop("continue", None) is not None
                found |= after
                if returns and rule.verdict == "goto":
                    found["continue"] = rule
                elif returns:
                    continue
        if held:
            return found
    found["continue"] = _END
    return found


def _equal(field: str, value: str, wanted: str) -> bool:
    if field in _ADDRESSES:
        address, network = ip_address(value), ip_network(wanted, strict=False)
        return address.version == network.version and address in network
    if wanted.endswith("*"):
        return value.startswith(wanted[:-1])
    return value == wanted
