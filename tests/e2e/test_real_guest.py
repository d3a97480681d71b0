"""A real guest: Debian's kernel in QEMU, from its boot to its second node."""

from itertools import pairwise

import pytest

from rdnbr.lab import Guest, Lab, wait_for
from tests.e2e.node_view import binding
from tests.real_guest.image import NoGuestError, image
from tests.real_guest.machine import Machine

pytestmark = [pytest.mark.frr, pytest.mark.slow, pytest.mark.timeout(300)]


INTERVAL = 0.05
"""Seconds between two echo requests."""
LONGEST = 5.0
"""Seconds; 0.2 is normal, and more on a processor that an emulated guest has to share."""


@pytest.fixture(scope="module")
def guest_image():
    """The kernel and initramfs; without them the test is skipped."""
    try:
        return image()
    except NoGuestError as error:
        pytest.skip(f"no real guest here: {error}")


def test_real_guest_is_advertised_and_followed_to_its_second_node(guest_image, tmp_path):
    """Case 1: the guest boots and is reached through BGP; it migrates under ping, and is reached at the target."""
    with Lab(guests=0, nodes=2, frr=True) as lab:
        migrate(lab, guest_image, tmp_path, announces=True)


def test_real_guest_is_followed_by_its_mac_alone_and_told_of_its_new_gateway(guest_image, tmp_path):
    """Cases 2 and 21: only QEMU's RARPs announce its arrival, at a node whose bridge has another MAC."""
    with Lab(guests=0, nodes=2, frr=True, one_mac=False) as lab:
        guest = Guest("", 0)
        for node in lab.nodes:
            node.write("/etc/rdnbr/allowlist", "".join(f"{one} mac={guest.mac}\n" for one in guest.addresses))
        migrate(lab, guest_image, tmp_path, announces=False)


def migrate(lab, image, directory, *, announces):
    """Boot a guest on the first node, and migrate it to the second while the upstream pings it."""
    source, target = lab.nodes
    guest = Guest("", 0)
    for node in lab.nodes:
        node.start_daemon()
    with Machine(source, image, guest, directory, announces=announces) as there:
        there.wait_until_up()
        reached_at(lab, guest, source)
        pings = [
            lab.upstream.launch("ping", "ping", "-n", "-i", str(INTERVAL), one) for one in guest.addresses
        ]
        landing = directory / "landing"
        with Machine(target, image, guest, directory, incoming=landing, announces=announces):
            assert target.hosts() == set()
            stood_still = there.migrate(landing)
            there.end()
            reached_at(lab, guest, target)
            assert source.hosts() == set()
            assert {binding(target, one)["mac"] for one in guest.addresses} == {guest.mac}
            silence = max(longest_silence(ping.log) for ping in pings)
            print(f"stood still for {stood_still} ms, was not reached for {silence:.2f} s")
            assert silence < LONGEST


def reached_at(lab, guest, node):
    """Wait until the upstream reaches the guest, in both families, by this node alone."""
    for address in guest.addresses:
        wait_for(
            lambda one=address: lab.upstream.via(one) == {node.number}, 10, f"{address} at {node.number}"
        )
        wait_for(lambda one=address: lab.upstream.ping(one), 10, f"an echo of {address}")


def longest_silence(log):
    """Return the most seconds without an echo reply."""
    numbers = [int(line.partition("seq=")[2].split()[0]) for line in log.splitlines() if "time=" in line]
    return max(later - earlier - 1 for earlier, later in pairwise(numbers)) * INTERVAL
