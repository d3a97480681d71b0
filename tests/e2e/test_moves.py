"""Faults of guests that move, and of their nodes."""

import signal

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.node_view import solicitations, stays

pytestmark = [pytest.mark.root, pytest.mark.slow]

IMPATIENT = """\
[timers]
reprobe = 1.0
probe_retrans = 0.5
probe_count = 3
adopt_grace = 3.0
"""
"""A quiet guest is probed after 0.75 to 1.75 s, and withdrawn 2.4 s later."""
GIVEN_UP = 10.0
"""Seconds after which a silent guest has lost its routes, also on a busy machine."""
AT_ONCE = 2.0
"""Seconds; a silent guest keeps its routes for longer than that, also on a busy machine."""


@pytest.fixture
def lab():
    """Two nodes with the daemon, and a guest that the first of them has learned."""
    with Lab(guests=1, nodes=2, frr=False) as lab:
        for node in lab.nodes:
            node.write("/etc/rdnbr/rdnbr.toml", IMPATIENT)
            node.start_daemon()
        appear(lab, lab.guest(0))
        yield lab


def appear(lab, guest):
    guest.sysctl(ipv6__conf__eth0__accept_dad=0)  # another test tries what waits for DAD
    guest.configure()
    guest.announce()
    wait_for(lambda: at(lab, guest) == [0], 5, "the first node to have it, in both families")


def at(lab, guest):
    """Numbers of the nodes that route the guest's addresses; for a node that routes only one, that address."""
    found = {node.number: sorted(set(guest.addresses) & node.hosts()) for node in lab.nodes}
    return [number if len(routed) == 2 else routed[0] for number, routed in found.items() if routed]


def prepare(lab, guest, there):
    """Make the guest's port on the target."""
    lab.plug(guest, there)
    there.wait_until_port_served(guest)


def migrate(lab, guest, here, there):
    """Migrate the guest as usual."""
    prepare(lab, guest, there)
    lab.move(guest, there)
    guest.announce()
    lab.unplug(guest, here)
    wait_for(lambda: at(lab, guest) == [there.number], AT_ONCE, f"node {there.number} alone")


def deleted(watch):
    return [line for line in watch.log.splitlines() if "Deleted" in line]


def test_port_on_the_target_is_no_arrival(lab):
    """Case 1: the target's port is up long before the guest; only the guest's own frame installs its routes there."""
    guest, (_, target) = lab.guest(0), lab.nodes
    prepare(lab, guest, target)
    stays(lambda: at(lab, guest) == [0], 2, "the source alone")
    lab.move(guest, target)
    guest.announce()
    wait_for(lambda: at(lab, guest)[-1:] == [1], AT_ONCE, "the target")


def test_port_that_goes_withdraws_its_routes(lab):
    """Case 1: the source withdraws when the port is removed, not when the next probe would have been due."""
    guest, (source, target) = lab.guest(0), lab.nodes
    prepare(lab, guest, target)
    lab.move(guest, target)
    guest.announce()
    lab.unplug(guest, source)
    wait_for(lambda: source.hosts() == set(), AT_ONCE, "the source's withdrawal")


def test_guest_that_left_its_port_behind_is_withdrawn_for_silence(lab):
    """Case 3: the source's port stays up; without newest-wins the guest's silence there withdraws it in the end."""
    guest, (source, target) = lab.guest(0), lab.nodes
    prepare(lab, guest, target)
    lab.move(guest, target)
    guest.announce()
    wait_for(lambda: at(lab, guest) == [1], GIVEN_UP, "the source to give the guest up")
    assert guest.port in source.run("ip", "-br", "link", "show", "master", "vmbr1")


def test_aborted_migration_changes_nothing(lab):
    """Case 4: the guest is paused for a moment, the target's port is removed, the guest continues where it was."""
    guest, (source, target) = lab.guest(0), lab.nodes
    watches = [node.launch("watch", "ip", "monitor", "route") for node in lab.nodes]
    prepare(lab, guest, target)
    lab.pause(guest)
    lab.unplug(guest, target)
    lab.move(guest, source)
    stays(lambda: at(lab, guest) == [0], 3, "the source's routes")
    assert [watch.log for watch in watches] == ["", ""]


def test_guest_paused_for_less_than_the_probes_keeps_its_routes(lab):
    """Case 5: a guest paused for a snapshot, say, misses probes, and answers before the last one."""
    guest, (source, _) = lab.guest(0), lab.nodes
    watch = source.launch("watch", "ip", "monitor", "route")
    with source.capture(guest.port) as capture:
        lab.pause(guest)
        wait_for(lambda: solicitations(capture.seen(), guest.address4), 5, "the first question")
        lab.move(guest, source)
        stays(lambda: at(lab, guest) == [0], 3, "its routes")
    assert deleted(watch) == []


def test_guest_paused_for_longer_is_withdrawn_and_routed_again(lab):
    """Case 5: a silent guest is withdrawn, although its port is up, and routed again by its next frame."""
    guest, (source, _) = lab.guest(0), lab.nodes
    lab.pause(guest)
    wait_for(lambda: at(lab, guest) == [], GIVEN_UP, "the withdrawal")
    lab.move(guest, source)
    guest.announce()
    wait_for(lambda: at(lab, guest) == [0], AT_ONCE, "its routes")


def test_guest_that_moves_twice_within_a_second_ends_where_it_is(lab):
    """Cases 1 and 3: there and back before the first node has noticed the move; only the other's port is removed."""
    guest, (source, target) = lab.guest(0), lab.nodes
    prepare(lab, guest, target)
    lab.move(guest, target)
    guest.announce()
    wait_for(lambda: at(lab, guest) == [0, 1], AT_ONCE, "the second node to have it")
    lab.move(guest, source)
    guest.announce()
    lab.unplug(guest, target)
    wait_for(lambda: at(lab, guest) == [0], AT_ONCE, "the first node alone")
    stays(lambda: at(lab, guest) == [0], 4, "the first node alone")


def test_guest_that_moves_twice_and_leaves_its_ports_behind_ends_where_it_is(lab):
    """Case 3: faster than either node probes, and all ports stay: the node that it only passed withdraws it."""
    guest, (source, target) = lab.guest(0), lab.nodes
    prepare(lab, guest, target)
    for node in (target, source):
        lab.move(guest, node)
        guest.announce()
    wait_for(lambda: at(lab, guest) == [0], GIVEN_UP, "the first node alone")
    stays(lambda: at(lab, guest) == [0], 3, "the first node alone")


def test_announcement_of_one_family_causes_a_probe_of_the_other(lab):
    """Case 55: the announcement of one family causes a probe of the other's address, if the guest was there before."""
    guest, (source, target) = lab.guest(0), lab.nodes
    migrate(lab, guest, source, target)
    migrate(lab, guest, target, source)
    prepare(lab, guest, target)
    lab.move(guest, target)
    guest.send_gateway_request()
    lab.unplug(guest, source)
    wait_for(lambda: at(lab, guest) == [1], AT_ONCE, "IPv6 to follow IPv4")


def test_guest_is_told_of_the_gateway_that_it_came_to():
    """Case 21: the nodes' bridges have different MACs; a guest that sends to the old one is told the new one."""
    with Lab(guests=1, nodes=2, frr=False, one_mac=False) as lab:
        guest, (source, target) = lab.guest(0), lab.nodes
        for node in lab.nodes:
            node.start_daemon()
        appear(lab, guest)
        guest.ping_gateways()
        assert gateways(guest) == {source.mac}
        migrate(lab, guest, source, target)
        wait_for(lambda: gateways(guest) == {target.mac}, AT_ONCE, "both gateways' new MAC")


def gateways(guest):
    """Return the MACs to which the guest sends."""
    told = guest.run("ip", "neigh", "show", "dev", "eth0").splitlines()
    return {
        line.split()[2] for line in told if line.split()[0] in {"169.254.0.1", "fe80::1"} and "lladdr" in line
    }


def test_guest_that_left_while_no_daemon_ran_is_withdrawn_at_the_next_start(lab):
    """Case 25: a killed daemon leaves its routes; the next one finds the guest's port gone and removes them."""
    guest, (source, target) = lab.guest(0), lab.nodes
    source.daemon.signal(signal.SIGKILL)
    source.daemon.wait()
    prepare(lab, guest, target)
    lab.move(guest, target)
    guest.announce()
    lab.unplug(guest, source)
    wait_for(lambda: at(lab, guest) == [0, 1], AT_ONCE, "the target beside what the dead one left")
    source.start_daemon()
    wait_for(lambda: at(lab, guest) == [1], GIVEN_UP, "the target alone")


def test_guest_starts_on_another_node_after_a_power_cut(lab):
    """Case 26: both nodes boot with empty kernels, and the guest on the other one: nothing is left on the first."""
    guest, (source, target) = lab.guest(0), lab.nodes
    for node in lab.nodes:
        cut_power(node)
    lab.unplug(guest, source)
    guest.forget_addresses()
    for node in lab.nodes:
        node.start_daemon()
    prepare(lab, guest, target)
    guest.ip(f"addr add {guest.address4}/32 dev eth0", f"addr add {guest.address6}/128 dev eth0")
    guest.announce()
    wait_for(lambda: at(lab, guest) == [1], 5, "the second node alone")
    stays(lambda: source.hosts() == set(), 1, "nothing on the first")


def cut_power(node):
    """Kill the daemon, and remove from the kernel what a reboot removes."""
    node.daemon.signal(signal.SIGKILL)
    node.daemon.wait()
    for family in ("-4", "-6"):
        node.run("ip", family, "route", "flush", "proto", "171")
    node.run("ip", "neigh", "flush", "all", "nud", "permanent")
    node.run("sh", "-c", "rm -rf /run/rdnbr")
