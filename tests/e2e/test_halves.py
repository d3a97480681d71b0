"""The next start repairs pairs of route and neighbour of which a kill, or a person, left one half."""

import signal

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.node_view import entries, monitor
from tests.e2e.test_network import settle

pytestmark = pytest.mark.root

CONFIG = "[timers]\nadopt_grace = 1.0\n"
A4, A6, MAC = "2.57.57.30", "2001:678:3a4:100::80", "52:02:45:76:d2:35"

IN_PLACE = {
    "routes without neighbours": [f"neigh del {A4} dev vmbr1", f"neigh del {A6} dev vmbr1"],
    "routes over another bridge": [
        f"route change {A4} dev vmbr2 proto 171",
        f"route change {A6} dev vmbr2 proto 171",
    ],
    "routes over a device that is no bridge": [
        f"route change {A4} dev uplink proto 171",
        f"route change {A6} dev uplink proto 171",
    ],
    "routes in another table, too": [
        f"route add {A4} dev vmbr1 proto 171 table 77",
        f"route add {A6} dev vmbr2 proto 171 table 1077",
    ],
    "neighbours on another bridge, too": [
        f"neigh add {A4} lladdr {MAC} dev vmbr2 nud permanent protocol 171",
        f"neigh add {A6} lladdr {MAC} dev uplink nud permanent protocol 171",
    ],
}
"""Halves whose address is routed all the time."""


@pytest.fixture(scope="module")
def crashed():
    """A lab with two bridges, whose daemon is killed in a good state; each test starts it again."""
    with Lab(guests=2, frr=False) as lab:
        lab.node.write("/etc/rdnbr/rdnbr.toml", CONFIG)
        lab.node.ip("link add vmbr2 type bridge", "link set vmbr2 up", "addr add fe80::1/64 dev vmbr2")
        lab.node.start_daemon()
        settle(lab, *lab.guests)
        yield lab


def repaired(lab, breaks, *flags):
    """Kill, break, and start; wait until all is as before, and return the route notifications meanwhile."""
    node = lab.node
    before = everything(lab)
    assert len(before) == 8
    killed(node)
    node.ip(*breaks)
    assert everything(lab) != before
    watch = monitor(node, "route")
    node.start_daemon(*flags)
    for guest in lab.guests:
        guest.announce()
    wait_for(lambda: everything(lab) == before, 5, "all to be as before")
    watch.stop()
    return [" ".join(line.split()) for line in watch.log.splitlines() if "192.0.2.1" not in line]


def killed(node):
    node.daemon.signal(signal.SIGKILL)
    node.daemon.wait()


def everything(lab):
    return [line for guest in lab.guests for one in guest.addresses for line in entries(lab.node, one)]


@pytest.mark.parametrize("what", IN_PLACE)
def test_halves_are_repaired_in_place(crashed, what):
    """No route of a main table is removed, not even for a moment; a wrong route is replaced by the right one."""
    told = repaired(crashed, IN_PLACE[what])
    assert [line for line in told if line.startswith("Deleted") and "table" not in line] == []
    assert [line for line in told if crashed.guests[1].address4 in line] == []


def test_guests_of_neighbours_without_routes_are_probed(crashed):
    """A neighbour alone may belong to a route that was flushed: its guest sends nothing by itself, but answers."""
    before = everything(crashed)
    killed(crashed.node)
    crashed.node.ip(f"route del {A4} dev vmbr1 proto 171", f"route del {A6} dev vmbr1 proto 171")
    crashed.node.start_daemon()
    wait_for(lambda: everything(crashed) == before, 5, "the guest to have been asked")


def test_neighbours_without_routes_or_guests_are_removed(crashed):
    """A neighbour alone whose guest does not answer is removed."""
    killed(crashed.node)
    guest = crashed.guests[0]
    guest.forget_addresses()
    crashed.node.ip(f"route del {A4} dev vmbr1 proto 171", f"route del {A6} dev vmbr1 proto 171")
    crashed.node.start_daemon()
    wait_for(lambda: not entries(crashed.node, A4) + entries(crashed.node, A6), 5, "the neighbours to go")
    guest.ip("route del default via fe80::1")
    settle(crashed, guest)


def test_what_is_not_served_any_more_is_withdrawn(crashed):
    """Entries on a bridge that is no longer served are withdrawn at the start: no later event would withdraw them."""
    told = repaired(
        crashed,
        [
            f"neigh add 2.57.57.99 lladdr {MAC} dev vmbr2 nud permanent protocol 171",
            "route add 2.57.57.99 dev vmbr2 proto 171",
            f"route change {A4} dev vmbr2 proto 171",
        ],
        "--bridge",
        "vmbr1",
    )
    assert [line for line in told if line.startswith("Deleted")] == [
        "Deleted 2.57.57.99 dev vmbr2 proto 171 scope link"
    ]
    assert entries(crashed.node, "2.57.57.99") == []


def test_what_the_allowlist_refuses_now_is_withdrawn(crashed):
    """An allowlist that was written while the daemon was down applies to adopted routes; other routes stay."""
    node, (refused, permitted) = crashed.node, crashed.guests
    killed(node)
    node.write("/etc/rdnbr/allowlist", "\n".join(permitted.addresses))
    watch = monitor(node, "route", "neigh")
    node.start_daemon()
    wait_for(lambda: node.hosts() == set(permitted.addresses), 5, "the other's withdrawal")
    told = [line for line in watch.log.splitlines() if line.startswith("Deleted 2") and "proto 171" in line]
    assert sorted(line.split()[1] for line in told) == sorted(refused.addresses * 2)
    assert node.show()["mode"] == "allowlist"
    watch.stop()
