"""Field cases: what is broken, and the guest that is reached once the first cure that rdnbr prints is pasted."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from rdnbr.lab import Lab
from rdnbr.lab.guest import Guest
from rdnbr.lab.node import BRIDGE, Node
from rdnbr.lab.wait import wait_for
from tests.field_case import FOUND, field_case

pytestmark = pytest.mark.frr

ALLOWLIST = "2.57.56.0/21\n2001:678:3a4:100::/64\n"
RENAMED = "tap200i0"
SHIM = "/run/shim"
"""Programs of the node that stand before others: the lab has no systemd."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    """A node with FRR and a daemon whose first guest is reached; each case repairs what it breaks."""
    with Lab(guests=2, frr=True) as lab:
        node = lab.node
        for name, text in (
            ("systemctl", f'echo "$@" >> {SHIM}/asked'),
            ("rdnbr", f'exec {sys.executable} -m rdnbr "$@"'),
        ):
            node.write(f"{SHIM}/{name}", f"#!/bin/sh\n{text}\n")
            node.run("chmod", "755", f"{SHIM}/{name}")
        node.write("/etc/frr/daemons", "bgpd=no\n")
        node.write("/etc/rdnbr/allowlist", ALLOWLIST)
        node.start_daemon()
        for guest in lab.guests:
            guest.configure()
            guest.wait_for_dad()
            guest.ping_gateways()
        wait_for(lambda: all(map(lab.upstream.ping, lab.guests[0].addresses)), 30.0, "the guest's echoes")
        yield lab


def explained(node: Node, address: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(node.rdnbr("explain", address, "--json").stdout)
    return document


def paste(lab: Lab, cured: dict[str, Any], guest: Guest) -> None:
    """Paste each line of a cure into a shell of root, where it is for; then do what systemctl was asked for."""
    assert cured["commands"], cured
    where = guest if cured["in_guest"] else lab.node
    for command in (*cured["commands"], *cured["lasting"]):
        where.run("sh", "-ec", f"PATH={SHIM}:$PATH\n{command}")
    asked = lab.node.path(f"{SHIM}/asked")
    for line in asked.read_text().splitlines() if asked.exists() else ():
        SERVICES.get(line, lambda _lab: None)(lab)
    asked.unlink(missing_ok=True)


def start_frr(lab: Lab) -> None:
    assert lab.node.frr is not None
    for name in ("zebra", "bgpd"):
        if not lab.node.path(f"/run/frr/{name}.vty").exists():
            lab.node.frr.start(name)


def restart_daemon(lab: Lab) -> None:
    assert lab.node.daemon is not None
    lab.node.daemon.signal(signal.SIGKILL)
    lab.node.daemon.wait()
    lab.node.start_daemon()


SERVICES: dict[str, Callable[[Lab], object]] = {
    "start rdnbr": lambda lab: lab.node.start_daemon(),
    "restart rdnbr": restart_daemon,
    "start frr": start_frr,
    "restart frr": start_frr,
}


def vtysh(lab: Lab, *lines: str) -> None:
    words = [word for line in ("configure terminal", *lines) for word in ("-c", line)]
    lab.node.run("vtysh", *words)


def stop_frr(lab: Lab, *names: str) -> None:
    assert lab.node.frr is not None
    for name in names:
        lab.node.frr.stop(name)


def allow(lab: Lab, rules: str) -> None:
    """Put other rules into force, and let the guest show itself."""
    lab.node.write("/etc/rdnbr/allowlist", rules)
    assert lab.node.rdnbr("reload").returncode == 0
    lab.guests[0].announce()


def drop_forwarded(lab: Lab) -> None:
    table = "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }"
    lab.node.run("nft", table)


def shorten_prefix(lab: Lab) -> None:
    """Give the guest a /24 and a gateway in it."""
    guest = lab.guests[0]
    guest.ip(f"addr del {guest.address4}/32 dev eth0", f"addr add {guest.address4}/24 dev eth0")
    guest.ip("route replace default via 2.57.57.1 dev eth0")


def wrong_gateway6(lab: Lab) -> None:
    lab.guests[0].run("ip", "-6", "route", "replace", "default", "via", "fe80::77", "dev", "eth0")


def name_port(lab: Lab, name: str) -> None:
    """Give the port of the first guest another name."""
    before = "tap100i0" if name == RENAMED else RENAMED
    lab.node.ip(f"link set {before} down", f"link set {before} name {name}", f"link set {name} up")


def rename_port(lab: Lab) -> None:
    """Give the port of the first guest another name than its rule has."""
    allow(lab, f"2.57.57.30 port=tap100i0\n{ALLOWLIST}")
    name_port(lab, RENAMED)
    served = lambda: RENAMED in {one["port"] for one in lab.node.show("ports")["ports"]}  # noqa: E731
    wait_for(served, 10.0, "the renamed port to be served")
    lab.guests[0].announce()


class Broken(NamedTuple):
    """A broken situation."""

    breaks: Callable[[Lab], object]
    code: str
    """The verdict that explain must give, or, with a colon before it, the finding of doctor."""
    family: int = 4


BROKEN = {
    "forwarding": Broken(lambda lab: lab.node.sysctl(ipv4__ip_forward=0), "ipv4-forwarding-off"),
    "forwarding of the uplink": Broken(
        lambda lab: lab.node.sysctl(ipv4__conf__uplink__forwarding=0), "ipv4-forwarding-off"
    ),
    "forwarding of IPv6": Broken(
        lambda lab: lab.node.sysctl(ipv6__conf__all__forwarding=0), "ipv6-forwarding-off", 6
    ),
    "rp_filter": Broken(lambda lab: lab.node.sysctl(ipv4__conf__vmbr1__rp_filter=1), ":rp-filter-strict"),
    "no redistribution": Broken(
        lambda lab: vtysh(lab, "router bgp 65001", "address-family ipv4 unicast", "no redistribute kernel"),
        "no-redistribute-kernel",
    ),
    "session shut down": Broken(
        lambda lab: vtysh(lab, "router bgp 65001", "neighbor 198.51.100.0 shutdown"), "bgp-no-session"
    ),
    "FRR stopped": Broken(lambda lab: stop_frr(lab, "bgpd", "zebra"), "frr-not-running"),
    "bgpd stopped": Broken(lambda lab: stop_frr(lab, "bgpd"), "bgpd-not-running"),
    "daemon stopped": Broken(lambda lab: lab.node.stop_daemon(), "daemon-not-running"),
    "port down": Broken(lambda lab: lab.node.ip("link set tap100i0 down"), "port-gone"),
    "no rule": Broken(lambda lab: allow(lab, "2001:678:3a4:100::/64\n"), "not-permitted"),
    "pinned elsewhere": Broken(lambda lab: allow(lab, f"2.57.57.30 port=tap101i0\n{ALLOWLIST}"), "pinned"),
    "denied": Broken(lambda lab: allow(lab, f"deny 2.57.57.30\n{ALLOWLIST}"), "denied"),
    "FORWARD drops": Broken(drop_forwarded, "forward-drops"),
    "gateway address gone": Broken(
        lambda lab: lab.node.ip(f"addr del 169.254.0.1/32 dev {BRIDGE}"), "no-ipv4-gateway"
    ),
    "neighbour replaced": Broken(
        lambda lab: lab.node.ip(
            f"neigh replace 2.57.57.30 lladdr 52:02:45:00:00:66 dev {BRIDGE} nud permanent proto static"
        ),
        "foreign-entry",
    ),
    "foreign route": Broken(
        lambda lab: lab.node.ip("route replace 2.57.57.30 dev uplink proto static"), "foreign-entry"
    ),
    "wrong netmask": Broken(shorten_prefix, "guest-asks-nobody"),
    "wrong gateway of IPv6": Broken(wrong_gateway6, "guest-asks-nobody", 6),
    "port renamed": Broken(rename_port, "pinned"),
}


@pytest.fixture
def mended(shared: Lab) -> Iterator[Lab]:
    """Undo what no cure undoes, so that the next case finds the node as it was."""
    yield shared
    shared.node.write("/etc/rdnbr/allowlist", ALLOWLIST)
    shared.node.path("/etc/rdnbr/rdnbr.toml").unlink(missing_ok=True)
    shared.node.run("nft", "flush", "ruleset")
    if RENAMED in shared.node.run("ip", "-o", "link", "show"):
        name_port(shared, "tap100i0")
    shared.node.rdnbr("reload")
    shared.guests[0].announce()
    wait_for(lambda: all(map(shared.upstream.ping, shared.guests[0].addresses)), 30.0, "the guest's echoes")


def told(lab: Lab, broken: Broken, address: str) -> dict[str, Any] | None:
    """Return the cure of the situation, if it is what rdnbr names first."""
    if broken.code.startswith(":"):
        findings = json.loads(lab.node.rdnbr("doctor", "--json").stdout)["findings"]
        return next((one for one in findings[:1] if f":{one['name']}" == broken.code), None)
    lab.upstream.attempt("ping", "-n", "-q", "-c", "1", "-W", "0.2", address)
    document = explained(lab.node, address)
    return document if document["code"] == broken.code else None


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@field_case(
    FOUND,
    "a node or a guest is broken in one of twenty ways: forwarding, filters, FRR, the daemon, ports, the allowlist, "
    "entries of other programs, the gateway, the guest's own netmask or gateway",
    "`explain` (`doctor` for `rp_filter`) names the cause first, and once its commands are pasted the guest is reached",
    within=20,
)
def test_cure_works_when_pasted(mended: Lab, within: float, broken: Broken) -> None:
    """The cause is named first; its cure, pasted line by line as printed, lets the upstream reach the guest."""
    guest = mended.guests[0]
    address = guest.address(broken.family)
    broken.breaks(mended)
    cured = wait_for(lambda: told(mended, broken, address), within, "the cause to be named")
    for _ in range(3):  # a filter may drop in several ways, each with its own cure
        paste(mended, cured, guest)
        again = told(mended, broken, address)
        if again is None:
            break
        cured = again
    wait_for(lambda: mended.upstream.ping(address), within, "the guest's echoes")
