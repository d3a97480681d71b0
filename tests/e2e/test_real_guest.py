"""A real guest: Debian's kernel in QEMU, from its boot to its second node."""

from itertools import pairwise

import pytest

from rdnbr.lab import Guest, Lab, wait_for
from tests.e2e.node_view import binding
from tests.real_guest.image import NoGuestError, image
from tests.real_guest.machine import Machine

pytestmark = [pytest.mark.frr, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def guest_image():
    """The kernel and initramfs, or no test."""
    try:
        return image()
    except NoGuestError as error:
        pytest.skip(f"no real guest here: {error}")


def test_real_guest_is_advertised_and_followed_to_its_second_node(guest_image, tmp_path):
    """Case 1: it boots and is reached through BGP; it migrates under ping, and is reached at the target."""
    with Lab(guests=0, nodes=2, frr=True) as lab:
        source, target = lab.nodes
        likeness = Guest("", 0)
        for node in lab.nodes:
            node.start_daemon()
        with Machine(source, guest_image, likeness, tmp_path) as there:
            there.wait_until_up()
            for address in likeness.addresses:
                wait_for(
                    lambda one=address: lab.upstream.via(one) == {0}, 10, f"the upstream to know {address}"
                )
                wait_for(lambda one=address: lab.upstream.ping(one), 10, f"an echo of {address}")
            pings = [
                lab.upstream.launch("ping", "ping", "-n", "-i", "0.05", one) for one in likeness.addresses
            ]
            landing = tmp_path / "landing"
            with Machine(target, guest_image, likeness, tmp_path, incoming=landing):
                assert target.hosts() == set()
                stood_still = there.migrate(landing)
                there.end()
                for address in likeness.addresses:
                    wait_for(
                        lambda one=address: lab.upstream.via(one) == {1}, 10, f"the new way to {address}"
                    )
                    wait_for(lambda one=address: lab.upstream.ping(one), 10, f"an echo of {address}")
                assert source.hosts() == set()
                for address in likeness.addresses:
                    assert binding(target, address)["mac"] == likeness.mac
                longest = max(gap(ping.log) for ping in pings)
                print(f"stood still for {stood_still} ms; {longest} echoes in a row were lost")
                assert longest < 5 / 0.05


def gap(log):
    """How many echoes in a row were not answered."""
    numbers = [int(line.partition("seq=")[2].split()[0]) for line in log.splitlines() if "time=" in line]
    return max(later - earlier - 1 for earlier, later in pairwise(numbers))
