"""`rdnbr-proxmox-allowlist`: updates the allowlist of this node from the guests of the cluster.

If anything is uncertain, the old rules stay. Without /etc/pve the file is not written. A file without any rule is not
written either, because it would withdraw every guest. A guest with a mistake in its configuration keeps its rules.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from rdnbr.core.model.problem import Problem
from rdnbr.core.model.rule import Rule
from rdnbr.core.policy.allowlist import AllowlistError, parse
from rdnbr_proxmox.cluster import Cluster, ClusterError, Unreadable, read_cluster
from rdnbr_proxmox.document import Kept, document, warnings
from rdnbr_proxmox.files import read_rules, replace_file, rules_by_hand
from rdnbr_proxmox.firewall import read_aliases
from rdnbr_proxmox.rules import Rules, rules_of

BRIDGE = "vmbr1"
OUTPUT = Path("/etc/rdnbr/allowlist.d/50-proxmox.conf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Update the file. Return 0 if it is current, and 1 after any problem."""
    args = _arguments(arguments)
    try:
        cluster = read_cluster(args.pve)
        guests, problems = collect_rules(cluster, args.bridge or [BRIDGE], args.output)
        for problem in problems:
            _say(str(problem))
        return _finish(guests, args) or int(bool(problems))
    except ClusterError as error:
        _say(f"{error}; {args.output} stays as it is")
    except OSError as error:
        _say(f"{args.output}: cannot be written: {error.strerror}; it stays as it is")
    return 1


def collect_rules(
    cluster: Cluster, bridges: Sequence[str], output: Path
) -> tuple[list[Rules | Kept], list[Problem]]:
    """Return the rules of all guests on these bridges, and the mistakes in their configurations."""
    datacenter = read_aliases(cluster.firewall)
    guests: list[Rules | Kept] = []
    problems: list[Problem] = []
    old: tuple[Rule, ...] | None = None
    for guest in cluster.guests:
        if isinstance(guest, Unreadable):
            rules: Rules | list[Problem] | None = [Problem(guest.file, 1, guest.message)]
        else:
            rules = rules_of(guest, datacenter, bridges)
        match rules:
            case Rules():
                guests.append(rules)
            case list():
                problems += rules
                old = read_rules(output) if old is None else old
                guests.append(Kept(guest.vm, tuple(rule for rule in old if rule.qualifiers.vm == guest.vm)))
            case None:
                pass
    return guests, problems


def _finish(guests: Sequence[Rules | Kept], args: Namespace) -> int:
    text = document(guests, rules_by_hand(args.output))
    try:
        rules = parse([(str(args.output), text)]).rules
    except AllowlistError as error:
        _say(
            f"{args.output}: not written, because rdnbr would refuse it; this is a bug in {__name__}:\n{error}"
        )
        return 1
    if not rules:
        _warn(guests, args.output)
        bridges = ", ".join(args.bridge or [BRIDGE])
        _say(
            f"no guest has an address on {bridges} (another bridge: --bridge NAME); {args.output} stays as it is, "
            "because without rules no guest would be routed"
        )
        return 1
    if args.print:
        print(text, end="")
        return 0
    if replace_file(args.output, text):
        _say(f"{args.output}: {len(rules)} rules for {len(guests)} guests")
        _warn(guests, args.output)
    return 0


def _warn(guests: Sequence[Rules | Kept], output: Path) -> None:
    for warning in warnings(guests):
        _say(f"{output}: warning: {warning}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _arguments(arguments: Sequence[str] | None) -> Namespace:
    description = "Updates the allowlist of this node from the guests of the cluster."
    parser = ArgumentParser(prog="rdnbr-proxmox-allowlist", description=description)
    parser.add_argument(
        "--bridge", action="append", metavar="GLOB", help=f"the guests' bridge ({BRIDGE}); may be given again"
    )
    parser.add_argument("--print", action="store_true", help="write to standard output instead")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FILE", help="the file (%(default)s)")
    parser.add_argument(
        "--pve", type=Path, default=Path("/etc/pve"), metavar="DIR", help="where pmxcfs is (%(default)s)"
    )
    return parser.parse_args(arguments)
