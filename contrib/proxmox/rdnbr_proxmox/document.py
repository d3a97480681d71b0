"""The allowlist file that the guests' rules make, the same on all nodes of a cluster."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rdnbr.core.rule import Prefix, Rule
from rdnbr_proxmox.rules import Entry, Rules

HEADER = """\
# Made by rdnbr-proxmox-allowlist of the guests' configurations, and made anew when they change: what is written here
# by hand gets lost. Further rules belong in /etc/rdnbr/allowlist, which is read before this file.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A guest whose configuration has mistakes; it keeps the rules it had."""

    vm: int
    rules: tuple[Rule, ...]


Key = tuple[Prefix, bool, object]
"""Prefix, deny and qualifiers of a rule: two rules of one key are one, or contradict each other."""


def key(rule: Rule) -> Key:
    """Return what makes a rule the same as another."""
    return rule.prefix, rule.deny, rule.qualifiers


def document(guests: Sequence[Rules | Kept], by_hand: Mapping[Key, Rule]) -> str:
    """Write the file.

    Args:
        guests: in the order of their numbers.
        by_hand: rules of other files; where one is of the same key, it stands alone, for it may say `vip`.
    """
    holders = _holders(guests)
    lines = [HEADER]
    for guest in guests:
        lines += _guest(guest, holders, by_hand)
    return "\n".join(lines) + "\n"


def shared(guests: Sequence[Rules | Kept]) -> Iterator[str]:
    """Say which prefixes several guests have: each may claim them, and keeps them while it answers."""
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
            yield f"# vm {guest.vm}: as it was before there was a mistake in its configuration"
            entries = tuple(Entry(rule, ()) for rule in guest.rules)
            without: tuple[str, ...] = ()
        case Rules():
            yield f"# vm {guest.vm} {_printable(guest.name)}".rstrip()
            entries, without = guest.entries, guest.without
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
    for card in without:
        yield f"# no address is known for {card}, so it gets none"
    yield ""


def _line(rule: Rule, remark: str) -> str:
    prefix = f"{'deny ' if rule.deny else ''}{rule.prefix}"
    return f"{prefix:<39} {rule.qualifiers!s:<34}{f'  # {remark}' if remark else ''}".rstrip()


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
