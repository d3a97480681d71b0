"""Many guests that send nothing by themselves."""

import time

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.node_view import stays

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(600)]

MOST_CPU = 0.02
"""Fraction of one core."""
OFTEN = "[timers]\nreprobe = 10.0\n"
"""Three times as often as by default, so that a short test probes all guests."""


def packet_sockets(node):
    """Return how many packet sockets are open; a port has a second one while its IP packets are looked at."""
    return len(node.run("cat", "/proc/net/packet").splitlines()) - 1


def test_two_hundred_quiet_guests_cost_little_and_lose_nothing(request):
    """200 guests are learned in time and stay, for under 2 % of a core, though probed three times as often as usual."""
    quiet = request.config.getoption("--quiet-seconds")
    with Lab(guests=200, frr=False) as lab:
        lab.node.write("/etc/rdnbr/rdnbr.toml", OFTEN)
        daemon = lab.node.start_daemon()
        start = time.monotonic()
        for guest in lab.guests:
            guest.configure()
            guest.send_gateway_request()
        everyone = {address for guest in lab.guests for address in guest.addresses}
        wait_for(lambda: lab.node.hosts() == everyone, 20, "routes to 200 guests in both families")
        up = time.monotonic() - start
        wait_for(lambda: packet_sockets(lab.node) == len(lab.guests), 20, "the end of all data windows")
        used, start = daemon.cpu_seconds(), time.monotonic()
        stays(lambda: lab.node.hosts() == everyone, quiet, "routes to all")
        share = (daemon.cpu_seconds() - used) / (time.monotonic() - start)
        figures = f"{share:.2%} of a core over {quiet:g} s, {daemon.resident_bytes() >> 20} MiB resident"
        assert share < MOST_CPU, figures
        print(f"200 guests routed in {up:.1f} s; {figures}")
        assert [line for line in daemon.log.splitlines() if "withdrawn" in line] == []
