"""The command `rdnbr doctor`: collects facts, and prints the findings."""

import json
from argparse import Namespace
from collections.abc import Collection, Iterable

from rdnbr.config.config import CommandLine
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.frr.frr_status import Frr
from rdnbr.operator.findings.collect import collect_facts
from rdnbr.operator.findings.diagnosis import Facts, Finding, Severity, diagnose
from rdnbr.operator.text.terminal import print_lines


def doctor(args: Namespace) -> int:
    """Print the findings. Return 1 if there is a problem or a warning that is not accepted."""
    facts = collect_facts(CommandLine(args.config, args.allowlist, tuple(args.bridge)))
    findings, accepted = diagnose(facts), facts.accepted
    if args.json:
        print(json.dumps(json_document(findings, accepted), ensure_ascii=False))
    else:
        print_lines(
            text_lines(findings, describe_scope(facts), accepted), whole=("    ",)
        )  # cures are pasted
    counting = (finding for finding in findings if finding.name not in accepted)
    return int(any(finding.severity is not Severity.NOTE for finding in counting))


def json_document(findings: Iterable[Finding], accepted: Collection[str] = ()) -> dict[str, object]:
    """Return the findings in the JSON form that is promised to scripts. Accepted ones count by themselves."""
    listed = list(findings)
    counting = [finding for finding in listed if finding.name not in accepted]
    return {
        "findings": [
            {
                "name": finding.name,
                "severity": finding.severity.value,
                "about": finding.about,
                "message": finding.message,
                **finding.cure.document(),
                "accepted": finding.name in accepted,
            }
            for finding in listed
        ],
        "problems": _count(counting, Severity.PROBLEM),
        "warnings": _count(counting, Severity.WARNING),
        "notes": _count(counting, Severity.NOTE),
        "accepted": len(listed) - len(counting),
    }


def text_lines(findings: Iterable[Finding], scope: str, accepted: Collection[str] = ()) -> list[str]:
    """Return the findings as text, and a last line with the counts and the scope of the checks.

    Args:
        findings: the most severe first.
        scope: what was looked at.
        accepted: names of findings that are as they should be on this node; these come last, without their cure.
    """
    listed = list(findings)
    counting = [finding for finding in listed if finding.name not in accepted]
    counts = [
        f"{count} {severity}" + ("" if count == 1 else "s")
        for severity in Severity
        if (count := _count(counting, severity))
    ]
    text = []
    for finding in counting:
        text += [
            f"{finding.severity}: {finding.about}: {finding.message} [{finding.name}]",
            *finding.cure.lines(),
        ]
    text += [
        f"accepted: {finding.about}: {finding.message} [{finding.name}]"
        for finding in listed
        if finding.name in accepted
    ]
    if len(listed) > len(counting):
        counts.append(f"{len(listed) - len(counting)} accepted")
    vain = [name for name in accepted if name not in {finding.name for finding in listed}]
    if vain:
        counts.append(f"accepted and not found: {', '.join(vain)}")
    return [*text, f"{', '.join(counts) or 'nothing to mend'}; looked at {scope}"]


def describe_scope(facts: Facts) -> str:
    """Name what was checked, so that a report without findings is not mistaken for a complete check."""
    scope = [f"{bridge.segment.name} (ports: {len(bridge.ports)})" for bridge in facts.bridges]
    if facts.allowlist is not None:
        scope.append(f"the allowlist (rules: {len(facts.allowlist.rules)})")
    if facts.daemon is not None and not isinstance(facts.daemon, UnreadFact):
        scope.append("the daemon")
    if isinstance(facts.frr, Frr) and facts.frr.daemons:
        scope.append(
            "FRR " + (".".join(map(str, facts.frr.version)) if facts.frr.version else "(of unknown version)")
        )
    return ", ".join(scope) or "all bridges of this network namespace"


def _count(findings: Iterable[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)
