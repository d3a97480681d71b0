"""The whole path: guest, daemon, kernel, FRR, upstream."""

import signal

import pytest

from rdnbr.lab import wait_for
from tests.e2e.node_view import binding, entries, flush, solicitations, stays, tables

SHORT_TIMERS = """\
[timers]
reprobe = 2.0
probe_retrans = 0.3
probe_count = 3
"""


def settle(lab, *guests):
    """Configure guests, let them ping their gateways, and wait for their routes."""
    for guest in guests:
        guest.configure()
    for guest in guests:
        guest.wait_for_dad()
        guest.ping_gateways()
    addresses = {address for guest in guests for address in guest.addresses}
    wait_for(lambda: lab.node.hosts() >= addresses, 10, f"routes to {addresses}")


@pytest.mark.frr
def test_guest_that_pings_its_gateway_is_routed_by_the_fabric(fabric):
    """With no file and no flag, a guest gets host routes in the upstream, in both families, and answers from there."""
    fabric.node.start_daemon()
    settle(fabric, fabric.guest(0))
    wait_for(
        lambda: fabric.upstream.hosts() == {"2.57.57.30", "2001:678:3a4:100::80"}, 5, "the upstream's routes"
    )
    wait_for(lambda: fabric.upstream.ping("2.57.57.30"), 10, "an echo over IPv4")
    wait_for(lambda: fabric.upstream.ping("2001:678:3a4:100::80"), 10, "an echo over IPv6")


@pytest.mark.frr
def test_removing_the_port_withdraws_both_families_from_the_upstream(fabric):
    """The upstream loses the routes of a port that is removed, and keeps those of other guests."""
    fabric.node.start_daemon()
    settle(fabric, fabric.guest(0), fabric.guest(1))
    wait_for(lambda: len(fabric.upstream.hosts()) == 4, 5, "the upstream's routes")
    fabric.unplug(fabric.guest(0))
    wait_for(
        lambda: fabric.node.hosts() == {"2.57.57.31", "2001:678:3a4:100::81"}, 1, "the node's withdrawal"
    )
    wait_for(
        lambda: fabric.upstream.hosts() == {"2.57.57.31", "2001:678:3a4:100::81"},
        3,
        "the fabric's withdrawal",
    )


@pytest.mark.root
def test_kernel_has_the_entries_of_the_four_commands_and_our_protocol(lab):
    """A guest's entries are those of the four `ip` commands, plus protocol 171, and nothing more."""
    lab.node.start_daemon()
    settle(lab, lab.guest(0))
    assert entries(lab.node, "2.57.57.30") == [
        "2.57.57.30 dev vmbr1 proto 171 scope link",
        "2.57.57.30 dev vmbr1 lladdr 52:02:45:76:d2:35 PERMANENT proto 171",
    ]
    assert entries(lab.node, "2001:678:3a4:100::80") == [
        "2001:678:3a4:100::80 dev vmbr1 proto 171 metric 1024 pref medium",
        "2001:678:3a4:100::80 dev vmbr1 lladdr 52:02:45:76:d2:35 PERMANENT proto 171",
    ]


@pytest.mark.root
def test_nothing_else_in_the_tables_changes(lab):
    """Learning and withdrawing add and remove only entries of our protocol."""
    lab.node.ip("neigh add 2.57.57.200 lladdr 02:00:00:00:00:01 dev vmbr1 nud permanent")
    lab.node.ip("route add 192.0.2.0/24 via 198.51.100.0")
    for guest in lab.guests:
        guest.wait_for_dad()
    before = tables(lab.node)
    lab.node.start_daemon()
    settle(lab, *lab.guests)
    assert tables(lab.node) == before
    flush(lab.node, "--all", *(address for guest in lab.guests for address in guest.addresses))
    assert tables(lab.node) == before


@pytest.mark.root
def test_unanswered_probes_withdraw_a_guest_and_nothing_else_does(lab):
    """A guest that removed its addresses but keeps its port is withdrawn after all probes, not before."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", SHORT_TIMERS)
    lab.node.start_daemon()
    settle(lab, *lab.guests)
    gone, quiet = lab.guests
    with lab.node.capture(gone.port) as capture:
        gone.forget_addresses()
        wait_for(
            lambda: lab.node.hosts() == set(quiet.addresses), 10, "the withdrawal of the one that is gone"
        )
        for address in gone.addresses:
            assert len(solicitations(capture.seen(), address)) >= 3
    silent = [
        (one["address"], one["decision"])
        for one in lab.node.show("events")["events"]
        if one["decision"] == "withdrawn" and one["reason"] == "silent"
    ]
    assert sorted(silent) == [("2.57.57.30", "withdrawn"), ("2001:678:3a4:100::80", "withdrawn")]
    stays(lambda: lab.node.hosts() == set(quiet.addresses), 5, "the route of the quiet guest that answers")


@pytest.mark.root
def test_routes_stay_when_the_daemon_stops_and_are_adopted(lab):
    """A stop leaves all routes in place; the next start adopts them and continues."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", "[timers]\nadopt_grace = 5.0\n")
    lab.node.start_daemon()
    settle(lab, lab.guest(0))
    assert lab.node.stop_daemon() == 0
    assert lab.node.hosts() == {"2.57.57.30", "2001:678:3a4:100::80"}
    lab.node.start_daemon()
    wait_for(
        lambda: (binding(lab.node, "2.57.57.30") or {}).get("state") == "valid", 10, "IPv4 to prove itself"
    )
    wait_for(
        lambda: (binding(lab.node, "2001:678:3a4:100::80") or {}).get("state") == "valid", 10, "IPv6 as well"
    )
    assert lab.node.hosts() == {"2.57.57.30", "2001:678:3a4:100::80"}


@pytest.mark.root
def test_route_that_lost_its_neighbour_is_repaired(lab):
    """A daemon is killed and neighbours are flushed: no route is removed, and each gets its neighbour back."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", "[timers]\nadopt_grace = 5.0\n")
    daemon = lab.node.start_daemon()
    settle(lab, lab.guest(0))
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    lab.node.run("ip", "neigh", "flush", "all", "nud", "permanent")
    assert "PERMANENT" not in lab.node.run("ip", "neigh")
    watch = lab.node.launch("routes", "ip", "monitor", "route")
    lab.node.start_daemon()
    wait_for(lambda: lab.node.run("ip", "neigh").count("PERMANENT") == 2, 15, "both neighbours")
    assert lab.node.hosts() == {"2.57.57.30", "2001:678:3a4:100::80"}
    assert "Deleted" not in watch.log
    watch.stop()


@pytest.mark.root
def test_binding_is_shown_with_the_promised_keys(lab):
    """A guest's binding in `show --json` has all promised keys."""
    lab.node.start_daemon()
    settle(lab, lab.guest(0))
    shown = binding(lab.node, "2.57.57.30")
    assert shown is not None
    assert {key: shown[key] for key in shown if key not in {"since", "last_seen", "source", "state"}} == {
        "address": "2.57.57.30",
        "family": 4,
        "mac": "52:02:45:76:d2:35",
        "port": "tap100i0",
        "bridge": "vmbr1",
        "vlan": None,
        "vm": 100,
        "installed": True,
        "rule": None,
        "unsent": None,
        "physical_mac": None,
    }
    assert shown["source"] in {"arp-request", "arp-reply"}
