"""Who may claim which address.

1. Of all rules whose prefix has the address in it, those with the longest prefix are asked first.
2. Among them, rules with qualifiers that all match the claimant win over rules without qualifiers.
3. Where rules to permit and to deny are left, deny wins. Of several that permit, the first in the file counts.
4. Where no rule of this length matches, but one would permit somebody else, the address is pinned to that
   other claimant and refused. A rule that denies somebody else pins nothing: shorter prefixes are asked then.
5. What no rule permits is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Claimant, Rule
from rdnbr.core.policy.rule_parser import read

__all__ = ["Allowlist", "AllowlistError", "Claimant", "Rule", "Verdict", "parse"]


class Verdict(NamedTuple):
    """What the allowlist says of a claim."""

    permitted: bool
    reason: Reason | None
    """Why it is refused: NOT_PERMITTED, DENIED or PINNED; None when permitted."""
    rule: Rule | None
    """The rule that decided; None when there was none."""


class AllowlistError(Exception):
    """The files have mistakes in them, and none of their rules counts."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


NOT_PERMITTED = Verdict(permitted=False, reason=Reason.NOT_PERMITTED, rule=None)


class Allowlist:
    """Rules, found by longest prefix; those that name one guest and one address, by that guest too."""

    __slots__ = ("_lengths", "_named", "repeated", "rules")

    def __init__(self, rules: Iterable[Rule], repeated: Iterable[tuple[Rule, Rule]] = ()) -> None:
        self.rules = tuple(rules)
        self.repeated = tuple(repeated)
        """Rules that say the same, the first of which counts."""
        tables: dict[int, dict[int, dict[int, list[Rule]]]] = {4: {}, 16: {}}
        for rule in self.rules:
            size = len(rule.prefix.address)
            shift = size * 8 - rule.prefix.length
            network = int.from_bytes(rule.prefix.address, "big") >> shift
            tables[size].setdefault(shift, {}).setdefault(network, []).append(rule)
        # The fewer bits are shifted out, the longer the prefix.
        self._lengths = {size: sorted(shifts.items(), key=itemgetter(0)) for size, shifts in tables.items()}
        self._named: dict[MAC | str | int, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for name in _names(rule):
                self._named.setdefault(name, []).append(number)

    def rules_naming(self, mac: MAC | None, port: str, bridge: str) -> list[Rule]:
        """Return the rules that permit one address to one guest, and mean this one; in their order.

        A guest is named by its MAC, by its number, or by its port; a pattern of ports (`tap*`) names nobody. Without
        `mac`, whoever is on the port is meant, whatever MAC the rule asks for besides.
        """
        vm = vm_of(port)
        names = (mac, vm, port)
        numbers = {number for name in names if name is not None for number in self._named.get(name, ())}
        rules = (self.rules[number] for number in sorted(numbers))
        return [
            rule
            for rule in rules
            if rule.qualifiers.match(Claimant(mac or rule.qualifiers.mac or ZERO_MAC, port, bridge, vm, None))
        ]

    def authorize(self, address: IP, claimant: Claimant) -> Verdict:
        """Tell whether `claimant` may have `address`, and which rule says so."""
        number = int.from_bytes(address, "big")
        for shift, table in self._lengths[len(address)]:
            rules = table.get(number >> shift)
            if rules is not None:
                verdict = _among(rules, claimant)
                if verdict is not None:
                    return verdict
        return NOT_PERMITTED


def _names(rule: Rule) -> Iterator[MAC | str | int]:
    """Return what names the guest of a rule, where it is about one guest and one address."""
    only = rule.qualifiers
    if rule.deny or rule.prefix.length != 8 * len(rule.prefix.address):
        return
    if only.mac is not None:
        # Who is named twice has to be found by either: a port may appear before its guest speaks.
        yield only.mac
    if only.vm is not None:
        yield only.vm
    yield from only.ports


def _among(rules: Sequence[Rule], claimant: Claimant) -> Verdict | None:
    matching = [rule for rule in rules if rule.qualifiers.match(claimant)]
    if matching:
        winners = [rule for rule in matching if rule.qualifiers] or matching
        denies = next((rule for rule in winners if rule.deny), None)
        if denies:
            return Verdict(permitted=False, reason=Reason.DENIED, rule=denies)
        return Verdict(permitted=True, reason=None, rule=winners[0])
    pins = next((rule for rule in rules if not rule.deny), None)
    return Verdict(permitted=False, reason=Reason.PINNED, rule=pins) if pins else None


def parse(texts: Iterable[tuple[str, str]]) -> Allowlist:
    """Read allowlist files, given as pairs of file name and text.

    Raises:
        AllowlistError: with every mistake in every file.
    """
    rules: list[Rule] = []
    repeated: list[tuple[Rule, Rule]] = []
    problems: list[Problem] = []
    earlier: dict[object, Rule] = {}
    for file, text in texts:
        # Not splitlines(), which counts form feeds and U+2028 too, and editors do not.
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
            if not line.partition("#")[0].strip():
                continue
            rule = read(line, f"{file}:{number}")
            if not isinstance(rule, Rule):
                problems += (Problem(file, number, mistake) for mistake in rule)
                continue
            first = earlier.setdefault((rule.prefix, rule.deny, rule.qualifiers), rule)
            if (first.anycast, first.vip) != (rule.anycast, rule.vip):
                message = (
                    f"contradicts {first.where}, of the same prefix and qualifiers; remove one of the two"
                )
                problems.append(Problem(file, number, message))
            elif first is rule:
                rules.append(rule)
            else:
                repeated.append((first, rule))
    if problems:
        raise AllowlistError(tuple(problems))
    return Allowlist(rules, repeated)
