"""The allowlist, compared with a second implementation that is slow and follows the prose of the design."""

from dataclasses import replace
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from hypothesis import assume, given
from hypothesis import strategies as st

from rdnbr.core.model.address import IP, MAC, parse_ip
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.rule import Prefix, Qualifiers
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError, Claimant, Rule, parse
from rdnbr.core.policy.unmatchable import unmatchable

# Few values of each kind, so that rules and claims often match.
GUESTS = [MAC(b"\x52\x02\x45\x76\xd2" + bytes([last])) for last in range(3)]
PORTS = ["tap1i0", "tap1i1", "tap2i0", "veth1i0"]
GLOBS = [*PORTS, "tap*", "tap1i?", "*i0", "[!t]*", "none"]
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.77", "10.9.9.9", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
LENGTHS = {4: [8, 24, 30, 31, 32], 6: [16, 48, 64, 126, 128]}

claimants = st.builds(
    Claimant,
    st.sampled_from(GUESTS),
    st.sampled_from(PORTS),
    st.sampled_from(["vmbr1", "vmbr2"]),
    st.none() | st.integers(1, 2),
    st.none() | st.integers(1, 2),
)
qualifiers = st.builds(
    Qualifiers,
    st.lists(st.sampled_from(GLOBS), max_size=2, unique=True).map(sorted).map(tuple),
    st.just(()) | st.sampled_from(["vmbr1", "vmbr?"]).map(lambda glob: (glob,)),
    st.none() | st.sampled_from(GUESTS),
    st.none() | st.integers(1, 2),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    address = ip_address(draw(st.sampled_from(ADDRESSES)))
    network = ip_network((address, draw(st.sampled_from(LENGTHS[address.version]))), strict=False)
    deny = draw(st.booleans())
    return Rule(
        prefix=Prefix(IP(network.network_address.packed), network.prefixlen),
        deny=deny,
        qualifiers=draw(st.just(Qualifiers()) | qualifiers),
        anycast=not deny and draw(st.booleans()),
        vip=not deny and draw(st.booleans()),
        static=not deny and network.prefixlen == network.max_prefixlen and draw(st.booleans()),
        connected=not deny and network.prefixlen == network.max_prefixlen and draw(st.booleans()),
        wide=draw(st.booleans()),
        where="allowlist:1",
    )


def naive(written: list[Rule], address: str, claimant: Claimant) -> tuple[bool, str | None]:
    """Return whether a claim is permitted, and why not, by comparing all rules with all others."""

    def covers(rule: Rule) -> bool:
        network = ip_network((bytes(rule.prefix.address), rule.prefix.length))
        return ip_address(address) in network

    def matches(rule: Rule) -> bool:
        asked = rule.qualifiers
        return all(
            [
                not asked.ports or any(fnmatchcase(claimant.port, glob) for glob in asked.ports),
                not asked.bridges or any(fnmatchcase(claimant.bridge, glob) for glob in asked.bridges),
                asked.mac is None or asked.mac == claimant.mac,
                asked.vm is None or asked.vm == claimant.vm,
                asked.vlan is None or asked.vlan == claimant.vlan,
            ]
        )

    covering = [rule for rule in written if covers(rule)]
    for length in range(128, -1, -1):
        here = [rule for rule in covering if rule.prefix.length == length]
        plain = [rule for rule in here if str(rule.qualifiers) == ""]
        special = [rule for rule in here if str(rule.qualifiers) != "" and matches(rule)]
        for group in (special, plain):
            if any(rule.deny for rule in group):
                return False, "denied"
            if group:
                return True, None
        if any(not rule.deny for rule in here):
            return False, "pinned"
    return False, "not-permitted"


@given(st.lists(rules(), max_size=8), st.sampled_from(ADDRESSES), claimants)
def test_verdicts_are_those_of_a_scan(written: list[Rule], address: str, claimant: Claimant) -> None:
    """Lookup by prefix length gives the result of a scan of all rules, and names a rule that covers the address."""
    verdict = Allowlist(written).authorize(parse_ip(address), claimant)
    assert (verdict.permitted, verdict.reason) == naive(written, address, claimant)
    assert (verdict.rule is None) is (verdict.reason == "not-permitted")
    if verdict.rule:
        assert verdict.rule in written
        assert verdict.rule.deny is (verdict.reason == "denied")


@given(rules())
def test_a_printed_rule_reads_back(rule: Rule) -> None:
    """A printed rule is an allowlist line with the same meaning."""
    assume(not any(unmatchable(rule.qualifiers)))
    assert parse([("allowlist", str(rule))]).rules == (rule,)


@given(qualifiers, st.sampled_from(["", "", "", "[9-1]", "/", "0123456789abcdef"]))
def test_rules_that_match_nobody_are_known(written: Qualifiers, more: str) -> None:
    """The parser refuses a rule exactly if no guest of these names, numbers and MACs can match it."""
    if more and written.ports:
        written = replace(written, ports=(more,))
    every_port = [*PORTS, "veth2i0", "fwpr1p0", "fwpr2p1", "none"]
    somebody = any(
        written.match(Claimant(mac, port, bridge, vm_of(port), None))
        for mac in GUESTS
        for port in every_port
        for bridge in ("vmbr1", "vmbr2")
    )
    assert any(unmatchable(written)) is not somebody


@given(st.lists(st.text() | st.text("0123456789abcdef.:/%,=* #\n\t", max_size=40)))
def test_any_text_is_read_or_refused(texts: list[str]) -> None:
    """For any text, the parser raises nothing but an error that names lines of the text."""
    try:
        allowlist = parse((f"file{number}", text) for number, text in enumerate(texts))
    except AllowlistError as error:
        for problem in error.problems:
            text = texts[int(problem.file.removeprefix("file"))]
            assert text.split("\n")[problem.line - 1].strip()
            assert problem.message
    else:
        assert all(rule.where for rule in allowlist.rules)
