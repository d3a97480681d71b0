"""`rdnbr doctor`: says what will not work on this node, and how to mend it."""

import json
from argparse import Namespace
from collections.abc import Iterable

from rdnbr.config.config import CommandLine
from rdnbr.core.model.unseen import Unseen
from rdnbr.linux.frr.frr_state import Frr
from rdnbr.operator.doctor.collect import look
from rdnbr.operator.doctor.diagnosis import Facts, Finding, Severity, diagnose


def doctor(args: Namespace) -> int:
    """Print what is found, and return 1 when something of it should be mended."""
    facts = look(CommandLine(args.config, args.allowlist, tuple(args.bridge)))
    findings = diagnose(facts)
    if args.json:
        print(json.dumps(document(findings), ensure_ascii=False))
    else:
        print("\n".join(lines(findings, looked_at(facts))))
    return int(any(finding.severity is not Severity.NOTE for finding in findings))


def document(findings: Iterable[Finding]) -> dict[str, object]:
    """Return the findings as the JSON promised to scripts."""
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


def lines(findings: Iterable[Finding], seen: str) -> list[str]:
    """Return the findings for people, and what was looked at."""
    listed = list(findings)
    counts = [
        f"{count} {severity}" + ("" if count == 1 else "s")
        for severity in Severity
        if (count := _count(listed, severity))
    ]
    said = []
    for finding in listed:
        said += [
            f"{finding.severity}: {finding.about}: {finding.message} [{finding.name}]",
            f"    cure: {finding.cure}",
        ]
    return [*said, f"{', '.join(counts) or 'nothing to mend'}; looked at {seen}"]


def looked_at(facts: Facts) -> str:
    """Name what was looked at, so that nobody takes silence for health."""
    seen = [f"{bridge.segment.name} (ports: {len(bridge.members)})" for bridge in facts.bridges]
    if facts.allowlist is not None:
        seen.append(f"the allowlist (rules: {len(facts.allowlist.rules)})")
    if facts.daemon is not None and not isinstance(facts.daemon, Unseen):
        seen.append("the daemon")
    if isinstance(facts.frr, Frr) and facts.frr.daemons:
        seen.append(
            "FRR " + (".".join(map(str, facts.frr.version)) if facts.frr.version else "(of unknown version)")
        )
    return ", ".join(seen) or "all bridges of this network namespace"


def _count(findings: Iterable[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)
