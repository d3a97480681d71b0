"""Overlaps of the allowlist, compared with the verdict for each address."""

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import InterfaceAddress, NextHop
from rdnbr.core.model.rule import Prefix, Rule
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.local_addresses import node_local_addresses
from rdnbr.operator.findings.diagnosis import find_overlaps

# Sixteen addresses, so that rules often overlap, and every address can be tested.
BASE = int(IPv4Address("198.51.100.0"))
ADDRESSES = [IP((BASE + n).to_bytes(4)) for n in range(16)]


@st.composite
def networks(draw, longest=32):
    length = draw(st.integers(28, longest))
    number = draw(st.integers(0, 15))
    return IPv4Network((BASE + number & ~((1 << 32 - length) - 1), length))


@given(
    st.lists(networks(), max_size=4),
    st.lists(st.tuples(st.sampled_from(ADDRESSES), st.integers(28, 32)), max_size=3),
    st.frozensets(st.sampled_from(ADDRESSES), max_size=3),
)
def test_overlaps_tell_what_the_node_refuses(prefixes, interfaces, next_hops):
    """A rule gets a warning if all of it is refused for one cause, a note if a part is, and else nothing."""
    here = node_local_addresses(
        [],
        [InterfaceAddress(1, address, length) for address, length in interfaces],
        [],
        [NextHop(address, 1) for address in next_hops],
    )
    rules = [
        Rule(prefix=Prefix(IP(one.network_address.packed), one.prefixlen), where=f"a:{n}")
        for n, one in enumerate(prefixes)
    ]
    causes = [
        *({address} for address in here.addresses),
        *({address} for address in next_hops),
        *({IP(address.packed) for address in prefix} for prefix in here.connected),
    ]
    expected = {}
    for rule, prefix in zip(rules, prefixes, strict=True):
        meant = {IP(address.packed) for address in prefix}
        if any(meant <= cause for cause in causes):
            expected[rule.where] = "warning"
        elif any(here.refusal(address) for address in meant):
            expected[rule.where] = "note"
    told = {finding.about: finding.severity.value for finding in find_overlaps(Allowlist(rules), here)}
    assert told == expected
