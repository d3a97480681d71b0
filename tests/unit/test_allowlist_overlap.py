"""Allowlist rules against what a node refuses of itself."""

import pytest

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.interfaces import InterfaceAddress, NextHop
from rdnbr.core.policy.allowlist import parse
from rdnbr.core.policy.local_addresses import node_local_addresses
from rdnbr.operator.findings.diagnosis import find_overlaps

NODE = node_local_addresses(
    links=[],
    addresses=[
        InterfaceAddress(1, parse_ip("127.0.0.1"), 8),
        InterfaceAddress(2, parse_ip("198.51.100.7"), 24),
        InterfaceAddress(3, parse_ip("2.57.57.1"), 32),
        InterfaceAddress(2, parse_ip("2001:db8:7::7"), 64),
    ],
    segments=[],
    next_hops=[NextHop(parse_ip("203.0.113.1"), 2)],
)


def told(text):
    findings = find_overlaps(parse([("allowlist", text)]), NODE)
    return [f"{finding.about}: {finding.severity}: {finding.message}" for finding in findings]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("2.57.57.1", "warning: 2.57.57.1 is an address of this node, and stays refused (own-address)"),
        (
            "203.0.113.1 vm=100",
            "warning: 203.0.113.1 is a next hop of this node's routes, and stays refused (next-hop)",
        ),
        (
            "198.51.100.0/24",
            (
                "warning: 198.51.100.0/24 is a prefix of another interface of this node, "
                "and stays refused (connected-prefix)"
            ),
        ),
        (
            "198.51.100.30 port=tap100i0",
            (
                "warning: 198.51.100.30 lies within 198.51.100.0/24, a prefix of another interface of this node, "
                "and stays refused (connected-prefix)"
            ),
        ),
        (
            "2001:db8:7::/96",
            (
                "warning: 2001:db8:7::/96 lies within 2001:db8:7::/64, a prefix of another interface of this node, "
                "and stays refused (connected-prefix)"
            ),
        ),
        ("2.57.57.0/24", "note: 2.57.57.0/24 contains 2.57.57.1 (own-address), which stays refused"),
        ("203.0.113.0/31", "note: 203.0.113.0/31 contains 203.0.113.1 (next-hop), which stays refused"),
        (
            "2001:db8::/32",
            "note: 2001:db8::/32 contains 2001:db8:7::/64 (connected-prefix), which stays refused",
        ),
        ("fe00::/8 wide", "note: fe00::/8 contains fe80::/10 (link-local), which stays refused"),
        (
            "0.0.0.0/0 wide",
            (
                "note: 0.0.0.0/0 contains 2.57.57.1 (own-address), 203.0.113.1 (next-hop), 198.51.100.0/24 "
                "(connected-prefix), 0.0.0.0/8 (special-address) and 4 more, which stay refused"
            ),
        ),
    ],
)
def test_a_rule_that_overlaps(rule, said):
    """A rule within what is refused is a warning, one that contains some of it a note; both name it."""
    assert told(f"# the rule is on the second line\n{rule}\n") == [f"allowlist:2: {said}"]


@pytest.mark.parametrize(
    "rule", ["2.57.58.0/24", "2.57.57.2", "198.51.101.0/24", "2001:db8:8::/48", "::203.0.113.1"]
)
def test_a_rule_beside(rule):
    """A rule that permits nothing that is refused is not pointed out; families are not mixed up."""
    assert told(rule) == []


def test_rules_that_deny():
    """What a rule denies and the node refuses too is no surprise."""
    assert told("deny 2.57.57.1\ndeny 198.51.100.0/24") == []


def test_every_rule_has_its_line():
    """Each rule that overlaps is pointed out at its own line, in the order of the file."""
    lines = told("2.57.57.1\n2.57.58.0/24\n198.51.100.9\n")
    assert [line.split(": ")[0] for line in lines] == ["allowlist:1", "allowlist:3"]
