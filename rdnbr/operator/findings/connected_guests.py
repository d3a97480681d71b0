"""Guests that are routed although a prefix of another interface of the node contains their addresses.

`rdnbr.core.policy.authorization` says which claims such a prefix refuses.
"""

from collections.abc import Iterable, Iterator

from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Finding, warning
from rdnbr.operator.text.phrases import listed

_MAX_NAMED = 3


def check_connected_guests(
    guests: Iterable[IP], node: LocalAddresses, allowlist: Allowlist | None
) -> Iterator[Finding]:
    """Yield a finding for each connected prefix that contains guests whose rule does not say `connected`."""
    rules = () if allowlist is None else allowlist.rules
    expected = {rule.prefix.address for rule in rules if rule.connected}
    covered: dict[str, list[str]] = {}
    for address in sorted(guests):
        prefix = node.enclosing_prefix(address)
        if prefix is not None and address not in expected:
            covered.setdefault(prefix, []).append(show_ip(address))
    for prefix, found in covered.items():
        yield warning(
            "guest-in-connected-prefix",
            "node",
            f"{prefix} is a prefix of another interface and contains guests: {listed(found, _MAX_NAMED)}; "
            "they stay routed, and are refused when they come anew",
            Cure.advise(
                f"remove {prefix} from the node, or write `{found[0]} connected` in the allowlist for each such guest"
            ),
        )
