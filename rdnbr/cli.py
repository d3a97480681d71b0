"""The `rdnbr` command: parses the command line and runs a command. Each command does its own slow imports."""
# ruff: noqa: PLC0415

import sys
from argparse import Namespace
from collections.abc import Sequence

from rdnbr.operator.commands import client_commands
from rdnbr.operator.commands.parser import parser
from rdnbr.operator.control.client import CommandFailed

DONE, FINDINGS, USAGE, CANNOT_START = range(4)
"""Exit codes. argparse uses 2 for wrong usage as well."""
UNIT_MISCONFIGURED = 78
"""Exit code of `run --wait` for a mistake in its files, CONFIG in systemd.exec(5). The unit starts it again after any
other failure, also after exit code 1, with which Python ends after an exception."""


def main(argv: Sequence[str]) -> int:
    """Run one command, and return its exit code.

    Raises:
        SystemExit: for --help and --version, and with code 2 for a wrong command line.
    """
    if not argv:
        sys.stderr.write(parser().format_help())
        return USAGE
    args = parser().parse_args(argv)
    try:
        return _COMMANDS[args.command](args)
    except CommandFailed as error:
        print(f"rdnbr: {error}", file=sys.stderr)
        return FINDINGS


def _run(args: Namespace) -> int:
    from rdnbr.config.config import CommandLine, ConfigError, load_allowlist, load_config
    from rdnbr.core.policy.allowlist import AllowlistError
    from rdnbr.daemon import CannotStart, run
    from rdnbr.operator.logging.journal import for_stderr

    given = CommandLine(args.config, args.allowlist, tuple(args.bridge), args.log_level, args.log_format)
    try:
        config = load_config(given)
        allowlist = load_allowlist(
            config.allowlist, config.allowlist_directory, required=config.allowlist_named
        )
    except (ConfigError, AllowlistError) as error:
        print(for_stderr(str(error)), file=sys.stderr)
        return UNIT_MISCONFIGURED if args.wait else FINDINGS
    try:
        return run(config, allowlist, dry_run=args.dry_run, wait=args.wait)
    except CannotStart as error:
        print(for_stderr(f"rdnbr: {error}"), file=sys.stderr)
        return CANNOT_START


def _check(args: Namespace) -> int:
    from rdnbr.operator.commands.check import check

    return check(args)


def _doctor(args: Namespace) -> int:
    from rdnbr.operator.doctor.command import doctor

    return doctor(args)


def _explain(args: Namespace) -> int:
    from rdnbr.operator.explain.command import explain

    return explain(args)


def _resync(args: Namespace) -> int:
    from rdnbr.operator.resync.command import resync

    return resync(args)


def _metrics(args: Namespace) -> int:
    from rdnbr.operator.metrics.command import metrics

    return metrics(args)


def _replay(args: Namespace) -> int:
    from rdnbr.replay import replay

    return replay.main(
        args.pcaps,
        config=args.config,
        allowlist=args.allowlist,
        port=args.port,
        bridge=args.bridge,
        silent=args.silent,
        tail=args.tail,
        json=args.json,
        frames=args.frames,
    )


def _lab(args: Namespace) -> int:
    from rdnbr import lab

    return lab.main(guests=args.guests, keep=args.keep, migrate=args.migrate)


_COMMANDS = {
    "run": _run,
    "replay": _replay,
    "check": _check,
    "doctor": _doctor,
    "explain": _explain,
    "resync": _resync,
    "lab": _lab,
    "metrics": _metrics,
    "version": client_commands.version,
    "allowlist": client_commands.allowlist,
    "show": client_commands.show,
    "watch": client_commands.watch,
    "reload": client_commands.send_command,
    "probe": client_commands.probe,
    "flush": client_commands.flush,
}
