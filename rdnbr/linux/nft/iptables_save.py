"""Reads the table `filter` of `iptables-save` and `ip6tables-save` (iptables(8)). Pure."""

import shlex
from collections.abc import Iterator

from rdnbr.linux.nft.filter_rules import Chain, Condition, Rule, Verdict

_FIELDS = {"-i": "iif", "-o": "oif", "-s": "saddr", "-d": "daddr", "-p": "l4"}
_STATES = frozenset({"--ctstate", "--state"})
_VERDICTS: dict[str, Verdict] = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}
_GO_ON = frozenset({"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "TCPMSS", "TRACE", "SET", "CLASSIFY"})
"""Targets after which the next rule follows."""
_UNJUDGED = Condition("", None)
_ND = {"135": "nd-neighbor-solicit", "neighbour-solicitation": "nd-neighbor-solicit"}


def read_save(text: str, family: str, program: str) -> list[Chain]:
    """Return the chains of the table `filter` that the kernel calls.

    Args:
        text: what the program prints.
        family: ip or ip6.
        program: the program that changes the table: iptables, ip6tables-legacy …
    """
    policies: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == "filter" and line.startswith(":"):
            name, policy, *_ = line[1:].split()
            policies[name] = policy
            rules[name] = []
        elif table == "filter" and line.startswith("-A "):
            words = shlex.split(line)
            rules.setdefault(words[1], []).append(_rule(words[2:], f"{program} -D {line[3:]}", policies))
    every = {name: tuple(found) for name, found in rules.items()}
    return [
        Chain(
            family,
            "filter",
            name,
            name.lower(),
            "drop" if policy == "DROP" else "accept",
            every[name],
            every,
            program=program,
        )
        for name, policy in policies.items()
        if policy in ("ACCEPT", "DROP")
    ]


def _rule(words: list[str], remove: str, chains: dict[str, str]) -> Rule:
    conditions: list[Condition] = []
    verdict: Verdict = "continue"
    target = None
    for option, values, negated in _options(words):
        value = values[0] if values else ""
        if option in _FIELDS:
            wanted = "icmpv6" if value in ("ipv6-icmp", "icmpv6") else value.replace("+", "*")
            conditions.append(Condition(_FIELDS[option], (wanted,), negated))
        elif option in _STATES:
            conditions.append(Condition("ct state", tuple(value.lower().split(",")), negated))
        elif option == "--ctstatus":
            conditions.append(Condition("ct status", tuple(value.lower().split(",")), negated))
        elif option == "--icmpv6-type":
            conditions.append(Condition("icmpv6 type", (_ND.get(value, value),), negated))
        elif option in ("-j", "-g"):
            verdict = _VERDICTS.get(value, "continue" if value in _GO_ON else "any")
            if value in chains:
                verdict, target = ("jump" if option == "-j" else "goto"), value
        elif option not in ("-m", "--comment") and verdict == "continue":
            conditions.append(_UNJUDGED)
    return Rule(tuple(conditions), verdict, target, remove)


def _options(words: list[str]) -> Iterator[tuple[str, list[str], bool]]:
    """Yield each option, its values, and whether an exclamation mark precedes it."""
    negated, at = False, 0
    while at < len(words):
        if words[at] == "!":
            negated, at = True, at + 1
            continue
        end = at + 1
        while end < len(words) and words[end] != "!" and not words[end].startswith("-"):
            end += 1
        yield words[at], words[at + 1 : end], negated
        negated, at = False, end
