"""Telling every mistake in the configuration and the allowlist, without a daemon."""

from rdnbr.config import CommandLine, Config, examine, load_allowlist
from rdnbr.core.allowlist import Allowlist, AllowlistError


def check(given: CommandLine) -> tuple[list[str], str | None]:
    """Read all files.

    Returns:
        Every mistake as `file:line: message`, and, when there is none, a sentence on what was read.
    """
    config, problems = examine(given)
    allowlist = None
    try:
        allowlist = load_allowlist(
            config.allowlist, config.allowlist_directory, required=config.allowlist_named
        )
    except AllowlistError as error:
        problems += error.problems
    if problems:
        return [str(problem) for problem in problems], None
    return [], _summary(config, allowlist)


def _summary(config: Config, allowlist: Allowlist | None) -> str:
    if allowlist is None:
        return f"no mistakes; there is no {config.allowlist}, so rdnbr would run open: any guest, any address"
    return f"no mistakes; {len(allowlist.rules)} rules in the allowlist"
