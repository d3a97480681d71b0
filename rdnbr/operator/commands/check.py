"""`rdnbr check`: every mistake in the configuration and the allowlist. It needs no daemon, except for `--against`."""

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rdnbr.config.config import CommandLine, Config, examine, load_allowlist
from rdnbr.config.provenance import Value, as_toml, plain, values_in_force
from rdnbr.core.model.address import show_ip, show_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.problem import Problem
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError
from rdnbr.operator.control.protocol import Document, Json
from rdnbr.operator.text.phrases import counted
from rdnbr.operator.text.terminal import print_lines


class Remark(NamedTuple):
    """A rule that permits less, or more, than it seems to."""

    where: str
    """`file:line`"""
    severity: str
    """`warning` or `note`"""
    message: str
    cure: str

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.message}; {self.cure}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a check has found in the files."""

    mistakes: tuple[Problem, ...]
    remarks: tuple[Remark, ...]
    config: Config
    allowlist: Allowlist | None
    """None if there is none, or it has mistakes."""

    @property
    def summary(self) -> str | None:
        """A sentence about what was read; None if there is a mistake."""
        if self.mistakes:
            return None
        if self.allowlist is None:
            path = self.config.allowlist
            return f"no mistakes; there is no {path}, so rdnbr would run open: any guest, any address"
        rules = self.allowlist.rules
        nobody = ", and none permits anything" if all(rule.deny for rule in rules) else ""
        return f"no mistakes; {counted(len(rules), 'rule')} in the allowlist{nobody}"


def check(args: Namespace) -> int:
    """Print what is wrong with the files. Return 1 if there is a mistake, or `--against` finds a withdrawal.

    Raises:
        CommandFailed: the daemon, which `--against` asks, does not answer.
    """
    result = examine_files(CommandLine(args.config, args.allowlist))
    if args.against and not result.mistakes:
        return _compare(args, result)
    shown = values_in_force(result.config) if args.show else None
    if args.json:
        print(json.dumps(document(result, shown), ensure_ascii=False))
    else:
        print_lines([*as_toml(shown or []), *([""] if shown else []), *_lines(result)])
    return int(bool(result.mistakes))


def examine_files(given: CommandLine) -> Result:
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
    return Result(tuple(problems), tuple(remarks), config, allowlist)


def document(result: Result, shown: list[Value] | None = None) -> Document:
    """Return the result in the JSON form that is promised to scripts, with the configuration if it is `shown`."""
    configuration: Document = {}
    if shown is not None:
        configuration["configuration"] = [
            {"key": list(path), "value": plain(value), "from": origin} for path, value, origin in shown
        ]
    return {
        "mistakes": [{"file": one.file, "line": one.line, "message": one.message} for one in result.mistakes],
        "remarks": [
            {"where": one.where, "severity": one.severity, "message": one.message, "cure": one.cure}
            for one in result.remarks
        ],
        "rules": None if result.allowlist is None else len(result.allowlist.rules),
        **configuration,
    }


def _lines(result: Result) -> list[str]:
    summary = [] if result.summary is None else [result.summary]
    return [*map(str, result.mistakes), *map(str, result.remarks), *summary]


def _compare(args: Namespace, result: Result) -> int:
    """Print the result, and whom the allowlist would withdraw."""
    from rdnbr.operator.commands.withdrawals import PortName, refusals, summary  # noqa: PLC0415
    from rdnbr.operator.control.bound_addresses import read_bound_addresses  # noqa: PLC0415
    from rdnbr.operator.control.client import Client  # noqa: PLC0415
    from rdnbr.operator.control.json_fields import Fields, text  # noqa: PLC0415

    with Client(Path(args.socket) if args.socket else result.config.socket) as client:
        bound = read_bound_addresses(client)
        ports = [
            PortName(port.get("port", text), port.get("bridge", text))
            for port in Fields(client.request("ports")).objects("ports")
        ]
    found = refusals(result.allowlist, bound, ports)
    if args.json:
        withdrawn: list[Json] = [
            {
                "address": show_ip(one.bound.address),
                "mac": show_mac(one.bound.mac),
                "port": one.bound.port,
                "bridge": one.bound.bridge,
                "state": one.bound.state.value,
                "reason": one.reason.value,
                "rule": one.rule,
            }
            for one in found
        ]
        print(json.dumps({**document(result), "refused": withdrawn}, ensure_ascii=False))
    else:
        present = sum(one.state is not State.DEPARTED for one in bound)
        print_lines([*_lines(result), *map(str, found), summary(found, present)])
    return int(any(one.bound.state is not State.DEPARTED for one in found))


def _remarks(allowlist: Allowlist, config: Config) -> list[Remark]:
    # Their import takes time, and only an allowlist that can be read needs them.
    from rdnbr.core.policy.local_addresses import LocalAddresses  # noqa: PLC0415
    from rdnbr.operator.findings.collect import collect_local_addresses  # noqa: PLC0415
    from rdnbr.operator.findings.diagnosis import find_overlaps, lint_allowlist  # noqa: PLC0415

    try:
        node = collect_local_addresses(config.bridges)
    except OSError:
        node = LocalAddresses()  # the prefixes that every node refuses are known without the kernel
    return [
        Remark(finding.about, finding.severity.value, finding.message, str(finding.cure))
        for finding in (*lint_allowlist(allowlist), *find_overlaps(allowlist, node))
    ]
