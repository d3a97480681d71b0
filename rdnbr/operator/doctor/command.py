"""The command `rdnbr doctor`: collects facts, and prints the findings."""

import json
from argparse import Namespace
from collections.abc import Iterable

from rdnbr.config.config import CommandLine
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.frr.frr_status import Frr
from rdnbr.operator.findings.collect import collect_facts
from rdnbr.operator.findings.diagnosis import Facts, Finding, Severity, diagnose


def doctor(args: Namespace) -> int:
    """Print the findings. Return 1 if there is a problem or a warning."""
    facts = collect_facts(CommandLine(args.config, args.allowlist, tuple(args.bridge)))
    findings = diagnose(facts)
    if args.json:
        print(json.dumps(json_document(findings), ensure_ascii=False))
    else:
        print("\n".join(text_lines(findings, describe_scope(facts))))
    return int(any(finding.severity is not Severity.NOTE for finding in findings))


def json_document(findings: Iterable[Finding]) -> dict[str, object]:
    """Return the findings in the JSON form that is promised to scripts."""
    listed = list(findings)
    return {
        "findings": [
            {
                "name": finding.name,
                "severity": finding.severity.value,
                "about": finding.about,
                "message": finding.message,
                "cure": finding.cure,
            }
            for finding in listed
        ],
        "problems": _count(listed, Severity.PROBLEM),
        "warnings": _count(listed, Severity.WARNING),
        "notes": _count(listed, Severity.NOTE),
    }


def text_lines(findings: Iterable[Finding], scope: str) -> list[str]:
    """Return the findings as text, and a last line with the counts and the scope of the checks."""
    listed = list(findings)
    counts = [
        f"{count} {severity}" + ("" if count == 1 else "s")
        for severity in Severity
        if (count := _count(listed, severity))
    ]
    text = []
    for finding in listed:
        text += [
            f"{finding.severity}: {finding.about}: {finding.message} [{finding.name}]",
            f"    cure: {finding.cure}",
        ]
    return [*text, f"{', '.join(counts) or 'nothing to mend'}; looked at {scope}"]


def describe_scope(facts: Facts) -> str:
    """Name what was checked, so that a report without findings is not mistaken for a complete check."""
    scope = [f"{bridge.segment.name} (ports: {len(bridge.members)})" for bridge in facts.bridges]
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
