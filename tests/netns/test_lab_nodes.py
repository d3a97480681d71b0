"""The lab with several nodes: a guest moves from one to another without noticing it."""

import pytest

from rdnbr.lab import Fabric, Lab, LabError, Peering, frames, wait_for

pytestmark = pytest.mark.root


@pytest.fixture
def lab():
    with Lab(guests=1, nodes=2, frr=False) as lab:
        yield lab


def incoming(capture):
    """Return the frames that came in from the guest."""
    return [seen.frame for seen in capture.seen() if not seen.outgoing]


def links(node):
    return node.run("ip", "-br", "link", "show", "master", "vmbr1")


def test_guest_is_at_the_node_it_was_plugged_into_first(lab):
    """Its port on another node has carrier and no traffic, as on a hypervisor that waits for a migration."""
    guest, (source, target) = lab.guest(0), lab.nodes
    lab.plug(guest, target)
    wait_for(lambda: "LOWER_UP" in links(target).partition(guest.port)[2], 5, "carrier on the target")
    with source.capture(guest.port) as at_source, target.capture(guest.port) as at_target:
        guest.announce()
        wait_for(
            lambda: frames.unsolicited_advertisement(guest.mac, guest.address6) in incoming(at_source),
            5,
            "the announcement",
        )
        assert at_target.seen() == []


def test_guest_that_moves_is_connected_to_the_target_only(lab):
    """After the move the target receives the guest's frames, and the guest the target's; the source's port is up."""
    guest, (source, target) = lab.guest(0), lab.nodes
    guest.configure()
    guest.wait_for_dad()
    lab.plug(guest, target)
    lab.move(guest, target)
    with source.capture(guest.port) as at_source, target.capture(guest.port) as at_target:
        guest.announce_mac()
        wait_for(lambda: frames.rarp(guest.mac) in incoming(at_target), 5, "the RARP")
        assert wait_for(
            lambda: guest.attempt("ping", "-c1", "-W1", "fe80::1%eth0").returncode == 0, 5, "echo"
        )
        assert incoming(at_source) == []
    assert "LOWER_UP" in links(source).partition(guest.port)[2]


def test_guest_that_moves_keeps_all_it_has(lab):
    """Addresses, routes and the gateway's neighbour entry do not change, and the guest's link stays up."""
    guest, (source, target) = lab.guest(0), lab.nodes
    guest.configure()
    guest.wait_for_dad()
    guest.ip("neigh add 169.254.0.1 lladdr 02:00:00:00:00:07 dev eth0 nud permanent")
    before = [
        guest.run("ip", *what.split())
        for what in ("-o addr", "route", "-6 route", "neigh show nud permanent")
    ]
    carriers = "/sys/class/net/eth0/carrier_changes"
    changes = guest.run("ip", "netns", "exec", guest.name, "cat", carriers)
    lab.plug(guest, target)
    lab.move(guest, target)
    lab.unplug(guest, source)
    after = [
        guest.run("ip", *what.split())
        for what in ("-o addr", "route", "-6 route", "neigh show nud permanent")
    ]
    assert after == before
    assert guest.run("ip", "netns", "exec", guest.name, "cat", carriers) == changes
    assert guest.port not in links(source)


def test_paused_guest_sends_and_receives_nothing(lab):
    """A paused guest sends and receives nothing, although its port is up; then it continues where it was."""
    guest, node = lab.guest(0), lab.node
    guest.configure()
    guest.wait_for_dad()
    assert wait_for(lambda: guest.attempt("ping", "-c1", "-W1", "fe80::1%eth0").returncode == 0, 5, "echo")
    lab.pause(guest)
    with node.capture(guest.port) as capture:
        guest.announce()
        assert guest.attempt("ping", "-c1", "-W1", "fe80::1%eth0").returncode != 0
        assert incoming(capture) == []
        lab.move(guest, node)
        guest.announce()
        wait_for(lambda: len(incoming(capture)) >= 2, 5, "the announcements")


def test_guest_can_be_stopped_here_and_started_there(lab):
    """No node receives frames of a guest without a port; the next port it is plugged into is where it is."""
    guest, (source, target) = lab.guest(0), lab.nodes
    lab.unplug(guest, source)
    lab.plug(guest, target)
    with target.capture(guest.port) as capture:
        guest.announce_mac()
        wait_for(lambda: frames.rarp(guest.mac) in incoming(capture), 5, "the RARP")


def test_guest_moves_only_to_where_it_has_a_port(lab):
    """A move to a node where the guest has no port is a mistake of the test, and raises."""
    with pytest.raises(LabError, match="guest 100 has no port on node 1: plug it in there first"):
        lab.move(lab.guest(0), lab.nodes[1])


def test_guest_of_a_single_node_does_not_move():
    """In a lab of one node guests are plugged in directly, and cannot move."""
    with Lab(guests=1, frr=False) as lab, pytest.raises(LabError, match=r"Lab\(nodes=2\)"):
        lab.pause(lab.guest(0))


@pytest.mark.parametrize(("one_mac", "macs"), [(True, 1), (False, 2)])
def test_bridges_have_one_mac_or_one_each(one_mac, macs):
    """By default all bridges have the same MAC, so that a guest keeps its gateway; an option gives each its own."""
    with Lab(guests=0, nodes=2, frr=False, one_mac=one_mac) as lab:
        told = {node.run("ip", "-br", "link", "show", "vmbr1").split()[2] for node in lab.nodes}
        assert told == {node.mac for node in lab.nodes}
        assert len(told) == macs


@pytest.mark.frr
@pytest.mark.parametrize("peering", Peering)
def test_lower_metric_wins_where_the_med_counts(peering):
    """With the metric as MED, the upstream uses only the node with the lowest; the other still has its route."""
    with Lab(guests=1, nodes=2, frr=True, fabric=Fabric(peering, med=True)) as lab:
        address = lab.guest(0).address4
        for node, metric in zip(lab.nodes, (2000, 1000), strict=True):
            node.ip(f"route add {address}/32 dev vmbr1 proto 171 metric {metric}")
            wait_for(lambda node=node: lab.upstream.via(address) == {node.number}, 5, f"node {node.number}")
        lab.nodes[0].ip(f"route add {address}/32 dev vmbr1 proto 171 metric 500")
        wait_for(lambda: lab.upstream.via(address) == {0}, 5, "the node that has it again")


@pytest.mark.frr
def test_constant_metric_leaves_two_nodes_side_by_side():
    """With a constant metric the upstream uses both nodes; when one withdraws, it uses the other."""
    with Lab(guests=1, nodes=2, frr=True) as lab:
        address = lab.guest(0).address6
        for node in lab.nodes:
            node.ip(f"route add {address}/128 dev vmbr1 proto 171")
        wait_for(lambda: lab.upstream.via(address) == {0, 1}, 5, "both nodes")
        lab.nodes[0].ip(f"route del {address}/128 dev vmbr1 proto 171")
        wait_for(lambda: lab.upstream.via(address) == {1}, 5, "the other node")
