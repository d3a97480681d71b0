"""Lint for allowlist rules: rules that are valid, but probably not what their author meant."""

from collections.abc import Iterator

from rdnbr.core.model.address import show_mac
from rdnbr.core.model.rule import Rule
from rdnbr.core.model.special_purpose import special_purpose_name
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Finding, warning


def lint_allowlist(allowlist: Allowlist) -> list[Finding]:
    """Return a finding for each suspicious rule, in the order of the files, then for each repeated rule."""
    return [finding for rule in allowlist.rules for finding in _lint_rule(rule)] + [
        warning(
            "rule-repeated",
            again.where,
            f"{again} says the same as {first.where}",
            Cure.advise("remove one of the two, before somebody changes only the other"),
        )
        for first, again in allowlist.repeated
    ]


def _lint_rule(rule: Rule) -> Iterator[Finding]:
    qualifiers = rule.qualifiers
    for glob in (*qualifiers.ports, *qualifiers.bridges):
        if _is_unclosed(glob):
            yield warning(
                "glob-unclosed",
                rule.where,
                f"{glob!r} has a [ without its ], so it matches only a device that is called just that",
                Cure.advise("close it, as in tap[12]i0"),
            )
    name = special_purpose_name(rule.prefix) if rule.deny else None
    if name is not None:
        yield warning(
            "rule-matches-nobody",
            rule.where,
            f"{rule.prefix} is {name}: no guest may claim it, so this rule matches nobody",
            Cure.advise("remove the rule"),
        )
    if rule.vip and rule.anycast:
        yield warning(
            "vip-and-anycast",
            rule.where,
            "'vip' moves an address to whoever announces it, and 'anycast' lets several have it at a time",
            Cure.advise(
                "leave out 'anycast' for an address that fails over, 'vip' for one that many guests serve"
            ),
        )
    if rule.static and not (qualifiers.ports or qualifiers.vm):
        who = "claims it first" if qualifiers.mac is None else f"sends from {show_mac(qualifiers.mac)}"
        yield warning(
            "static-without-port",
            rule.where,
            f"nobody probes {rule.prefix}, so any guest that {who} while the port of its owner is down takes it",
            Cure.advise("name the port of its guest: port= or vm="),
        )
    if rule.vip and not (qualifiers.ports or qualifiers.mac or qualifiers.vm):
        yield warning(
            "vip-for-anybody",
            rule.where,
            f"any guest that announces {rule.prefix} takes it, without a probe to its holder",
            Cure.advise("name those who may: port=, mac= or vm="),
        )


def _is_unclosed(glob: str) -> bool:
    """Return whether a [ has no ], so that fnmatch takes it literally. `[]a]` and `[!]a]` are closed."""
    at = glob.find("[")
    while at >= 0:
        first = at + (2 if glob.startswith("!", at + 1) else 1)
        end = glob.find("]", first + 1)
        if end < 0:
            return True
        at = glob.find("[", end)
    return False
