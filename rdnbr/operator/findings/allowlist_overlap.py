"""Allowlist rules that permit addresses which the node refuses before it reads the allowlist.

`rdnbr.core.policy.authorization` has the order of the checks.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule
from rdnbr.core.model.special_purpose import SPECIAL_PURPOSE, special_purpose_of
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Finding, note, warning
from rdnbr.operator.text.phrases import listed

_MAX_NAMED = 4
"""How many refused prefixes a finding names. A rule for a very short prefix contains many."""

_WHAT = {
    Reason.OWN_ADDRESS: "an address of this node",
    Reason.NEXT_HOP: "a next hop of this node's routes",
    Reason.CONNECTED_PREFIX: "a prefix of another interface of this node",
}


class Span(NamedTuple):
    """The first and last address of a prefix, as numbers. Comparing numbers is fast enough for thousands of rules."""

    version: int
    first: int
    last: int

    def holds(self, other: "Span") -> bool:
        """Return whether this span contains all of `other`."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last


class Refusal(NamedTuple):
    """A prefix whose addresses are refused to every guest."""

    span: Span
    prefix: str
    reason: Reason

    def __str__(self) -> str:
        """Write the prefix and the reason, as the daemon's counters name it."""
        return f"{self.prefix} ({self.reason})"


def find_overlaps(allowlist: Allowlist, node: LocalAddresses) -> list[Finding]:
    """Return a finding for each rule that permits an address which stays refused, in the order of the files."""
    refusals = tuple(_refusals_of_node(node))
    findings = (_overlap(rule, refusals) for rule in allowlist.rules if not rule.deny)
    return [finding for finding in findings if finding is not None]


def _refusals_of_node(node: LocalAddresses) -> Iterator[Refusal]:
    """Yield the prefixes that this node refuses, in the order in which `LocalAddresses.refusal` checks them."""
    for addresses, reason in ((node.addresses, Reason.OWN_ADDRESS), (node.next_hops, Reason.NEXT_HOP)):
        for address in sorted(addresses):
            yield Refusal(_span(ip_network(address)), show_ip(address), reason)
    for network in node.connected:
        yield Refusal(_span(network), str(network), Reason.CONNECTED_PREFIX)


def _refusals_of_every_node() -> Iterator[Refusal]:
    for network in SPECIAL_PURPOSE:
        reason = special_purpose_of(IP(network.network_address.packed))
        if reason is not None:
            yield Refusal(_span(network), str(network), reason)


def _span(network: IPv4Network | IPv6Network) -> Span:
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


_EVERYWHERE = tuple(_refusals_of_every_node())


def _overlap(rule: Rule, refusals: tuple[Refusal, ...]) -> Finding | None:
    span = _span(ip_network((rule.prefix.address, rule.prefix.length)))
    # `rdnbr.core.policy.rule_parser` already rejects a rule within a prefix of _EVERYWHERE.
    about = (refusal for refusal in refusals if refusal.span.holds(span))
    around = next(
        (one for one in about if not (rule.connected and one.reason is Reason.CONNECTED_PREFIX)), None
    )
    if around is not None:
        so = "is" if around.span == span else f"lies within {around.prefix},"
        return warning(
            "allowlist-overlap",
            rule.where,
            f"{rule.prefix} {so} {_WHAT[around.reason]}, and stays refused ({around.reason})",
            Cure.advise("remove the rule, or correct its address"),
        )
    if rule.connected:
        return None
    inside = _without_contained([refusal for refusal in refusals + _EVERYWHERE if span.holds(refusal.span)])
    if not inside:
        return None
    named = listed([str(refusal) for refusal in inside], _MAX_NAMED)
    return note(
        "allowlist-overlap",
        rule.where,
        f"{rule.prefix} contains {named}, which {'stays' if len(inside) == 1 else 'stay'} refused",
        Cure.advise("nothing to mend, unless a guest should have such an address"),
    )


def _without_contained(refusals: list[Refusal]) -> list[Refusal]:
    """Return the refusals that no other of them contains."""
    return [
        one
        for one in refusals
        if not any(one.span != other.span and other.span.holds(one.span) for other in refusals)
    ]
