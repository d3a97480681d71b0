"""The captured migrations, replayed with their own timing on the ports of two nodes."""

import time
from pathlib import Path

import pytest

from rdnbr.lab import Lab, wait_for
from rdnbr.replay.pcap import read
from tests.e2e.node_view import binding

pytestmark = [pytest.mark.root, pytest.mark.slow]

PCAPS = Path(__file__).parents[2] / "pcaps"
MAC = "bc:24:11:00:01:00"
"""Of the captured guest. Its addresses are those of the lab's first guest."""
LINGERS = 1.0
"""Seconds that the source's port stays after the guest has left."""


def guest_frames_of(path):
    """Return time and bytes of the captured guest's frames; the node of the capture is left out."""
    mac = bytes.fromhex(MAC.replace(":", ""))
    return [(frame.at, frame.data) for frame in read(path) if frame.data[6:12] == mac]


class TwoNodes:
    """Two nodes with the daemon, and a guest that answers as the captured one did, and sends nothing by itself."""

    def __init__(self, lab):
        self.lab = lab
        self.source, self.target = lab.nodes
        self.guest = lab.guest(0)
        self.guest.ip(f"link set eth0 address {MAC}")
        # Without DAD; and Linux announces no address that it gets.
        self.guest.ip(*(f"addr add {address} dev eth0 nodad" for address in self.guest.addresses))

    def play(self, name, after_arrival):
        """Replay the source's frames at the source, move the guest, and replay the target's frames at the target."""
        here, there = (guest_frames_of(PCAPS / f"migrate-{name}-{side}.pcap") for side in "ab")
        arrival = there[0][0]
        before = [(at, octets) for at, octets in here if at < arrival]
        after = [(at, octets) for at, octets in there if at < arrival + after_arrival]
        clock = Clock(before[0][0])
        self.lab.plug(self.guest, self.target)
        self.send(clock, before)
        clock.wait(arrival)
        self.lab.move(self.guest, self.target)
        self.send(clock, [one for one in after if one[0] < arrival + LINGERS])
        self.lab.unplug(self.guest, self.source)
        self.send(clock, [one for one in after if one[0] >= arrival + LINGERS])

    def send(self, clock, frames):
        for at, octets in frames:
            clock.wait(at)
            self.guest.send(octets)


class Clock:
    """The captures' clock, which starts now at `start`."""

    def __init__(self, start):
        self._ahead = start - time.monotonic()

    def wait(self, at):
        """Wait until this clock shows `at`."""
        time.sleep(max(0.0, at - self._ahead - time.monotonic()))


@pytest.fixture
def two_nodes():
    with Lab(guests=1, nodes=2, frr=False) as lab:
        for node in lab.nodes:
            node.start_daemon()
        yield TwoNodes(lab)


@pytest.mark.parametrize("name", ["plain", "samemac-traffic", "diffmac-traffic"])
def test_guest_of_a_capture_ends_on_the_target_alone(two_nodes, name, request):
    """Case 1: both addresses are routed on the target, to the captured MAC, and no longer on the source."""
    two_nodes.play(name, request.config.getoption("--arrived-seconds"))
    addresses = {"2.57.57.30", "2001:678:3a4:100::80"}
    wait_for(lambda: two_nodes.target.hosts() == addresses, 3, "the target's routes")
    wait_for(lambda: two_nodes.source.hosts() == set(), 3, "the source's withdrawal")
    for address in addresses:
        found = binding(two_nodes.target, address)
        assert (found["mac"], found["port"], found["state"]) == (MAC, "tap100i0", "valid")


def test_guest_of_a_capture_that_only_its_hypervisor_announced_ends_on_the_target_alone(two_nodes, request):
    """Case 2: five RARPs and nothing else; the allowlist names the addresses to probe."""
    for node in two_nodes.lab.nodes:
        node.write("/etc/rdnbr/allowlist", f"2.57.57.30 mac={MAC}\n2001:678:3a4:100::80 mac={MAC}\n")
        assert node.rdnbr("reload").returncode == 0
    two_nodes.play("noguestann", request.config.getoption("--arrived-seconds"))
    wait_for(lambda: len(two_nodes.target.hosts()) == 2, 3, "the target's routes")
    wait_for(lambda: two_nodes.source.hosts() == set(), 3, "the source's withdrawal")


def test_guest_of_a_capture_is_routed_on_the_source_until_it_leaves(two_nodes):
    """While the target has only the guest's port, it routes nothing of a guest that the source knows by its DAD."""
    here = guest_frames_of(PCAPS / "migrate-plain-a.pcap")
    two_nodes.lab.plug(two_nodes.guest, two_nodes.target)
    two_nodes.send(Clock(here[0][0]), here)
    wait_for(lambda: two_nodes.source.hosts() == {"2001:678:3a4:100::80"}, 2, "the source's route")
    assert two_nodes.target.hosts() == set()
