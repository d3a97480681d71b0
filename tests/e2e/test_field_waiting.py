"""Field cases of a node without a bridge to serve: before it has one, and after it has lost the last one."""

import sys
from contextlib import closing

import pytest

from rdnbr.lab import wait_for
from rdnbr.lab.guest import GATEWAY4, GATEWAY6
from rdnbr.lab.node import BRIDGE
from tests.e2e.learning import learn
from tests.e2e.node_view import entries, stays
from tests.e2e.systemd import Systemd
from tests.field_case import CALM, ROUTED, field_case

pytestmark = [pytest.mark.root, pytest.mark.slow]

GATEWAYS = {4: f"{GATEWAY4}/32", 6: f"{GATEWAY6}/64"}
WAITING = "waiting: no bridge carries a gateway address"


@pytest.fixture
def systemd(lab):
    with closing(Systemd(lab.node)) as systemd:
        yield systemd


def start(node, *flags):
    """Start the daemon as the unit does, and wait until it is ready."""
    daemon = node.launch(
        "rdnbr", "env", "NOTIFY_SOCKET=/run/notify", sys.executable, "-m", "rdnbr", "run", "--wait", *flags
    )
    node.daemon = daemon
    wait_for(lambda: daemon.ended is not None or node.rdnbr("show").returncode == 0, 20, "its first answer")
    assert daemon.ended is None, daemon.log
    return daemon


def give_address(node, family):
    node.ip(f"addr add {GATEWAYS[family]} dev {BRIDGE}")


def take_addresses(node):
    there = node.run("ip", "addr", "show", "dev", BRIDGE)
    node.ip(*(f"addr del {one} dev {BRIDGE}" for one in GATEWAYS.values() if f" {one} " in there))


def reported(systemd):
    """Return the latest status that systemd has of the daemon."""
    return systemd.last("STATUS")["STATUS"]


@field_case(
    ROUTED,
    "the daemon of the unit starts before the bridge has an address",
    "it is ready, says what it waits for, and serves the bridge when the address comes",
    within=2,
)
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("made", [True, False], ids=["addressed later", "made later"])
def test_bridge_comes_after_the_daemon(lab, systemd, within, family, made):
    guest = lab.guest(0)
    take_addresses(lab.node)
    if not made:
        lab.node.ip(f"link set {BRIDGE} name elsewhere")
    daemon = start(lab.node)
    assert systemd.messages()[0]["READY"] == "1"
    assert reported(systemd).startswith(WAITING)
    shown = lab.node.show()
    assert shown["waiting"].startswith("no bridge carries a gateway address: give one 169.254.0.1/32")
    assert lab.node.rdnbr("show").stdout.splitlines()[2] == f"WAITING: {shown['waiting']}"
    assert lab.node.rdnbr("explain", guest.address4).returncode == 1
    assert lab.node.rdnbr("flush", "--all").returncode == 0
    if not made:
        lab.node.ip(f"link set elsewhere name {BRIDGE}")
    give_address(lab.node, family)
    wait_for(lambda: reported(systemd) == "0 bindings on 2 ports", within, "the bridge to be served")
    assert lab.node.show()["waiting"] is None
    assert daemon.log.count('"serving"') == 1
    for other in GATEWAYS.keys() - {family}:
        give_address(lab.node, other)
    learn(lab, guest)


@field_case(
    ROUTED,
    "the last bridge of a node goes; later there is one again",
    "the daemon says what it waits for, and serves the new bridge by itself",
    within=2,
)
@pytest.mark.parametrize("flags", [(), ("--bridge", BRIDGE)], ids=["by address", "by name"])
def test_last_bridge_goes_and_comes_again(lab, systemd, within, flags):
    guest = lab.guest(0)
    daemon = start(lab.node, *flags)
    learn(lab, guest)
    lab.node.ip(f"link del {BRIDGE}")
    wait_for(lambda: reported(systemd).startswith("waiting: no bridge "), within, "the status")
    assert lab.node.show()["waiting"].startswith(f"no bridge is named {BRIDGE}" if flags else WAITING[9:])
    assert lab.node.hosts() == set()
    lab.node.ip(f"link add {BRIDGE} address {lab.node.mac} type bridge", f"link set {BRIDGE} up")
    for family in GATEWAYS:
        give_address(lab.node, family)
    lab.node.ip(*(f"link set {one.port} master {BRIDGE}" for one in lab.guests))
    wait_for(lambda: not reported(systemd).startswith("waiting"), within, "the bridge to be served")
    wait_for(lambda: guest.announce() or lab.node.hosts() == set(guest.addresses), 10, "the routes")
    assert daemon.log.count('"waiting for a bridge to serve"') == 1


@field_case(
    CALM,
    "the daemon starts while the bridge has lost its addresses (in the middle of `ifreload -a`)",
    "the routes that are still there stay, and are adopted when an address is back",
    within=2,
)
@pytest.mark.parametrize("wanted", ["kept", "flushed"])
def test_restart_while_the_bridge_has_no_address(lab, systemd, within, wanted):
    guest = lab.guest(0)
    start(lab.node)
    learn(lab, guest)
    before = entries(lab.node, guest.address6)
    assert lab.node.stop_daemon() == 0
    take_addresses(lab.node)  # the kernel then drops the IPv4 routes of the bridge
    start(lab.node)
    assert reported(systemd).startswith(WAITING)
    stays(lambda: entries(lab.node, guest.address6) == before, 2, "the route")
    if wanted == "flushed":
        assert lab.node.rdnbr("flush", "--all").returncode == 0
        assert lab.node.hosts() == set()
        return
    give_address(lab.node, 6)
    wait_for(lambda: reported(systemd).startswith("1 binding"), within, "the adoption")
    assert entries(lab.node, guest.address6) == before
    give_address(lab.node, 4)
    wait_for(lambda: guest.announce() or lab.node.hosts() == set(guest.addresses), 10, "both routes")


def test_wrong_name_of_a_bridge_withdraws_nothing(lab, systemd):
    """A daemon that waits for a bridge which does not come leaves the routes of the bridge that it served before."""
    guest = lab.guest(0)
    start(lab.node)
    learn(lab, guest)
    assert lab.node.stop_daemon() == 0
    start(lab.node, "--bridge", "vmbr9")
    assert reported(systemd) == ("waiting: no bridge is named vmbr9; ip -br link show type bridge lists them")
    stays(lambda: lab.node.hosts() == set(guest.addresses), 2, "the routes")
    assert lab.node.stop_daemon() == 0
    assert lab.node.hosts() == set(guest.addresses)


def test_reload_names_the_bridge(lab, systemd):
    """A reload whose file names an existing bridge ends the wait, and adopts what is there."""
    guest = lab.guest(0)
    start(lab.node)
    learn(lab, guest)
    assert lab.node.stop_daemon() == 0
    lab.node.write("/etc/rdnbr/rdnbr.toml", 'bridges = ["vmbr9"]\n')
    start(lab.node)
    assert reported(systemd).startswith("waiting: no bridge is named vmbr9")
    lab.node.write("/etc/rdnbr/rdnbr.toml", f'bridges = ["{BRIDGE}"]\n')
    assert lab.node.rdnbr("reload").returncode == 0
    wait_for(lambda: reported(systemd) == "2 bindings on 2 ports", 2, "the adoption")
    assert lab.node.hosts() == set(guest.addresses)


def test_dry_run_waits(lab):
    """A dry run can wait as well."""
    take_addresses(lab.node)
    daemon = lab.node.start_daemon("--dry-run", "--wait", ready=False)
    wait_for(lambda: "waiting for a bridge to serve" in daemon.log, 10, "its first words")
    give_address(lab.node, 6)
    wait_for(lambda: '"serving"' in daemon.log, 2, "the bridge to be served")
    assert daemon.stop() == 0
