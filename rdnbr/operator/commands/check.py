"""`rdnbr check`: every mistake in the configuration and the allowlist. It needs no daemon."""

from typing import NamedTuple

from rdnbr.config.config import CommandLine, Config, examine, load_allowlist
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError
from rdnbr.operator.text.phrases import counted


class CheckResult(NamedTuple):
    """The result of a check, as lines of text."""

    mistakes: list[str]
    """Each as `file:line: message`."""
    remarks: list[str]
    """Rules that permit less, or more, than they seem to, as `file:line: warning: message` or `… note: …`."""
    summary: str | None
    """A sentence about what was read; None if there is a mistake."""


def check(given: CommandLine) -> CheckResult:
    """Read all files, and return what is wrong with them."""
    config, problems = examine(given)
    allowlist = None
    try:
        allowlist = load_allowlist(
            config.allowlist, config.allowlist_directory, required=config.allowlist_named
        )
    except AllowlistError as error:
        problems += error.problems
    remarks = _remarks(allowlist, config) if allowlist is not None else []
    if problems:
        return CheckResult([str(problem) for problem in problems], remarks, None)
    return CheckResult([], remarks, _summary(config, allowlist))


def _remarks(allowlist: Allowlist, config: Config) -> list[str]:
    # Their import takes time, and only an allowlist that can be read needs them.
    from rdnbr.core.policy.local_addresses import LocalAddresses  # noqa: PLC0415
    from rdnbr.operator.findings.collect import collect_local_addresses  # noqa: PLC0415
    from rdnbr.operator.findings.diagnosis import find_overlaps, lint_allowlist  # noqa: PLC0415

    try:
        node = collect_local_addresses(config.bridges)
    except OSError:
        node = LocalAddresses()  # the prefixes that every node refuses are known without the kernel
    return [
        f"{finding.about}: {finding.severity}: {finding.message}; {finding.cure}"
        for finding in (*lint_allowlist(allowlist), *find_overlaps(allowlist, node))
    ]


def _summary(config: Config, allowlist: Allowlist | None) -> str:
    if allowlist is None:
        return f"no mistakes; there is no {config.allowlist}, so rdnbr would run open: any guest, any address"
    nobody = ", and none permits anything" if all(rule.deny for rule in allowlist.rules) else ""
    return f"no mistakes; {counted(len(allowlist.rules), 'rule')} in the allowlist{nobody}"
