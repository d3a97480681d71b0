"""Many guests that send nothing by themselves."""

import time

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.node_view import stays

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(600)]

MOST_CPU = 0.06
"""Fraction of one core."""
OFTEN = "[timers]\nreprobe = 10.0\n"
"""Three times as often as by default, so that a short test probes all guests."""


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
        used, start = daemon.cpu_seconds(), time.monotonic()
        stays(lambda: lab.node.hosts() == everyone, quiet, "routes to all")
        share = (daemon.cpu_seconds() - used) / (time.monotonic() - start)
        figures = f"{share:.2%} of a core over {quiet:g} s, {daemon.resident_bytes() >> 20} MiB resident"
        assert share < MOST_CPU, figures
        print(f"200 guests routed in {up:.1f} s; {figures}")
        assert [line for line in daemon.log.splitlines() if "withdrawn" in line] == []
