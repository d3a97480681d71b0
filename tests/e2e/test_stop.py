"""Stopping: what happens to the routes, and how long it takes."""

import signal
import time

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.node_view import entries, monitor
from tests.e2e.test_network import settle

pytestmark = pytest.mark.root

CONFIG = "/etc/rdnbr/rdnbr.toml"
WITHDRAW = 'on_stop = "withdraw"\n'
MOST_PORTS = 1000
"""A bridge has at most 1,023 ports (BR_MAX_PORTS)."""


@pytest.fixture(scope="module")
def lab():
    """A node with two guests that have their addresses; each test starts a daemon and ends it."""
    with Lab(guests=2, frr=False) as lab:
        for guest in lab.guests:
            guest.configure()
        yield lab


def serve(lab, config=""):
    """Start a daemon with this configuration, and wait until it has learned both guests."""
    lab.node.write(CONFIG, config)
    daemon = lab.node.start_daemon()
    for guest in lab.guests:
        guest.announce()
    wait_for(lambda: lab.node.hosts() == all_addresses(lab), 10, "routes to both guests")
    return daemon


def all_addresses(lab):
    return {address for guest in lab.guests for address in guest.addresses}


def ours(node, guest):
    return [line for address in guest.addresses for line in entries(node, address) if "proto 171" in line]


def test_stop_withdraws_if_configured(lab):
    """With `on_stop = "withdraw"` a stop removes all entries of rdnbr, and no others."""
    lab.node.ip("neigh add 2.57.57.200 lladdr 02:00:00:00:00:01 dev vmbr1 nud permanent")
    daemon = serve(lab, WITHDRAW)
    assert lab.node.stop_daemon() == 0
    assert [ours(lab.node, guest) for guest in lab.guests] == [[], []]
    assert "2.57.57.200 dev vmbr1 lladdr 02:00:00:00:00:01 PERMANENT" in lab.node.run("ip", "neigh")
    assert "withdrawn, for on_stop says so" in daemon.log


def test_routes_go_before_their_neighbours(lab):
    """While the kernel still routes to a guest, it need not resolve the guest's MAC."""
    serve(lab, WITHDRAW)
    watch = monitor(lab.node, "route", "neigh")
    assert lab.node.stop_daemon() == 0

    def order():
        lines = [
            line for line in watch.log.splitlines() if line.startswith("Deleted") and "proto 171" in line
        ]
        return [("neighbour" if "lladdr" in line else "route", line.split()[1]) for line in lines]

    wait_for(lambda: len(order()) == 8, 5, "four routes and four neighbours to go")
    assert {kind for kind, _ in order()[:4]} == {"route"}
    watch.stop()


def test_reload_changes_what_a_stop_does(lab):
    """The latest configuration counts."""
    serve(lab)
    lab.node.write(CONFIG, WITHDRAW)
    assert lab.node.rdnbr("reload").returncode == 0
    assert lab.node.stop_daemon() == 0
    assert lab.node.hosts() == set()


def test_crash_withdraws_nothing(lab):
    """Whatever `on_stop` says, a killed daemon leaves all entries, and the next one adopts them."""
    daemon = serve(lab, WITHDRAW)
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    assert lab.node.hosts() == all_addresses(lab)


def test_stop_puts_back_routes_in_hold_down(lab):
    """A stop puts back a route in hold-down, because the next daemon would not know of it."""
    daemon, guest = serve(lab), lab.guests[0]
    before = ours(lab.node, guest)

    def enough():
        return "somebody keeps removing" in daemon.log

    while not enough():
        lab.node.ip(f"route del {guest.address4} dev vmbr1 proto 171")
        wait_for(lambda: enough() or guest.address4 in lab.node.hosts(), 5, "the route, or a complaint")
    assert guest.address4 not in lab.node.hosts()
    assert lab.node.stop_daemon() == 0
    assert ours(lab.node, guest) == before


def test_dry_run_withdraws_nothing(lab):
    """A dry run leaves entries of an earlier run."""
    serve(lab)
    assert lab.node.stop_daemon() == 0
    lab.node.write(CONFIG, WITHDRAW)
    dry = lab.node.start_daemon("--dry-run", ready=False)
    wait_for(lambda: "serving" in dry.log, 10, "the dry run")
    assert lab.node.stop_daemon() == 0
    assert lab.node.hosts() == all_addresses(lab)


def test_stop_withdraws_the_filter_too(lab):
    """The packet filter makes no sense without bindings, so such a stop removes it."""
    serve(lab, WITHDRAW + "enforce = true\n")
    tables = "nft", "list", "tables"
    wait_for(lambda: "rdnbr" in lab.node.run(*tables), 10, "the table")
    assert lab.node.stop_daemon() == 0
    assert lab.node.run(*tables) == ""
    assert lab.node.hosts() == set()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(120)
def test_stop_is_quick_with_many_ports(request):
    """Each socket takes 12 ms to close, but a node with a thousand ports stops in a few seconds."""
    count = request.config.getoption("--stop-ports")
    assert count <= MOST_PORTS
    with Lab(guests=1, frr=False) as lab:
        taps = [f"tap{1000 + number}i0" for number in range(count)]
        lab.node.sysctl(ipv6__conf__default__disable_ipv6=1)
        lab.node.ip(
            *(f"link add {tap} type veth peer name peer-{tap}" for tap in taps),
            *(f"link set {tap} master vmbr1 up" for tap in taps),
            *(f"link set peer-{tap} up" for tap in taps),
        )
        daemon = lab.node.start_daemon()
        settle(lab, lab.guest(0))
        assert len(lab.node.show("ports")["ports"]) == count + 1
        began = time.monotonic()
        assert lab.node.stop_daemon() == 0
        took = time.monotonic() - began
        print(f"{count + 1} ports: stopped in {took:.2f} s")
        assert took < 0.5 + 0.005 * count, daemon.log[-1000:]
        assert lab.node.hosts() == set(lab.guest(0).addresses)
