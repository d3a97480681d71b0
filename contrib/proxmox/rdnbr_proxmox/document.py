"""The text of the allowlist file. It is the same on all nodes of a cluster."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rdnbr.core.model.rule import Prefix, Rule
from rdnbr_proxmox.guest import Tagged
from rdnbr_proxmox.rules import Entry, Rules

HEADER = """\
# Written by rdnbr-proxmox-allowlist from the guests' configurations, and written again when they change. Changes by
# hand are lost. Write further rules to /etc/rdnbr/allowlist, which is read before this file.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A guest whose configuration has mistakes. It keeps its old rules."""

    vm: int
    rules: tuple[Rule, ...]


Key = tuple[Prefix, bool, object]
"""Prefix, deny and qualifiers of a rule. Two rules with the same key are equal, or contradict each other."""


def key(rule: Rule) -> Key:
    """Return the key of a rule."""
    return rule.prefix, rule.deny, rule.qualifiers


def document(guests: Sequence[Rules | Kept], by_hand: Mapping[Key, Rule]) -> str:
    """Return the text of the file.

    Args:
        guests: the guests, in the order of their numbers.
        by_hand: the rules of other files. A rule with the same key is left out here, because the other may be `vip`.
    """
    holders = _holders(guests)
    lines = [HEADER]
    for guest in guests:
        lines += _guest(guest, holders, by_hand)
    return "\n".join(lines) + "\n"


def warnings(guests: Sequence[Rules | Kept]) -> Iterator[str]:
    """Yield a warning for each network card with a VLAN tag, and for each prefix of several guests."""
    for guest in guests:
        if isinstance(guest, Rules):
            for card in guest.tagged:
                yield f"vm {guest.vm}: {_not_served(card)}"
    for prefix, vms in _holders(guests).items():
        if len(vms) > 1:
            yield f"{prefix} belongs to the guests {', '.join(map(str, vms))}: the first to claim it has it"


def _holders(guests: Sequence[Rules | Kept]) -> Mapping[Prefix, list[int]]:
    holders: dict[Prefix, list[int]] = defaultdict(list)
    for guest in guests:
        rules = guest.rules if isinstance(guest, Kept) else [entry.rule for entry in guest.entries]
        for prefix in dict.fromkeys(rule.prefix for rule in rules if not rule.deny):
            holders[prefix].append(guest.vm)
    return holders


def _guest(
    guest: Rules | Kept, holders: Mapping[Prefix, list[int]], by_hand: Mapping[Key, Rule]
) -> Iterator[str]:
    match guest:
        case Kept():
            because = "as it was before there was" if guest.rules else "has no rules yet, for there is"
            yield f"# vm {guest.vm}: {because} a mistake in its configuration"
            entries = tuple(Entry(rule, ()) for rule in guest.rules)
            cards: list[str] = []
        case Rules():
            yield f"# vm {guest.vm} {_printable(guest.name)}".rstrip()
            entries = guest.entries
            cards = [f"no address is known for {card}, so it gets none" for card in guest.without]
            cards += map(_not_served, guest.tagged)
    for entry in entries:
        written = by_hand.get(key(entry.rule))
        if written is not None:
            yield f"# {entry.rule} is at {_printable(written.where)}"
            continue
        remarks = list(entry.by)
        others = [str(vm) for vm in holders[entry.rule.prefix] if vm != guest.vm]
        if others and not entry.rule.deny:
            remarks.append(f"also of vm {', '.join(others)}")
        yield _line(entry.rule, ", ".join(remarks))
    for remark in cards:
        yield f"# {remark}"
    yield ""


def _not_served(card: Tagged) -> str:
    return _printable(
        f"{card.name} has a VLAN tag, so rdnbr does not serve it and it gets no rule: "
        f"Proxmox plugs it into {card.bridge}; remove the tag"
    )


def _line(rule: Rule, remark: str) -> str:
    prefix = f"{'deny ' if rule.deny else ''}{rule.prefix}"
    return f"{prefix:<39} {rule.qualifiers!s:<34}{f'  # {remark}' if remark else ''}".rstrip()


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
