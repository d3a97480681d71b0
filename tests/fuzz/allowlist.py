"""Allowlist files, and verdicts of the parsed rules. A zero byte in the input starts another file."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.reason import Reason
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError, Claimant, parse
from tests.fuzz import ROOT

CLAIMANTS = (
    Claimant(MAC(b"\x52\x02\x45\x76\xd2\x35"), "tap100i0", "vmbr1", 100, None),
    Claimant(MAC(b"\xbc\x24\x11\x00\x00\x01"), "veth0", "br[0]", None, 7),
)
ADDRESSES = (IP(b"\x02\x39\x39\x1e"), IP(b"\x20\x01\x06\x78\x03\xa4\x01" + bytes(8) + b"\x80"))


def seeds() -> Iterator[bytes]:
    """Return the lines of the examples, and syntax that the examples do not have."""
    for path in (ROOT / "contrib" / "allowlist.example", ROOT / "pcaps" / "allowlist"):
        yield from (line.encode() for line in path.read_text().splitlines() if line.strip("# "))
    yield b"\xef\xbb\xbf10.0.0.0/8 bridge=vmbr?,br[!0-3]* wide\r\n::ffff:1.2.3.4"
    yield b"deny 2001:db8::/32 mac=52-02-45-76-D2-35 vip\0permit 10.1.2.3/255.255.255.0 prot=x port="
    yield b"10.0.0.1 vlan=7 anycast\n10.0.0.1 vlan=7\n0.0.0.0/0\n2.57.57.30 vm=4294967296 # no"


def try_one(content: bytes) -> None:
    """Parse the input and authorize claims; or check that the error names the place of each mistake."""
    texts = [
        (f"file{number}", part.decode("utf-8-sig", "replace"))
        for number, part in enumerate(content.split(b"\0"))
    ]
    try:
        check_rules(parse(texts))
    except AllowlistError as error:
        check_problems(error.problems, dict(texts))


def check_problems(problems: tuple[Problem, ...], texts: dict[str, str]) -> None:
    """Check that each mistake is in a line that is not blank, and that its message is one line."""
    assert problems
    for problem in problems:
        line = texts[problem.file].split("\n")[problem.line - 1]
        assert line.partition("#")[0].strip()
        assert problem.message
        assert str(problem).isprintable()


def check_rules(allowlist: Allowlist) -> None:
    """Check that printed rules parse to the same rules, and that each verdict follows from the rule it names."""
    printed = "\n".join(str(rule) for rule in allowlist.rules)
    again = parse([("printed", printed)]).rules
    assert [replace(rule, where="") for rule in again] == [
        replace(rule, where="") for rule in allowlist.rules
    ]
    for address in (*ADDRESSES, *(rule.prefix.address for rule in allowlist.rules)):
        for claimant in CLAIMANTS:
            verdict = allowlist.authorize(address, claimant)
            rule = verdict.rule
            assert verdict.permitted is (verdict.reason is None)
            assert (rule is None) is (verdict.reason is Reason.NOT_PERMITTED)
            if rule is not None:
                assert ip_address(address) in ip_network((bytes(rule.prefix.address), rule.prefix.length))
                assert rule.deny is (verdict.reason is Reason.DENIED)
                assert rule.qualifiers.match(claimant) is (verdict.reason is not Reason.PINNED)
