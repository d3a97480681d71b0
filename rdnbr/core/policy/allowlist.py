"""The allowlist: which claimant may claim which address.

1. The rules whose prefix contains the address are evaluated by length, the longest prefix first.
2. Of the rules of one length, those with qualifiers that all match the claimant win over rules without qualifiers.
3. If both permit rules and deny rules remain, deny wins. Of several permit rules, the first in the file counts.
4. If no rule of this length matches, but a permit rule names another claimant, the address is pinned to that claimant
   and refused. A deny rule for another claimant pins nothing, and evaluation continues with shorter prefixes.
5. An address that no rule permits is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Claimant, Rule
from rdnbr.core.policy.rule_parser import parse_rule

__all__ = ["Allowlist", "AllowlistError", "Claimant", "Rule", "Verdict", "parse"]


class Verdict(NamedTuple):
    """The result of the allowlist for a claim."""

    permitted: bool
    reason: Reason | None
    """Why the claim is refused: NOT_PERMITTED, DENIED or PINNED. None if it is permitted."""
    rule: Rule | None
    """The rule that decided. None if no rule did."""


class AllowlistError(Exception):
    """The allowlist files contain mistakes. None of their rules takes effect."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


NOT_PERMITTED = Verdict(permitted=False, reason=Reason.NOT_PERMITTED, rule=None)


class Allowlist:
    """Rules, indexed by prefix. Rules that permit one address to one guest are indexed by that guest as well."""

    __slots__ = ("_by_guest", "_by_shift", "has_static", "repeated", "rules")

    def __init__(self, rules: Iterable[Rule], repeated: Iterable[tuple[Rule, Rule]] = ()) -> None:
        self.rules = tuple(rules)
        self.repeated = tuple(repeated)
        """Pairs of equal rules. The first of each pair takes effect."""
        self.has_static = any(rule.static for rule in self.rules)
        """Whether a rule says `static`."""
        tables: dict[int, dict[int, dict[int, list[Rule]]]] = {4: {}, 16: {}}
        for rule in self.rules:
            size = len(rule.prefix.address)
            shift = size * 8 - rule.prefix.length
            network = int.from_bytes(rule.prefix.address, "big") >> shift
            tables[size].setdefault(shift, {}).setdefault(network, []).append(rule)
        # The fewer bits are shifted out, the longer the prefix is.
        self._by_shift = {size: sorted(shifts.items(), key=itemgetter(0)) for size, shifts in tables.items()}
        self._by_guest: dict[MAC | str | int, list[int]] = {}
        """Indexes into `rules`, by MAC, port name or guest number."""
        for number, rule in enumerate(self.rules):
            for name in _guest_names(rule):
                self._by_guest.setdefault(name, []).append(number)

    def rules_naming(self, mac: MAC | None, port: str, bridge: str) -> list[Rule]:
        """Return the rules that permit one address to this guest and name it, in their order in the files.

        A rule names a guest by its MAC, its guest number or its port. A pattern of ports (`tap*`) names no guest.
        Without `mac`, the MAC qualifier of a rule is ignored: every guest on the port is meant.
        """
        vm = vm_of(port)
        numbers = {number for found in self._indexed(mac, port) for number in found}
        rules = (self.rules[number] for number in sorted(numbers))
        return [
            rule
            for rule in rules
            if rule.qualifiers.match(Claimant(mac or rule.qualifiers.mac or ZERO_MAC, port, bridge, vm, None))
        ]

    def count_naming(self, mac: MAC | None, port: str) -> int:
        """Return how many rules `rules_naming` has to look at, which is the work that it is."""
        return sum(map(len, self._indexed(mac, port)))

    def rules_about(self, address: IP) -> list[Rule]:
        """Return the rules whose prefix contains an address, the longest first, equal lengths in their order."""
        number = int.from_bytes(address, "big")
        return [
            rule for shift, table in self._by_shift[len(address)] for rule in table.get(number >> shift, ())
        ]

    def names_mac(self, mac: MAC) -> bool:
        """Tell whether a rule with `mac=` permits one address to this MAC."""
        return mac in self._by_guest

    def macs_naming(self, address: IP) -> set[MAC]:
        """Return the MACs that rules with `mac=` permit an address to."""
        rules = self.rules_about(address)
        return {rule.qualifiers.mac for rule in rules if rule.qualifiers.mac is not None and not rule.deny}

    def authorize(self, address: IP, claimant: Claimant) -> Verdict:
        """Return whether `claimant` may have `address`, and the rule that decides it."""
        number = int.from_bytes(address, "big")
        for shift, table in self._by_shift[len(address)]:
            rules = table.get(number >> shift)
            if rules is not None:
                verdict = _decide(rules, claimant)
                if verdict is not None:
                    return verdict
        return NOT_PERMITTED

    def _indexed(self, mac: MAC | None, port: str) -> list[list[int]]:
        """Return the indexes of the rules that name a MAC, a port or the guest number in its name, by each of those."""
        names = (mac, vm_of(port), port)
        return [self._by_guest[name] for name in names if name is not None and name in self._by_guest]


def _guest_names(rule: Rule) -> Iterator[MAC | str | int]:
    """Return the MAC, guest number and ports of a rule that permits a single address; nothing for other rules."""
    qualifiers = rule.qualifiers
    if rule.deny or rule.prefix.length != 8 * len(rule.prefix.address):
        return
    # A rule may name its guest twice. The port appears before the first frame with the MAC, so each name is an index.
    if qualifiers.mac is not None:
        yield qualifiers.mac
    if qualifiers.vm is not None:
        yield qualifiers.vm
    yield from qualifiers.ports


def _decide(rules: Sequence[Rule], claimant: Claimant) -> Verdict | None:
    """Apply the rules of one prefix. None: they say nothing of this claimant."""
    matching = [rule for rule in rules if rule.qualifiers.match(claimant)]
    if matching:
        winners = [rule for rule in matching if rule.qualifiers] or matching
        denies = next((rule for rule in winners if rule.deny), None)
        if denies:
            return Verdict(permitted=False, reason=Reason.DENIED, rule=denies)
        return Verdict(permitted=True, reason=None, rule=winners[0])
    pins = [rule for rule in rules if not rule.deny]
    if (
        claimant.physical_mac == ZERO_MAC
    ):  # the first frame of the guest will show whether it is one that is named
        for rule in pins:
            if rule.qualifiers.match(claimant._replace(physical_mac=rule.qualifiers.mac)):
                return Verdict(permitted=True, reason=None, rule=rule)
    return Verdict(permitted=False, reason=Reason.PINNED, rule=pins[0]) if pins else None


def parse(texts: Iterable[tuple[str, str]]) -> Allowlist:
    """Read allowlist files, given as pairs of file name and text.

    Raises:
        AllowlistError: it lists every mistake in every file.
    """
    rules: list[Rule] = []
    repeated: list[tuple[Rule, Rule]] = []
    problems: list[Problem] = []
    earlier: dict[object, Rule] = {}
    for file, text in texts:
        # splitlines() would also split at form feeds and U+2028, and the line numbers would differ from an editor's.
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
            if not line.partition("#")[0].strip():
                continue
            rule = parse_rule(line, f"{file}:{number}")
            if not isinstance(rule, Rule):
                problems += (Problem(file, number, mistake) for mistake in rule)
                continue
            first = earlier.setdefault((rule.prefix, rule.deny, rule.qualifiers), rule)
            if first.flags() != rule.flags():
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
