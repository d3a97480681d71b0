"""Allowlist rules that can be read, and probably do not say what their author meant."""

import pytest

from rdnbr.core.policy.allowlist import parse
from rdnbr.operator.findings.diagnosis import lint_allowlist


def found(*lines: str) -> list[str]:
    return [f"{one.name} {one.about}" for one in lint_allowlist(parse([("a", "\n".join(lines))]))]


def test_rules_of_every_kind_are_beyond_doubt():
    """What says what it means is left alone."""
    assert (
        found(
            "2.57.57.0/24",
            "deny 2.57.57.1",
            "2.57.57.30 port=tap[12]i0,veth?i* mac=52:02:45:76:d2:35",
            "2.57.57.31 vm=101 anycast",
            "2.57.57.32 port=tap*i0 vip",
        )
        == []
    )


@pytest.mark.parametrize("glob", ["tap[1i0", "tap1i0,tap[", "tap[!1", "tap[]", "tap[a]b["])
def test_a_glob_that_is_not_closed(glob):
    """A [ without its ] stands for itself, which no device is called."""
    assert found(f"2.57.57.30 port={glob}") == ["glob-unclosed a:1"]
    assert found(f"2.57.57.30 bridge={glob}") == ["glob-unclosed a:1"]


@pytest.mark.parametrize("glob", ["tap[1]i0", "tap[]]", "tap[!]a]", "tap]", "tap[[]", "tap[a][b]"])
def test_a_glob_that_is_closed(glob):
    """What fnmatch takes for a set is left alone."""
    assert found(f"2.57.57.30 port={glob}") == []


def test_a_rule_that_is_repeated():
    """The second of two equal rules is pointed out, with the first named."""
    text = [
        ("a", "2.57.57.30 vm=100 port=tap100i1,tap100i0"),
        ("b", "# again\n2.57.57.30 port=tap100i0,tap100i1 vm=100"),
    ]
    (one,) = lint_allowlist(parse(text))
    assert (one.name, one.about) == ("rule-repeated", "b:2")
    assert one.message == "2.57.57.30 port=tap100i0,tap100i1 vm=100 says the same as a:1"


def test_vip_and_anycast_at_once():
    """An address is either moved, or had by several."""
    assert found("2.57.57.30 vm=100 vip anycast") == ["vip-and-anycast a:1"]


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("169.254.0.0/16", ["rule-matches-nobody a:1"]),
        ("224.0.0.5 vm=100", ["rule-matches-nobody a:1"]),
        ("fe80::1", ["rule-matches-nobody a:1"]),
        ("ff00::/8 wide", ["rule-matches-nobody a:1"]),
        ("0.0.0.0/0 wide", []),
        ("2001:678::80", []),
    ],
)
def test_a_rule_that_denies_what_nobody_may_have(prefix, names):
    """Such a rule is harmless, and stays valid; it never counts."""
    assert found(f"deny {prefix}") == names


@pytest.mark.parametrize("address", ["2.57.57.30", "2001:678::80"])
@pytest.mark.parametrize(
    ("qualifiers", "taker"),
    [
        ("", "claims it first"),
        ("bridge=vmbr1", "claims it first"),
        ("mac=52:02:45:76:d2:35", "sends from 52:02:45:76:d2:35"),
        ("port=tap1i0", None),
        ("vm=1 mac=52:02:45:76:d2:35", None),
    ],
)
def test_a_static_address_of_no_port(address, qualifiers, taker):
    """Without a probe only the port tells the owner from a guest that sends from its MAC."""
    messages = [
        (one.name, one.about, one.message)
        for one in lint_allowlist(parse([("a", f"{address} {qualifiers} static")]))
    ]
    said = f"nobody probes {address}, so any guest that {taker} while the port of its owner is down takes it"
    assert messages == ([] if taker is None else [("static-without-port", "a:1", said)])


@pytest.mark.parametrize(
    ("qualifiers", "names"),
    [
        ("", 1),
        ("bridge=vmbr1", 1),
        ("port=tap1i0", 0),
        ("vm=1", 0),
        ("mac=52:02:45:76:d2:35", 0),
    ],
)
def test_a_vip_for_anybody(qualifiers, names):
    """A vip that does not name its guests may be taken by any."""
    assert found(f"2.57.57.30 {qualifiers} vip") == ["vip-for-anybody a:1"] * names
