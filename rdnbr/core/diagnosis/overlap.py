"""Allowlist rules that permit what is refused before the allowlist is asked (`rdnbr.core.law`)."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from rdnbr.core.allowlist import Allowlist
from rdnbr.core.diagnosis.finding import Finding, note, warning
from rdnbr.core.node import Node
from rdnbr.core.reason import Reason
from rdnbr.core.rule import Prefix, Rule
from rdnbr.core.special import PREFIXES

OVERLAP = "allowlist-overlap"

_MOST_NAMED = 4
"""A rule for half the Internet contains more than anybody wants to read."""


class Refusal(NamedTuple):
    """A prefix that no guest gets an address of."""

    network: IPv4Network | IPv6Network
    reason: Reason

    def __str__(self) -> str:
        """Name it as the daemon's counters do."""
        single = self.network.prefixlen == self.network.max_prefixlen
        return f"{self.network.network_address if single else self.network} ({self.reason})"


_BUILT_IN = tuple(Refusal(network, reason) for network, reason in PREFIXES)


def overlaps(allowlist: Allowlist, node: Node) -> list[Finding]:
    """Point out each rule that permits an address which stays refused, in the order of the files."""
    refusals = list(_refusals(node))
    found = (_overlap(rule, refusals) for rule in allowlist.rules if not rule.deny)
    return [finding for finding in found if finding is not None]


def _refusals(node: Node) -> Iterator[Refusal]:
    """Yield what is refused, in the order in which `Node.refuses` and `special` are asked."""
    for addresses, reason in ((node.addresses, Reason.OWN_ADDRESS), (node.next_hops, Reason.NEXT_HOP)):
        yield from (Refusal(ip_network(address), reason) for address in sorted(addresses))
    yield from (Refusal(network, Reason.CONNECTED_PREFIX) for network in node.connected)
    yield from _BUILT_IN


def _overlap(rule: Rule, refusals: Iterable[Refusal]) -> Finding | None:
    network = _network(rule.prefix)
    same_family = [refusal for refusal in refusals if refusal.network.version == network.version]
    around = next((refusal for refusal in same_family if _within(network, refusal.network)), None)
    if around is not None:
        same = " is" if around.network == network else f" lies within {around.network},"
        return warning(
            OVERLAP,
            rule.where,
            f"{rule.prefix}{same} {_WHAT[around.reason]}, and stays refused ({around.reason})",
            "remove the rule, or correct its address",
        )
    inside = [refusal for refusal in same_family if _within(refusal.network, network)]
    if not inside:
        return None
    named = ", ".join(str(refusal) for refusal in inside[:_MOST_NAMED])
    more = f" and {len(inside) - _MOST_NAMED} more" if len(inside) > _MOST_NAMED else ""
    return note(
        OVERLAP,
        rule.where,
        f"{rule.prefix} contains {named}{more}, which {'stay' if len(inside) > 1 else 'stays'} refused",
        "nothing to mend, unless a guest should have such an address",
    )


_WHAT = {
    Reason.OWN_ADDRESS: "an address of this node",
    Reason.NEXT_HOP: "a next hop of this node's routes",
    Reason.CONNECTED_PREFIX: "a prefix of another interface of this node",
    Reason.SPECIAL_ADDRESS: "special-use and nobody's host route",
    Reason.LINK_LOCAL: "link-local, which no route leads to",
}


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    shift = outer.max_prefixlen - outer.prefixlen
    return (
        inner.prefixlen >= outer.prefixlen
        and int(inner.network_address) >> shift == int(outer.network_address) >> shift
    )


def _network(prefix: Prefix) -> IPv4Network | IPv6Network:
    return ip_network((prefix.address, prefix.length))
