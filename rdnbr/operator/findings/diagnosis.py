"""The diagnosis of a node: facts in, findings out. It does no I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import IP
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.question import Question
from rdnbr.core.model.settings import Mobility
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.linux.frr.frr_status import Seen
from rdnbr.operator.findings import bridge, frr, sysctls
from rdnbr.operator.findings.allowlist_lint import lint_allowlist
from rdnbr.operator.findings.allowlist_overlap import find_overlaps
from rdnbr.operator.findings.bound_guests import BoundGuests, check_bound_guests
from rdnbr.operator.findings.bridge import Bridge
from rdnbr.operator.findings.connected_guests import check_connected_guests
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.filters import Filters, check_filters
from rdnbr.operator.findings.finding import Finding, Reach, Severity, note, problem, unread, warning
from rdnbr.operator.findings.gateway_addresses import check_gateways
from rdnbr.operator.findings.questions import check_questions

__all__ = ["Facts", "Finding", "Severity", "diagnose", "find_overlaps", "lint_allowlist"]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that the diagnosis reads."""

    bridges: tuple[Bridge, ...]
    settings: Mapping[str, int]
    """Values under /proc/sys/net, by path."""
    node: LocalAddresses = field(default_factory=LocalAddresses)
    allowlist: Allowlist | None = None
    mistakes: tuple[Problem, ...] = ()
    """Mistakes in the configuration and the allowlist."""
    daemon: Literal["open", "allowlist", "hangs"] | UnreadFact | None = None
    """The mode of the running daemon, or that it does not answer. None if no daemon runs."""
    frr: Seen = None
    networkd: frozenset[int] = frozenset()
    """ifindexes of devices that systemd-networkd manages, and from which it removes routes of other programs."""
    protocol: str | None = None
    """The name that iproute2 has for rdnbr's routing protocol."""
    mobility: Mobility = "withdrawal"
    filters: Filters = ()
    """The packet filters of the node."""
    bound_guests: BoundGuests = BoundGuests()  # noqa: RUF009 (it is frozen)
    uplinks: Mapping[int, str] = field(default_factory=dict)
    """The device that packets to the Internet leave over, by IP version."""
    clock_synchronised: bool = True
    """Whether the node's clock is synchronised."""
    guests: frozenset[IP] = frozenset()
    """The addresses that the kernel has host routes of rdnbr for."""
    reload_failed: str | None = None
    """Why the daemon could not read its files again, so that the old ones are in force."""
    accepted: tuple[str, ...] = ()
    """Names of findings that the configuration accepts."""
    questions: tuple[tuple[str, Question], ...] = ()
    """What guests ask for and nobody answers, with the names of their ports."""


def diagnose(facts: Facts) -> list[Finding]:
    """Return all findings, the most severe first. Findings of the same severity keep the order of the checks."""
    order = list(Severity)
    return sorted(_findings(facts), key=lambda finding: order.index(finding.severity))


def _findings(facts: Facts) -> Iterator[Finding]:
    yield from _daemon(facts)
    yield from _allowlist(facts)
    if not facts.bridges:
        yield problem(
            "no-segment",
            "node",
            "no bridge owns an IPv4 link-local /32 or fe80::1, so there is nothing to serve",
            Cure.advise(
                "give one the gateway addresses (contrib/network/interfaces), or name it with --bridge"
            ),
            Reach(),
        )
    for served in facts.bridges:
        yield from bridge.check_bridge(served, carrier_matters=frr.carrier_matters(facts.frr))
        yield from check_gateways(
            served, facts.settings, ipv4_address_matters=frr.ipv4_address_matters(facts.frr)
        )
        yield from check_filters(facts.filters, served, facts.uplinks, facts.settings)
        yield from sysctls.check_forwarding(served.segment.name, facts.uplinks.get(4), facts.settings)
        yield from sysctls.check_sysctls(served.segment.name, facts.settings)
        if served.segment.index in facts.networkd:
            yield warning(
                "networkd-removes-routes",
                served.segment.name,
                "systemd-networkd manages the bridge, and removes others' routes from it when it is restarted",
                Cure.run(
                    "mkdir -p /etc/systemd/networkd.conf.d",
                    r"printf '[Network]\nManageForeignRoutes=no\n' > /etc/systemd/networkd.conf.d/rdnbr.conf",
                    "systemctl restart systemd-networkd",
                ),
            )
    yield from check_connected_guests(facts.guests, facts.node, facts.allowlist)
    yield from check_bound_guests(facts.bound_guests)
    yield from check_questions(facts.questions)
    yield from frr.check_frr(facts.frr, facts.bridges)
    if facts.mobility == "newest-wins":
        yield from frr.check_metrics(facts.frr)
        if not facts.clock_synchronised:
            yield warning(
                "clock-adrift",
                "node",
                "nothing keeps this node's clock, and newest-wins compares times of several nodes",
                Cure.run("apt-get install chrony", advice="adjtimex(2) then reports a synchronised clock"),
            )
    yield from _protocol(facts.protocol)


START_DAEMON = Cure(("systemctl start rdnbr",), ("systemctl enable rdnbr",))
RESTART_DAEMON = Cure.run(
    "systemctl restart rdnbr", advice="journalctl -u rdnbr may say why; the routes stay"
)
NAME_PROTOCOL = Cure.run(
    "mkdir -p /etc/iproute2/rt_protos.d", f"echo {PROTOCOL} rdnbr > /etc/iproute2/rt_protos.d/rdnbr.conf"
)


def _daemon(facts: Facts) -> Iterator[Finding]:
    match facts.daemon:
        case None:
            yield warning(
                "daemon-not-running",
                "daemon",
                "no daemon runs: routes stay as they are, and no guest is learned",
                START_DAEMON,
            )
        case "hangs":
            yield problem(
                "daemon-hangs",
                "daemon",
                "the daemon runs and does not answer: routes stay as they are, and no guest is learned",
                RESTART_DAEMON,
            )
        case UnreadFact():
            yield unread("daemon", facts.daemon)
        case "open" | "allowlist":
            pass
    if facts.reload_failed is not None:
        why = "; ".join(facts.reload_failed.removeprefix("nothing was changed:").split("\n")).strip("; ")
        yield problem(
            "reload-failed",
            "daemon",
            f"the files that are in force are not those on the disk, which the next start would read: {why}",
            Cure.run(
                "rdnbr reload",
                advice="mend the files, or put them back (rdnbr allowlist --from-bindings writes the rules of the "
                "guests that are there), and then",
            ),
        )
    if facts.daemon == "open" or (
        facts.daemon != "allowlist" and facts.allowlist is None and not facts.mistakes
    ):
        yield warning(
            "open-mode",
            "daemon",
            "there is no allowlist in force, so any guest may claim any address that is not the node's",
            Cure.advise("write /etc/rdnbr/allowlist (contrib/allowlist.example)"),
        )


def _allowlist(facts: Facts) -> Iterator[Finding]:
    for mistake in facts.mistakes:
        yield problem(
            "mistake-in-file",
            f"{mistake.file}:{mistake.line}",
            mistake.message,
            Cure.advise("mend the line; rdnbr check says when all is well"),
        )
    if facts.allowlist is not None:
        if all(rule.deny for rule in facts.allowlist.rules):
            yield note(
                "allowlist-permits-nobody",
                "allowlist",
                "no rule of it permits anything, so no guest is routed",
                Cure.advise("write a rule for each guest, or for their networks (contrib/allowlist.example)"),
            )
        yield from lint_allowlist(facts.allowlist)
        yield from find_overlaps(facts.allowlist, facts.node)


def _protocol(name: str | None) -> Iterator[Finding]:
    if name is None:
        yield note(
            "protocol-without-name",
            "node",
            f"iproute2 has no name for protocol {PROTOCOL}, so `ip route` shows rdnbr's routes by number",
            NAME_PROTOCOL,
        )
    elif name != "rdnbr":
        yield warning(
            "protocol-is-anothers",
            "node",
            f"iproute2 calls protocol {PROTOCOL} {name!r}: routes of a program of that name are taken for rdnbr's",
            Cure.run(
                *NAME_PROTOCOL.commands,
                advice="see whether that program runs here; if not, remove the other name, and",
            ),
        )
