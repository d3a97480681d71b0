"""One guest sends as much as it can: nobody else notices."""

import socket
import statistics
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager
from ipaddress import ip_address
from itertools import pairwise

import pytest
from guest_frames import announcement

from rdnbr.lab import Lab, wait_for
from rdnbr.lab.frr import installed
from rdnbr.lab.node import SOCKET
from rdnbr.operator.control.client import Client
from tests.e2e import flood
from tests.e2e.node_view import solicitations

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.alone]

ALLOWLIST = "2.57.56.0/21\n2001:678:3a4:100::/64\n"
CONFIG = """\
[timers]
reprobe = 2.0
"""
PATIENT = """\
[timers]
probe_retrans = 60.0
"""
"""So that what nobody answers for keeps its place throughout a walk, and nobody else takes it."""
SOONEST = 1.4
"""Seconds between two probes_of for one address, if the first was answered: 2 s less a quarter, and a little. Else
the second comes after 1 s."""

QUIET, FLOODER, NEWCOMER = 0, 1, 2
RATE = 200_000
"""Frames per second offered."""
TRIES = 50
LATEST = 0.1
"""Seconds from a guest's frame to its route."""
MOST_MEMORY = 20 << 20
MOST_LINES = 50
LIMIT = 32
"""IPv6 addresses that a port may have, by default."""

_RTMGRP_IPV4_ROUTE = 0x40
_ROUTE_ADDED, _ROUTE_GONE = 24, 25  # RTM_NEWROUTE, RTM_DELROUTE


class Place:
    """A node with three guests that are all routed."""

    def __init__(self, lab: Lab, allowlist: str | None, config: str = CONFIG) -> None:
        self.lab, self.node = lab, lab.node
        self.node.write("/etc/rdnbr/rdnbr.toml", config)
        if allowlist is not None:
            self.node.write("/etc/rdnbr/allowlist", allowlist)
        self.daemon = self.node.start_daemon()
        for guest in lab.guests:
            guest.configure()
        for guest in lab.guests:
            guest.wait_for_dad()
            guest.ping_gateways()
        self.bound = {address for guest in lab.guests for address in guest.addresses}
        wait_for(lambda: self.node.hosts() == self.bound, 10, "the guests' routes")
        self.client = Client(self.node.path(SOCKET))
        with self.node.inside():
            self._routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._routes.bind((0, _RTMGRP_IPV4_ROUTE))
        self._routes.settimeout(2)

    def close(self) -> None:
        self.client.__exit__()
        self._routes.close()

    @contextmanager
    def flood(self, kind: str, count: int, rate: int):
        """Let the flooder send; check afterwards that it did, and yield a list that then has frames and seconds."""
        log = self.node.path("/run/flood.log")
        guest = self.lab.guest(FLOODER)
        done: list[float] = []
        sender = guest.start(sys.executable, flood.__file__, kind, guest.mac, str(count), str(rate), log=log)
        try:
            wait_for(lambda: log.read_text().startswith("go"), 20, "the flood to begin")
            yield done
            sender.wait(60)
            done += [float(word) for word in log.read_text().split()[1:]]
        finally:
            sender.kill()
            sender.wait()

    def learn_again(self) -> float:
        """Flush the newcomer and let it announce itself; return the seconds until the kernel has its route."""
        guest = self.lab.guest(NEWCOMER)
        self.client.request("flush", guest.address4)
        frame = announcement(guest.mac, guest.address4)
        packed = ip_address(guest.address4).packed
        self._wait_for_route(_ROUTE_GONE, packed)
        start = time.monotonic()
        guest.send(frame)
        self._wait_for_route(_ROUTE_ADDED, packed)
        return time.monotonic() - start

    def _wait_for_route(self, kind: int, address: bytes) -> None:
        while True:
            news = self._routes.recv(1 << 16)
            if int.from_bytes(news[4:6], sys.byteorder) == kind and address in news:
                return

    def port(self) -> dict[str, int]:
        """Return the flooder's row of `show ports`."""
        name = self.lab.guest(FLOODER).port
        return next(one for one in self.client.request("ports")["ports"] if one["port"] == name)

    def handled(self) -> int:
        """Return the number of the flooder's frames that were counted or that the kernel dropped."""
        port = self.port()
        return port["frames"] + port["drops"]


def probes_of(capture, address):
    """Return the times of the probes of a guest's address."""
    return [one.at for one in solicitations(capture.seen(), address) if one.outgoing]


@pytest.mark.parametrize("allowlist", [ALLOWLIST, None], ids=["allowlist", "open"])
def test_flood_does_not_affect_other_guests(request, record_property, allowlist):
    """Under 200,000 ARP frames a second, others are learned as fast, all probes answered, and nothing is withdrawn."""
    seconds = request.config.getoption("--flood-seconds")
    with Lab(guests=3, frr=False) as lab, closing(Place(lab, allowlist)) as place:
        quiet = lab.guest(QUIET)
        lines, memory = len(place.daemon.log.splitlines()), place.daemon.resident_bytes()
        used = place.daemon.cpu_seconds()
        with lab.node.capture(quiet.port) as capture, place.flood("arp", int(seconds * RATE), RATE) as done:
            start = time.monotonic()
            times = []
            for number in range(TRIES):
                times.append(place.learn_again())
                time.sleep(max(0.0, start + seconds * (number + 1) / TRIES - time.monotonic()))
            asked = {address: probes_of(capture, address) for address in quiet.addresses}
        wait_for(lambda: lab.node.hosts() == place.bound, 1, "everybody to be routed")
        worst = statistics.quantiles(times, n=100)[98]
        record_property("frames a second", round(done[0] / done[1]))
        record_property("ms until learned, median and p99", (statistics.median(times) * 1e3, worst * 1e3))
        record_property("share of a core", round((place.daemon.cpu_seconds() - used) / done[1], 3))
        record_property("KiB grown", (place.daemon.resident_bytes() - memory) >> 10)
        written = place.daemon.log.splitlines()[lines:]
        others = [line for line in written if lab.guest(NEWCOMER).port not in line]
        record_property("lines", len(others))
        assert place.port()["drops"] > 0
        assert worst < LATEST
        assert [line for line in written if '"withdrawn"' in line and "flushed" not in line] == []
        for moments in asked.values():
            assert moments
            assert [
                later - earlier for earlier, later in pairwise(moments) if later - earlier < SOONEST
            ] == []
        assert place.daemon.resident_bytes() - memory < MOST_MEMORY
        assert len(others) < MOST_LINES


def test_walk_through_a_prefix_binds_the_limit_and_no_more(request, record_property):
    """A guest walks through a /64: 32 addresses are bound, and all others are refused and counted."""
    count = request.config.getoption("--walk")
    with Lab(guests=3, frr=installed()) as lab, closing(Place(lab, ALLOWLIST, PATIENT)) as place:
        before, memory = place.handled(), place.daemon.resident_bytes()
        most = 0
        with place.flood("walk", count, RATE) as done:
            while place.handled() - before < count // 2:
                most = max(most, len(lab.upstream.hosts()))
        wait_for(lambda: place.handled() - before >= done[0], 5, "every frame to be counted")
        port = lab.guest(FLOODER).port
        bindings = [one for one in place.client.request("bindings")["bindings"] if one["port"] == port]
        assert len([one for one in bindings if one["family"] == 6]) == LIMIT
        assert len(lab.node.hosts()) == len(place.bound) + LIMIT - 1
        counts = Counter(place.client.request("counters")["counters"][port])
        assert counts["port-full"] + counts["too-many-new"] > 1000
        record_property("frames a second", round(done[0] / done[1]))
        record_property("KiB grown", (place.daemon.resident_bytes() - memory) >> 10)
        if lab.bgp:
            assert max(most, len(lab.upstream.hosts())) <= len(place.bound) + LIMIT - 1
