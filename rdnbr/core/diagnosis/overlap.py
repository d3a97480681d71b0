"""Allowlist rules that permit what is refused before the allowlist is asked (`rdnbr.core.law`)."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from rdnbr.core.address import IP
from rdnbr.core.allowlist import Allowlist
from rdnbr.core.diagnosis.finding import Finding, note, warning
from rdnbr.core.node import Node
from rdnbr.core.reason import Reason
from rdnbr.core.rule import Rule
from rdnbr.core.rule_line import UNCLAIMABLE
from rdnbr.core.special import special

_MOST_NAMED = 4
"""A rule for half the Internet contains more than anybody wants to read."""

_WHAT = {
    Reason.OWN_ADDRESS: "an address of this node",
    Reason.NEXT_HOP: "a next hop of this node's routes",
    Reason.CONNECTED_PREFIX: "a prefix of another interface of this node",
}


class Refusal(NamedTuple):
    """A prefix that no guest gets an address of."""

    network: IPv4Network | IPv6Network
    reason: Reason

    def __str__(self) -> str:
        """Name it as the daemon's counters do."""
        single = self.network.prefixlen == self.network.max_prefixlen
        return f"{self.network.network_address if single else self.network} ({self.reason})"


def overlaps(allowlist: Allowlist, node: Node) -> list[Finding]:
    """Point out each rule that permits an address which stays refused, in the order of the files."""
    refusals = list(_of_node(node))
    found = (_overlap(rule, refusals) for rule in allowlist.rules if not rule.deny)
    return [finding for finding in found if finding is not None]


def _of_node(node: Node) -> Iterator[Refusal]:
    """Yield what this node refuses, in the order in which `Node.refuses` looks; what no node permits is left out."""
    for addresses, reason in ((node.addresses, Reason.OWN_ADDRESS), (node.next_hops, Reason.NEXT_HOP)):
        own = sorted(address for address in addresses if special(address) is None)
        yield from (Refusal(ip_network(address), reason) for address in own)
    yield from (Refusal(network, Reason.CONNECTED_PREFIX) for network in node.connected)


def _of_every_node() -> Iterator[Refusal]:
    for network in UNCLAIMABLE:
        reason = special(IP(network.network_address.packed))
        if reason is not None:
            yield Refusal(network, reason)


_EVERYWHERE = tuple(_of_every_node())


def _overlap(rule: Rule, refusals: Iterable[Refusal]) -> Finding | None:
    network = ip_network((rule.prefix.address, rule.prefix.length))
    # A rule within what every node refuses is a mistake already (`rdnbr.core.rule_line`).
    around = next((refusal for refusal in refusals if _within(network, refusal.network)), None)
    if around is not None:
        so = "is" if around.network == network else f"lies within {around.network},"
        return warning(
            "allowlist-overlap",
            rule.where,
            f"{rule.prefix} {so} {_WHAT[around.reason]}, and stays refused ({around.reason})",
            "remove the rule, or correct its address",
        )
    inside = _widest([refusal for refusal in (*refusals, *_EVERYWHERE) if _within(refusal.network, network)])
    if not inside:
        return None
    named = ", ".join(map(str, inside[:_MOST_NAMED]))
    more = f" and {len(inside) - _MOST_NAMED} more" if len(inside) > _MOST_NAMED else ""
    return note(
        "allowlist-overlap",
        rule.where,
        f"{rule.prefix} contains {named}{more}, which {'stays' if len(inside) == 1 else 'stay'} refused",
        "nothing to mend, unless a guest should have such an address",
    )


def _widest(refusals: list[Refusal]) -> list[Refusal]:
    """Leave out what lies within another of them."""
    return [
        one
        for one in refusals
        if not any(one.network != other.network and _within(one.network, other.network) for other in refusals)
    ]


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    shift = outer.max_prefixlen - outer.prefixlen
    return (
        inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and int(inner.network_address) >> shift == int(outer.network_address) >> shift
    )
