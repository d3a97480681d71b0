"""newest-wins in a fabric: the upstream follows a guest whose old node notices nothing."""

import time

import pytest

from rdnbr.core.model.med_timestamp import TICK, tick_at
from rdnbr.lab import Fabric, Lab, Peering, frames, wait_for

pytestmark = [pytest.mark.frr, pytest.mark.slow]

NEWEST = 'mobility = "newest-wins"\n'
VIP = "2.57.57.200"
ALLOW = "2.57.56.0/21\n2001:678:3a4:100::/64\n"
SOON = 3.0
"""Seconds; BGP needs 0.13, and a busy machine more."""


def make(lab):
    """Run newest-wins on all nodes, let the guest arrive at the first one, and wait for the upstream's routes."""
    for node in lab.nodes:
        node.write("/etc/rdnbr/rdnbr.toml", NEWEST)
        node.write("/etc/rdnbr/allowlist", ALLOW)
        node.start_daemon()
    guest = lab.guest(0)
    guest.configure()
    guest.wait_for_dad()
    guest.announce()
    await_use(lab, 0)


def await_use(lab, number):
    """Wait until the upstream sends to that node alone, in both families."""
    wait_for(
        lambda: [lab.upstream.via(address) for address in lab.guest(0).addresses] == [{number}] * 2,
        SOON,
        f"the upstream to use node {number}",
    )


def metrics(node):
    """The metrics of the guest's routes in the kernel of a node, by family."""
    found = {}
    for family in (4, 6):
        for line in node.routes(family, "proto", "171"):
            words = line.split()
            found.setdefault(family, []).append(
                int(words[words.index("metric") + 1]) if "metric" in words else 0
            )
    return found


def meds(lab):
    """The metrics of the guest's best path in the upstream's BGP, by family."""
    found = {}
    for family, address in ((4, lab.guest(0).address4), (6, lab.guest(0).address6)):
        shown = lab.upstream.frr.show(f"show bgp ipv{family} unicast {address} json")
        found[family] = [
            path.get("metric") for path in shown.get("paths", ()) if "overall" in path.get("bestpath", {})
        ]
    return found


def let_a_tick_pass():
    """Wait for the next tick of the wall clock, so that two arrivals differ."""
    then = tick_at(time.time())
    wait_for(lambda: tick_at(time.time()) > then, 2 * TICK, "the clock")


@pytest.mark.parametrize("peering", list(Peering))
def test_the_upstream_uses_the_target_while_the_source_lingers(peering, request):
    """There and back, announced and by RARP alone: the newest route wins at once, while the old node keeps its own."""
    with Lab(guests=1, nodes=2, frr=True, fabric=Fabric(peering, med=True)) as lab:
        make(lab)
        lab.plug(lab.guest(0), lab.nodes[1])
        watch = lab.upstream.launch("routes", "ip", "-o", "-4", "monitor", "route")
        moves = request.config.getoption("--moves")
        for move in range(moves):
            let_a_tick_pass()
            target = (move + 1) % 2
            lab.move(lab.guest(0), lab.nodes[target])
            # No node knows a guest's MAC before the guest was there.
            (lab.guest(0).announce_mac if move % 2 else lab.guest(0).announce)()
            await_use(lab, target)
            assert [len(node.hosts()) for node in lab.nodes] == [2, 2]
            newest, oldest = metrics(lab.nodes[target]), metrics(lab.nodes[1 - target])
            assert all(newest[family] < oldest[family] for family in (4, 6))
        assert watch.log.count("2.57.57.30 ") >= moves
        assert "Deleted" not in watch.log


def test_an_address_that_fails_over_between_nodes_follows_its_announcements():
    """Two guests on two nodes announce an address whose rule says `vip`, in turn: the last one has it."""
    with Lab(guests=2, nodes=2, frr=True, fabric=Fabric(med=True)) as lab:
        for node in lab.nodes:
            node.write("/etc/rdnbr/rdnbr.toml", NEWEST)
            node.write("/etc/rdnbr/allowlist", f"{VIP} vip\n")
            node.start_daemon()
        lab.plug(lab.guest(1), lab.nodes[1])
        lab.move(lab.guest(1), lab.nodes[1])
        for number in (0, 1, 0):
            guest = lab.guest(number)
            let_a_tick_pass()
            guest.send(frames.arp_request(guest.mac, VIP, VIP))
            wait_for(
                lambda number=number: lab.upstream.via(VIP) == {number}, SOON, f"the upstream to use {number}"
            )


@pytest.fixture(scope="module")
def one_node():
    """A node whose guest is in the upstream's table, with its MED."""
    with Lab(guests=1, frr=True, fabric=Fabric(med=True)) as lab:
        make(lab)
        yield lab


@pytest.fixture
def lab(one_node):
    """The same, with monitors of the routes in the upstream's and the node's kernel."""
    wait_for(lambda: meds(one_node) == metrics(one_node.node), SOON, "the upstream to hear of the last test")
    watches = [
        host.launch("routes", "ip", "-o", "monitor", "route") for host in (one_node.upstream, one_node.node)
    ]
    one_node.changes = lambda host: [line for line in watches[host].log.splitlines() if "2.57.57.30" in line]
    yield one_node
    for watch in watches:
        watch.stop()


def test_a_renewal_is_no_withdrawal(lab):
    """A guest that announces itself gets another MED, and its route is absent from no kernel, not for a moment."""
    before = metrics(lab.node)
    let_a_tick_pass()
    lab.guest(0).announce()
    wait_for(lambda: (now := metrics(lab.node)) != before and now == meds(lab), SOON, "the new MED")
    after = metrics(lab.node)
    assert all(len(after[family]) == 1 and after[family] < before[family] for family in (4, 6))
    added, removed = lab.changes(1)
    assert removed.startswith("Deleted ")
    assert f"metric {after[4][0]}" in added
    assert f"metric {before[4][0]}" in removed
    assert lab.changes(0) == []


def test_a_restart_keeps_the_timestamp(lab):
    """BGP does not see a daemon that is stopped and started: its routes keep their metrics."""
    before = metrics(lab.node)
    lab.node.stop_daemon()
    let_a_tick_pass()
    lab.node.start_daemon()
    bindings = wait_for(
        lambda: (found := lab.node.show()["bindings"]) and all(one["installed"] for one in found) and found,
        SOON,
        "both addresses to be adopted",
    )
    assert len(bindings) == 2
    assert metrics(lab.node) == before == meds(lab)
    assert lab.changes(0) == lab.changes(1) == []


def test_a_reload_changes_the_mobility_without_a_withdrawal(lab):
    """Timestamps become the kernel's own metrics, and timestamps again: new routes are added before old ones go."""
    before = metrics(lab.node)
    for text, expected in (("", {4: [0], 6: [1024]}), (NEWEST, before)):
        lab.node.write("/etc/rdnbr/rdnbr.toml", text)
        assert lab.node.rdnbr("reload").returncode == 0
        wait_for(lambda expected=expected: metrics(lab.node) == expected == meds(lab), SOON, f"{expected}")
    assert lab.changes(0) == []
    assert [line.startswith("Deleted") for line in lab.changes(1)] == [False, True, False, True]
