"""zebra misses notifications of the kernel when its buffer is full: rdnbr finds and repairs that, and nothing else."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rdnbr.lab import Lab
from rdnbr.lab.guest import Guest
from rdnbr.lab.node import SOCKET, Node
from rdnbr.lab.wait import wait_for
from rdnbr.operator.control.client import Client

pytestmark = pytest.mark.frr

FLOOD = 20_000
"""Routes; some thousand of them fill the 4 MiB buffer of zebra's netlink socket."""


@contextmanager
def zebra_misses(node: Node) -> Iterator[None]:
    """Stop zebra while so many other routes change that it loses notifications."""
    zebra = int(node.path("/run/frr/zebra.pid").read_text())
    numbers = range(FLOOD)
    os.kill(zebra, signal.SIGSTOP)
    try:
        node.ip(*(f"route add 10.{n >> 8}.{n & 255}.0/24 dev vmbr1 table 99 proto static" for n in numbers))
        yield
    finally:
        os.kill(zebra, signal.SIGCONT)
    node.ip("route flush table 99")


def found(node: Node) -> dict[str, str]:
    """Return doctor's findings about zebra."""
    findings = json.loads(node.rdnbr("doctor", "--json").stdout)["findings"]
    return {one["name"]: one["message"] for one in findings if one["name"].startswith("zebra")}


def updates(lab: Lab) -> dict[str, int]:
    """Return how many updates the upstream has received from each neighbour."""
    assert lab.upstream.frr is not None
    neighbours = lab.upstream.frr.show("show bgp neighbors json")
    return {name: one["messageStats"]["updatesRecv"] for name, one in neighbours.items()}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(guests=3, frr=True) as built:
        built.node.start_daemon()
        appear(built.guests[0])
        wait_for(
            lambda: set(built.guests[0].addresses) <= built.upstream.hosts(), 15.0, "its routes upstream"
        )
        yield built


def appear(guest: Guest) -> None:
    """Take addresses and use them."""
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()


def test_missed_routes_are_announced_again(lab: Lab) -> None:
    """The commands doctor and explain find what zebra missed; resync has it advertised, and announces nothing else."""
    node, guest, first = lab.node, lab.guests[1], lab.guests[0]
    with zebra_misses(node):
        appear(guest)
        wait_for(lambda: set(guest.addresses) <= node.hosts(), 10.0, "routes in the kernel")
    wait_for(lambda: "zebra-missed-routes" in found(node), 10.0, "the doctor to find it")
    assert guest.address4 in found(node)["zebra-missed-routes"]
    assert first.address4 not in found(node)["zebra-missed-routes"]
    explained = node.rdnbr("explain", guest.address4)
    assert explained.stdout.splitlines()[0].endswith("over vmbr1, but zebra has not heard of it")
    assert "        rdnbr resync --frr\n" in explained.stdout
    before = updates(lab)
    done = node.rdnbr("resync", "--frr", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["stale"], told["left"]) == (0, [], [])
    assert set(told["missed"]) == set(told["told_again"]) == set(guest.addresses)
    wait_for(lambda: set(guest.addresses) <= lab.upstream.hosts(), 5.0, "the upstream to hear of it")
    assert sum(updates(lab).values()) - sum(before.values()) == 2
    assert (
        node.rdnbr("resync", "--frr").stdout
        == f"zebra knows {len(node.hosts())} routes of ours, and no others over our bridges\n"
    )
    assert node.show("counters")["kernel"]["reannounced"] == 2
    assert node.show("counters")["kernel"]["contested"] == 0


def test_resync_is_not_taken_for_removal_by_others(lab: Lab) -> None:
    """However often resync removes and adds a route, the daemon reports no other program, and the route is there."""
    node, guest = lab.node, lab.guests[0]
    with Client(node.path(SOCKET)) as client:
        for _ in range(10):
            for address in guest.addresses:
                client.request("reannounce", address)
    assert node.show("counters")["kernel"]["contested"] == 0
    assert set(guest.addresses) <= node.hosts()
    assert all(one["installed"] for one in node.show()["bindings"] if one["address"] in guest.addresses)


def test_stale_routes_are_withdrawn(lab: Lab) -> None:
    """The doctor finds a route whose removal zebra missed, and resync withdraws it from BGP, also without a daemon."""
    node, guest = lab.node, lab.guests[2]
    appear(guest)
    wait_for(lambda: set(guest.addresses) <= lab.upstream.hosts(), 15.0, "its routes upstream")
    with zebra_misses(node):
        lab.unplug(guest)
        wait_for(lambda: not set(guest.addresses) & node.hosts(), 10.0, "routes to leave the kernel")
    wait_for(lambda: "zebra-stale-routes" in found(node), 10.0, "the doctor to find it")
    assert guest.address4 in lab.upstream.hosts()
    node.stop_daemon()
    done = node.rdnbr("resync", "--frr")
    node.start_daemon()
    assert done.stdout.splitlines() == [
        "zebra has not heard of 0 routes, and of the end of 2 routes",
        f"put a route of {guest.address4} in and took it out",
        f"put a route of {guest.address6} in and took it out",
        "zebra has heard of all that now, and knows what the kernel has",
    ]
    assert done.returncode == 0
    wait_for(lambda: not set(guest.addresses) & lab.upstream.hosts(), 5.0, "the upstream to hear of it")
    assert found(node) == {}


def test_zebra_that_does_not_answer(lab: Lab) -> None:
    """The command explain waits some seconds for FRR, no longer, and says that it did not answer."""
    node, guest = lab.node, lab.guests[0]
    zebra = int(node.path("/run/frr/zebra.pid").read_text())
    os.kill(zebra, signal.SIGSTOP)
    try:
        explained = json.loads(node.rdnbr("explain", guest.address4, "--json").stdout)
    finally:
        os.kill(zebra, signal.SIGCONT)
    answers = {layer["layer"]: layer for layer in explained["layers"]}
    assert answers["zebra"]["answer"] == answers["bgp"]["answer"] == "unknown"
    assert answers["zebra"]["text"] == "FRR was not asked, for vtysh says: nothing within 3 s"
    assert explained["routed"]
