"""The allowlist: what its lines mean, and what it says of lines that mean nothing."""

import pytest

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError, Claimant, parse

GUEST_100 = Claimant(parse_mac("52:02:45:76:d2:35"), "tap100i0", "vmbr1", 100, None)
GUEST_200 = Claimant(parse_mac("52:02:45:76:d2:99"), "tap200i0", "vmbr1", 200, None)


def written(*lines: str) -> Allowlist:
    return parse([("allowlist", "\n".join(lines))])


def says(allowlist: Allowlist, address: str, claimant: Claimant) -> tuple[str, str | None]:
    """The verdict in words: "permitted" or the reason, and where the rule stands."""
    permitted, reason, rule = allowlist.authorize(parse_ip(address), claimant)
    assert permitted is (reason is None)
    return reason or "permitted", rule.where if rule else None


def complaints(*lines: str) -> list[str]:
    with pytest.raises(AllowlistError) as caught:
        written(*lines)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


# What rules mean


def test_a_prefix_permits_everybody() -> None:
    """A rule without qualifiers permits each address in its prefix to each claimant, and nothing beside it."""
    allowlist = written("2.57.57.0/24", "2001:678:3a4:100::/64")
    assert says(allowlist, "2.57.57.255", GUEST_100) == ("permitted", "allowlist:1")
    assert says(allowlist, "2001:678:3a4:100::80", GUEST_200) == ("permitted", "allowlist:2")
    assert says(allowlist, "2.57.58.0", GUEST_100) == ("not-permitted", None)
    assert says(allowlist, "2001:678:3a4:101::80", GUEST_100) == ("not-permitted", None)


def test_families_do_not_meet() -> None:
    """A rule for all of one family says nothing of the other."""
    allowlist = written("0.0.0.0/0 wide")
    assert says(allowlist, "::2", GUEST_100) == ("not-permitted", None)
    assert says(allowlist, "203.0.113.9", GUEST_100) == ("permitted", "allowlist:1")


def test_an_empty_allowlist_is_the_law() -> None:
    """An allowlist without rules permits nothing."""
    assert says(written("# nobody yet", ""), "2.57.57.30", GUEST_100) == ("not-permitted", None)


def test_the_longest_prefix_wins() -> None:
    """A longer prefix is asked before a shorter one, wherever they stand."""
    allowlist = written("deny 2.57.57.0/25", "2.57.57.0/24", "2.57.57.30")
    assert says(allowlist, "2.57.57.30", GUEST_100) == ("permitted", "allowlist:3")
    assert says(allowlist, "2.57.57.31", GUEST_100) == ("denied", "allowlist:1")
    assert says(allowlist, "2.57.57.130", GUEST_100) == ("permitted", "allowlist:2")


def test_a_pinned_address_is_nobody_elses() -> None:
    """A more specific rule that does not match the claimant refuses it, though a shorter one would permit."""
    allowlist = written("2.57.57.0/24", "2.57.57.30 vm=100")
    assert says(allowlist, "2.57.57.30", GUEST_100) == ("permitted", "allowlist:2")
    assert says(allowlist, "2.57.57.30", GUEST_200) == ("pinned", "allowlist:2")


def test_denying_somebody_pins_nothing() -> None:
    """A deny rule with qualifiers is about those it matches; for others the shorter prefix decides."""
    allowlist = written("2.57.57.0/24", "deny 2.57.57.30 vm=100")
    assert says(allowlist, "2.57.57.30", GUEST_100) == ("denied", "allowlist:2")
    assert says(allowlist, "2.57.57.30", GUEST_200) == ("permitted", "allowlist:1")


def test_qualifiers_that_match_win() -> None:
    """Among rules of one length, those whose qualifiers match win over those without qualifiers."""
    allowlist = written("deny 2.57.57.30", "2.57.57.30 vm=100")
    assert says(allowlist, "2.57.57.30", GUEST_100) == ("permitted", "allowlist:2")
    assert says(allowlist, "2.57.57.30", GUEST_200) == ("denied", "allowlist:1")


@pytest.mark.parametrize("lines", [("2.57.57.30", "deny 2.57.57.30"), ("deny 2.57.57.30", "2.57.57.30")])
def test_deny_wins_a_tie(lines: tuple[str, str]) -> None:
    """Of a rule that permits and one that denies, both without qualifiers, deny wins in either order."""
    where = f"allowlist:{lines.index('deny 2.57.57.30') + 1}"
    assert says(written(*lines), "2.57.57.30", GUEST_100) == ("denied", where)


def test_deny_wins_a_tie_of_different_qualifiers() -> None:
    """Of two rules whose qualifiers match, deny wins."""
    allowlist = written("2.57.57.30 vm=100", "deny 2.57.57.30 bridge=vmbr1")
    assert says(allowlist, "2.57.57.30", GUEST_100) == ("denied", "allowlist:2")


def test_one_of_several_owners() -> None:
    """Several rules with one prefix permit each of those they name, and pin it against all others."""
    allowlist = written("2.57.57.30 vm=100", "2.57.57.30 vm=200")
    assert says(allowlist, "2.57.57.30", GUEST_200) == ("permitted", "allowlist:2")
    assert says(allowlist, "2.57.57.30", GUEST_200._replace(vm=300)) == ("pinned", "allowlist:1")


@pytest.mark.parametrize(
    ("qualifiers", "expected"),
    [
        ("port=tap100i0", "permitted"),
        ("port=tap1", "pinned"),
        ("port=TAP100I0", "pinned"),
        ("port=tap?00i*", "permitted"),
        ("port=[!t]*", "pinned"),
        ("port=fwpr100p0,tap100i0", "permitted"),
        ("bridge=vmbr*", "permitted"),
        ("bridge=vmbr2", "pinned"),
        ("mac=52-02-45-76-D2-35", "permitted"),
        ("mac=52:02:45:76:d2:36", "pinned"),
        ("vm=100", "permitted"),
        ("vm=10", "pinned"),
        ("port=tap100i0 mac=52:02:45:76:d2:35 bridge=vmbr1 vm=100", "permitted"),
        ("port=tap100i0 mac=52:02:45:76:d2:36 bridge=vmbr1 vm=100", "pinned"),
    ],
)
def test_all_qualifiers_must_match(qualifiers: str, expected: str) -> None:
    """A rule matches when each of its qualifiers does; globs match whole names, with their case."""
    assert says(written(f"2.57.57.30 {qualifiers}"), "2.57.57.30", GUEST_100)[0] == expected


@pytest.mark.parametrize(
    "qualifiers",
    [
        "vm=100 port=tap101i0,tap100i1",
        "vm=100 port=tap*",
        "vm=100 port=*i31",
        "vm=100 port=fwpr10[0-9]p?",
        "vm=100 port=veth0100i0",
        "port=123456789012345",
        "port=123456789012[345]??*",
        "port=[!a]b",
        "bridge=[",
    ],
)
def test_rule_that_somebody_may_match(qualifiers: str) -> None:
    """A rule is no mistake as long as one name meets all its conditions."""
    assert len(written(f"2.57.57.30 {qualifiers}").rules) == 1


def test_missing_guest_number() -> None:
    """A port that is not Proxmox's has no guest number."""
    allowlist = written("2.57.57.31 vm=100")
    assert says(allowlist, "2.57.57.31", GUEST_100._replace(vm=None))[0] == "pinned"


def test_flags_are_on_the_rule() -> None:
    """Flags qualify nobody, and are found on the rule that decided."""
    allowlist = written("203.0.113.9 vm=100 anycast", "203.0.113.10 vip", "203.0.113.11")
    rules = [allowlist.authorize(parse_ip(f"203.0.113.{last}"), GUEST_100).rule for last in (9, 10, 11)]
    assert [(rule.anycast, rule.vip) for rule in rules if rule] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_comments_blanks_and_line_ends() -> None:
    """Comments, blank lines, tabs, Windows line ends, a byte order mark and odd white space do not matter."""
    allowlist = parse([("a", "\ufeff2.57.57.1#gateway\r\n\r\n\x0c# page\r\n\t2.57.57.2\tvm=100 # mail\r\n")])
    assert [(str(rule), rule.where) for rule in allowlist.rules] == [
        ("2.57.57.1", "a:1"),
        ("2.57.57.2 vm=100", "a:4"),
    ]


def test_several_files_are_one_list() -> None:
    """Rules of all files count together; a repeated rule counts once, where it stood first."""
    allowlist = parse(
        [("allowlist", "2.57.57.0/24\n"), ("allowlist.d/a.conf", "deny 2.57.57.9\n2.57.57.0/24\n")]
    )
    assert says(allowlist, "2.57.57.9", GUEST_100) == ("denied", "allowlist.d/a.conf:1")
    assert [rule.where for rule in allowlist.rules] == ["allowlist:1", "allowlist.d/a.conf:1"]


def test_a_rule_prints_itself() -> None:
    """A rule prints in one canonical way."""
    (rule,) = written(
        "2001:DB8:0::1/128 connected vip vm=0100 mac=2-2-45-76-D2-35 bridge=b,a port=tap2i0,tap1*,tap2i0"
    ).rules
    assert str(rule) == (
        "2001:db8::1 port=tap1*,tap2i0 bridge=a,b mac=02:02:45:76:d2:35 vm=100 vip connected"
    )


# What is said of mistakes

VLAN_7 = (
    "vlan=7 matches nobody: VLANs are not served yet, and tagged frames are ignored; leave it out, and give each VLAN "
    "a bridge of its own (bridge=)"
)
CONTRADICTION = (
    "vm=100 and port=tap101i0,veth20?i* contradict each other: no port of guest 100 has such a name; leave one of the "
    "two out"
)
KNOWN = "known are port=, bridge=, mac=, vm=, vlan=, anycast, vip, static, connected, wide"
BEGIN = "a rule begins with one, such as 2.57.57.30, 2.57.57.0/24 or 2001:db8:100::/64"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "2.57.57.300",
            "'2.57.57.300' is not an address (Octet 300 (> 255) not permitted in '2.57.57.300'); " + BEGIN,
        ),
        (
            "deny",
            "a rule needs an address; write one after 'deny', " + BEGIN.partition("one, ")[2],
        ),
        (
            "permit 2.57.57.30",
            "'permit' is not needed: a rule permits unless it begins with 'deny'; leave the word out",
        ),
        ("Deny 2.57.57.30", "'Deny' is not known; write 'deny'"),
        ("; web servers", "';' is not known; a comment begins with '#'"),
        ("2.57.57.30 ;web server", "';web' is not known; a comment begins with '#'"),
        ("2.57.57.30 vm=100 // web server", "'//' is not known; a comment begins with '#'"),
        (
            "2.57.57.5/24",
            "2.57.57.5/24 has bits set beyond its /24; write 2.57.57.0/24 for the range, 2.57.57.5 for the host",
        ),
        ("2.57.57.0/33", "/33 is not a prefix length; write a number from 0 to 32, or none for a host"),
        ("2.57.57.0/255.255.255.0", "/255.255.255.0 is not a prefix length; write 2.57.57.0/24"),
        ("2.57.57.0/²", "/² is not a prefix length; write a number from 0 to 32, or none for a host"),
        ("::ffff:2.57.57.30", "::ffff:2.57.57.30 is an IPv4-mapped IPv6 address; write 2.57.57.30"),
        (
            "::ffff:2.57.57.0/120",
            "::ffff:2.57.57.0/120 is an IPv4-mapped IPv6 address; write 2.57.57.0/24",
        ),
        (
            "2001:db8::1%vmbr1",
            "'2001:db8::1%vmbr1' names an interface; leave out '%vmbr1', use bridge= or port=",
        ),
        (
            "fe80::5",
            "fe80::5 is link-local, which nobody routes (RFC 4291 §2.5.6): nobody may claim it; remove the rule",
        ),
        ("127.0.0.0/16", "127.0.0.0/16 is loopback: nobody may claim it; remove the rule"),
        (
            "0.0.0.0/0",
            "0.0.0.0/0 is wider than /8; write a longer prefix, or add 'wide' if all of it is meant",
        ),
        (
            "2a00::/15",
            "2a00::/15 is wider than /16; write a longer prefix, or add 'wide' if all of it is meant",
        ),
        (
            "deny 2.57.57.30 vip",
            "a rule that denies has no use for 'anycast', 'vip', 'static' or 'connected'; leave them out",
        ),
        ("2.57.57.30 prot=tap100i0", "unknown qualifier 'prot'; did you mean port=tap100i0?"),
        ("2.57.57.30 anycst", "unknown qualifier 'anycst'; did you mean anycast?"),
        (
            "2.57.57.30 colour=red",
            f"unknown qualifier 'colour'; {KNOWN}",
        ),
        (
            "2.57.57.30 =red",
            f"unknown qualifier '=red'; {KNOWN}",
        ),
        (
            "2.57.57.30 2.57.57.31",
            "unknown qualifier '2.57.57.31'; a line has one prefix; write a line of its own for 2.57.57.31",
        ),
        ("2.57.57.30 anycast=yes", "'anycast' takes no value; write anycast alone"),
        ("2.57.57.30 port", "port= needs a value; write for example port=tap100i0"),
        ("2.57.57.30 port=a,,b", "'a,,b' has an empty name in it; write names with one comma between them"),
        ("2.57.57.30 port=a port=b", "port= is given twice; write port=A,B for either"),
        ("2.57.57.30 vm=1 vm=2", "vm= is given twice; leave one, or write two rules"),
        (
            "2.57.57.30 vlan=7",
            VLAN_7,
        ),
        (
            "deny 2.57.57.0/24 vlan=7",
            VLAN_7,
        ),
        (
            "2.57.57.30 vm=100 port=tap101i0,veth20?i*",
            CONTRADICTION,
        ),
        (
            "2.57.57.30 port=thenameistoolong",
            "port=thenameistoolong matches no device: a name has at most 15 characters; write the device's name",
        ),
        (
            "2.57.57.30 bridge=vmbr1/tap100i0",
            "bridge=vmbr1/tap100i0 matches no device: a name has neither '/' nor ':' in it; write the device's name",
        ),
        (
            "2.57.57.30 port=tap[9-1]i0",
            "port=tap[9-1]i0 matches no device: the range in it is empty; write the device's name",
        ),
        (
            "2.57.57.0/24 static vm=1",
            "'static' is for single addresses; write a rule for each address of a guest",
        ),
        (
            "2.57.57.0/24 connected",
            "'connected' is for single addresses; write a rule for each address of a guest",
        ),
        ("2.57.57.30 vlan=0", "vlan=0 is not possible; write a number from 1 to 4094"),
        ("2.57.57.30 vlan=4095", "vlan=4095 is not possible; write a number from 1 to 4094"),
        ("2.57.57.30 vm=+1", "vm=+1 is not possible; write a number from 1 to 999999999"),
        (
            "2.57.57.30 mac=52:02",
            "'52:02' is not a MAC address (six hexadecimal bytes such as 52:02:45:76:d2:35)",
        ),
        (
            "2.57.57.30 mac=+2:02:45:76:d2:35",
            "'+2:02:45:76:d2:35' is not a MAC address (six hexadecimal bytes such as 52:02:45:76:d2:35)",
        ),
        ("2.57.57.30 vlan=\x1b[2J", "vlan=\\x1b[2J is not possible; write a number from 1 to 4094"),
        (
            "2.57.57.30 mac=01:00:5e:00:00:01",
            "01:00:5e:00:00:01 cannot be a guest's MAC: it is zero or a group address; write the guest's MAC",
        ),
    ],
)
def test_a_mistake_is_named_with_its_cure(line: str, message: str) -> None:
    """A line with one mistake gives one message, which says what to write instead."""
    assert complaints(line) == [f"allowlist:1: {message}"]


def test_every_mistake_is_named() -> None:
    """All mistakes of all lines of all files are told, each with its place."""
    with pytest.raises(AllowlistError) as caught:
        parse([("a", "2.57.57.0/24\n2.57.57.1/24 prot=x vlan=9999\n"), ("b", "\n\ndeny\n")])
    places = [(problem.file, problem.line) for problem in caught.value.problems]
    assert places == [("a", 2), ("a", 2), ("a", 2), ("b", 3)]


@pytest.mark.parametrize("line", ["tap100i0 2.57.57.30", "2.57.57.30, 2.57.57.31", "all of it"])
def test_one_mistake_is_told_once(line: str) -> None:
    """What follows a beginning that cannot be read is not complained of as well."""
    assert len(complaints(line)) == 1


def test_a_contradiction_names_both_places() -> None:
    """Two rules that differ only in their flags are an error which names both."""
    with pytest.raises(AllowlistError) as caught:
        parse([("a", "203.0.113.9 vm=100 anycast\n"), ("b", "\n203.0.113.9 vm=100\n")])
    assert [str(problem) for problem in caught.value.problems] == [
        "b:2: contradicts a:1, of the same prefix and qualifiers; remove one of the two"
    ]


def test_wide_is_meant() -> None:
    """A rule that says so may be as wide as it likes; the widest that need not say so are /8 and /16."""
    lines = ("0.0.0.0/0 wide", "10.0.0.0/8", "::/0 wide", "2001::/16")
    assert [str(rule) for rule in written(*lines).rules] == list(lines)


def test_what_nobody_may_claim_may_be_denied() -> None:
    """To deny special addresses is needless, and no mistake."""
    assert says(written("deny 169.254.0.0/16"), "169.254.0.9", GUEST_100) == ("denied", "allowlist:1")
