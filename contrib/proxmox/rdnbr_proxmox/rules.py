"""The allowlist rules of one guest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rdnbr.core.model.problem import Problem
from rdnbr.core.model.rule import Qualifiers, Rule
from rdnbr.core.model.special_purpose import special_purpose_name
from rdnbr.core.policy.rule_parser import parse_rule
from rdnbr_proxmox.cluster import Texts
from rdnbr_proxmox.firewall import Aliases, read_filters
from rdnbr_proxmox.guest import Named, Tagged, read_guest


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule, and the settings that it comes from."""

    rule: Rule
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a guest."""

    vm: int
    name: str
    entries: tuple[Entry, ...]
    without: tuple[str, ...]
    """Cards without an address."""
    tagged: tuple[Tagged, ...] = ()
    """Cards that rdnbr does not serve, because they have a VLAN tag."""


def rules_of(texts: Texts, datacenter: Aliases, bridges: Sequence[str]) -> Rules | list[Problem] | None:
    """Return the rules of a guest.

    Args:
        texts: its configuration, and its firewall file.
        datacenter: the aliases of the whole cluster.
        bridges: names or globs. Only network cards on these bridges count.

    Returns:
        The rules, or every mistake that prevents them. None if the guest is not on these bridges, or is a template,
        which never runs.
    """
    guest, problems = read_guest(texts.kind, texts.config, bridges)
    if guest.template or not (guest.cards or guest.tagged or problems):
        return None
    filters, filter_problems = read_filters(texts.firewall, datacenter)
    problems += [
        problem for number, problem in filter_problems if number in {card.number for card in guest.cards}
    ]
    entries: list[Entry] = []
    without = []
    for card in guest.cards:
        named = [*card.addresses, *filters.get(card.number, ())]
        own = _entries(named, Qualifiers(vm=texts.vm, mac=card.mac), problems)
        entries += own
        if all(entry.rule.deny for entry in own):
            without.append(card.name)
    return problems or Rules(texts.vm, guest.name, tuple(entries), tuple(without), guest.tagged)


def _entries(named: Iterable[Named], qualifiers: Qualifiers, problems: list[Problem]) -> list[Entry]:
    wanted: dict[Rule, list[Named]] = {}
    for one in named:
        # A firewall set may well contain link-local addresses; a rule for them would be a mistake.
        if special_purpose_name(one.prefix) is None:
            rule = Rule(prefix=one.prefix, deny=one.deny, qualifiers=qualifiers)
            wanted.setdefault(rule, []).append(one)
    entries = []
    for rule, by in wanted.items():
        match parse_rule(str(rule), ""):
            case Rule():
                entries.append(Entry(rule, tuple(dict.fromkeys(one.by for one in by))))
            case mistakes:
                problems += (
                    Problem(one.file, one.line, f"{one.by}: {mistake}") for one in by for mistake in mistakes
                )
    return entries
