"""Guests come and go while faults happen every few seconds; at the end daemon, kernel and fabric agree."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rdnbr.lab import Lab, LabError, wait_for
from rdnbr.lab.guest import Guest
from rdnbr.lab.node import BRIDGE, BRIDGE_MAC, SOCKET

pytestmark = [pytest.mark.root, pytest.mark.frr, pytest.mark.slow, pytest.mark.alone]

GUESTS = 300
CHURN_APART = 0.1
"""Seconds between two guests that come or go."""
ASKS_APART = 1.0
"""Seconds between two ARP requests of a guest that does not know its gateway yet."""
FAULTS_APART = 2.0
"""Seconds between two faults."""
SETTLED = 40.0
"""Seconds within which all agree once nothing happens any more: `adopt_grace`, the probes, and FRR. Less than the
minute after which the daemon compares everything anyway, which must not be what all rely on."""

ROUTED = ("valid", "probing", "challenged", "frozen", "adopted")

CONFIGURATION = """\
[timers]
reprobe = 5
probe_count = 4
data_window = 2
adopt_grace = 8
"""
"""Short intervals, so that the end of the test comes soon."""


class Soak:
    """All changes of one node, its guests and its daemon; the same seed gives the same changes."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab = lab
        self.node = lab.node
        self.chance = random.Random(seed)
        self.here: set[Guest] = set()
        """Guests that are plugged in and have their addresses."""
        self.silent: set[Guest] = set()
        """Guests that are plugged in and removed their addresses without a frame."""
        self.unheard: dict[Guest, float] = {}
        """Guests that announced themselves, when, and are not bound: they repeat the request for their gateway."""
        self.foreign: set[str] = set()
        self.told: list[str] = []

    def expected(self) -> set[str]:
        """Return the addresses that should be routed."""
        return {address for guest in self.here for address in guest.addresses}

    def churn(self) -> None:
        """Let one guest come, go, fall silent, or be plugged in again."""
        absent = [guest for guest in self.lab.guests if guest not in self.here | self.silent]
        match self.chance.choice(["come", "come", "go", "vanish", "wake", "again"]):
            case "come" if absent:
                self.come(self.chance.choice(absent))
            case "go":
                self.go(self.any_guest(self.here))
            case "vanish":
                guest = self.any_guest(self.here)
                guest.forget_addresses()
                guest.ip("route del default via fe80::1")
                self.here.discard(guest)
                self.silent.add(guest)
            case "wake" if self.silent:
                guest = self.any_guest(self.silent)
                self.silent.discard(guest)
                self.announce(guest)
            case "again":
                guest = self.any_guest(self.here)
                self.go(guest)
                self.come(guest)

    def ask_gateways(self) -> None:
        """Each guest that is not bound requests its gateway again; a bound guest sends nothing by itself."""
        if not self.unheard:
            return
        try:
            bindings = self.node.show()["bindings"]
        except LabError:
            bindings = []  # a fault has just removed the socket
        heard = {
            one["address"]: datetime.fromisoformat(one["last_seen"]).timestamp()
            for one in bindings
            if one["installed"]
        }
        for guest, spoke in list(self.unheard.items()):
            if guest not in self.here or all(heard.get(one, 0) > spoke for one in guest.addresses):
                del self.unheard[guest]
            else:
                guest.send_gateway_request()
                guest.announce()

    def fault(self, name: str) -> None:
        """Cause one fault."""
        self.told.append(name)
        FAULTS[name](self)

    def agreement(self) -> str:
        """Return which part does not agree with the expectation; empty if all do."""
        expected = self.expected()
        views: dict[str, Callable[[], set[str]]] = {
            "the kernel's routes": self.node.hosts,
            "the kernel's neighbours": self._neighbours,
            "the daemon": self._bound,
            "zebra": self._zebra,
            "the upstream": self.lab.upstream.hosts,
        }
        for who, view in views.items():
            seen = view()
            if seen != expected:
                return f"{who}: {len(seen - expected)} too many, {len(expected - seen)} too few"
        return ""

    def contested(self) -> bool:
        """Return whether the daemon waits before it puts an entry into the kernel."""
        return any(
            one["state"] in ROUTED and not one["installed"] and one["address"] not in self.foreign
            for one in self.node.show()["bindings"]
        )

    def any_guest(self, among: set[Guest]) -> Guest:
        return self.chance.choice(sorted(among, key=lambda guest: guest.number))

    def come(self, guest: Guest) -> None:
        self.lab.plug(guest)
        self.announce(guest)

    def announce(self, guest: Guest) -> None:
        guest.configure()
        guest.send_gateway_request()
        self.here.add(guest)
        self.unheard[guest] = time.time()

    def go(self, guest: Guest) -> None:
        self.lab.unplug(guest)
        self.here.discard(guest)

    def _neighbours(self) -> set[str]:
        macs = {address: guest.mac for guest in self.lab.guests for address in guest.addresses}
        lines = self.node.run("ip", "neigh", "show", "dev", BRIDGE, "proto", "171").splitlines()
        entries = {line.split()[0]: line.split()[2] for line in lines}
        assert {address: macs[address] for address in entries} == entries
        return set(entries)

    def _bound(self) -> set[str]:
        return {one["address"] for one in self.node.show()["bindings"] if one["installed"]}

    def _zebra(self) -> set[str]:
        assert self.node.frr is not None
        return {
            prefix.partition("/")[0]
            for command in ("show ip route kernel json", "show ipv6 route kernel json")
            for prefix, routes in self.node.frr.show(command).items()
            if any(route.get("selected") for route in routes) and prefix.endswith(("/32", "/128"))
        }


def _kill(day: Soak) -> None:
    # During a hold-down only the daemon has the removed entry.
    wait_for(lambda: not day.contested(), 15, "the end of a truce")
    assert day.node.daemon is not None
    day.node.daemon.signal(signal.SIGKILL)
    day.node.daemon.wait()
    day.node.start_daemon()


def _restart(day: Soak) -> None:
    assert day.node.stop_daemon() == 0
    day.churn()
    day.node.start_daemon()


def _stop_a_while(day: Soak) -> None:
    assert day.node.daemon is not None
    day.node.daemon.signal(signal.SIGSTOP)
    for _ in range(20):
        day.churn()
        time.sleep(CHURN_APART)
    day.node.daemon.signal(signal.SIGCONT)


def _bridge_down(day: Soak) -> None:
    day.node.ip(f"link set {BRIDGE} down", f"link set {BRIDGE} up")


def _bridge_mac(day: Soak) -> None:
    day.node.ip(f"link set {BRIDGE} address 02:00:00:00:00:99", f"link set {BRIDGE} address {BRIDGE_MAC}")


def _port_flaps(day: Soak) -> None:
    guest = day.any_guest(day.here)
    day.node.ip(f"link set {guest.port} down", f"link set {guest.port} up")
    # Its IPv6 address is lost with its link, as on any Linux, and returns with its configuration.
    day.go(guest)
    day.come(guest)


def _foreign_route(day: Soak) -> None:
    guest = day.any_guest(day.here)
    day.node.ip(f"route replace {guest.address4}/32 dev {BRIDGE} proto static")
    day.foreign.add(guest.address4)


def _socket_lost(day: Soak) -> None:
    day.node.path(SOCKET).unlink(missing_ok=True)


def _frr_starts_again(day: Soak, *names: str) -> None:
    assert day.node.frr is not None
    for name in reversed(names):
        day.node.frr.stop(name)
    day.churn()
    for name in names:
        day.node.frr.start(name)


FAULTS: dict[str, Callable[[Soak], None]] = {
    "killed": _kill,
    "restarted": _restart,
    "stopped for a while": _stop_a_while,
    "routes flushed": lambda day: day.node.run("ip", "route", "flush", "proto", "171"),
    "IPv6 routes flushed": lambda day: day.node.run("ip", "-6", "route", "flush", "proto", "171"),
    "neighbours flushed": lambda day: day.node.run("ip", "neigh", "flush", "nud", "permanent", "dev", BRIDGE),
    "bridge down and up": _bridge_down,
    "bridge MAC changed": _bridge_mac,
    "port down and up": _port_flaps,
    "foreign route": _foreign_route,
    "control socket lost": _socket_lost,
    # Never zebra alone: after a few failures bgpd connects to zebra only once a minute.
    "FRR starts again": lambda day: _frr_starts_again(day, "zebra", "bgpd"),
    "bgpd starts again": lambda day: _frr_starts_again(day, "bgpd"),
}
DEADLY = ("killed", "restarted")
"""After these it is another process, whose use of memory proves nothing."""


def _strike(day: Soak, faults: list[str], during: float) -> None:
    end = time.monotonic() + during
    next_fault = time.monotonic() + FAULTS_APART
    next_ask = time.monotonic()
    while time.monotonic() < end:
        day.churn()
        if time.monotonic() >= next_fault:
            day.fault(day.chance.choice(faults))
            next_fault = time.monotonic() + FAULTS_APART
        if time.monotonic() >= next_ask:
            day.ask_gateways()
            next_ask = time.monotonic() + ASKS_APART
        time.sleep(CHURN_APART)


def _settle(day: Soak) -> float:
    for address in day.foreign:
        # Removed already if the bridge was down meanwhile.
        day.node.attempt("ip", "route", "del", f"{address}/32", "dev", BRIDGE, "proto", "static")
    day.foreign.clear()
    start = time.monotonic()

    def settled() -> bool:
        day.ask_gateways()
        return not day.agreement()

    try:
        wait_for(settled, SETTLED, "all to agree")
    except AssertionError as late:
        raise AssertionError(f"{late}: {day.agreement()}; faults: {', '.join(day.told)}") from None
    return time.monotonic() - start


def _descriptors(day: Soak, pid: int) -> int:
    """Count open descriptors beside those of the ports.

    A port has one packet socket, and a second one as long as a family has no route on it: data snooping goes on then.
    """

    def expected() -> int:
        ports = {port["port"] for port in day.node.show("ports")["ports"]}
        routed = {(one["port"], one["family"]) for one in day.node.show()["bindings"] if one["installed"]}
        return len(ports) + sum(not {(port, 4), (port, 6)} <= routed for port in ports)

    def opened() -> int:
        return len(Path(f"/proc/{pid}/net/packet").read_text().splitlines()) - 1

    wait_for(lambda: opened() == expected(), 15, "the end of data snooping where both families are routed")
    return -opened() + len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.fixture
def seed(request) -> Iterator[int]:
    """A seed that is printed when the test fails; `--soak-seed` repeats its changes."""
    given = request.config.getoption("--soak-seed")
    chosen = random.SystemRandom().randrange(1 << 32) if given is None else given
    print(f"--soak-seed {chosen}")
    return chosen


def test_churn_and_faults_end_in_agreement(request, seed):
    """Kernel, daemon, FRR and upstream agree exactly on 300 guests after churn and faults, and nothing has leaked."""
    length = request.config.getoption("--soak-seconds")
    with Lab(guests=GUESTS, frr=True) as lab:
        lab.node.write("/etc/rdnbr/rdnbr.toml", CONFIGURATION)
        day = Soak(lab, seed)
        lab.node.start_daemon()
        for guest in lab.guests:
            day.announce(guest)
        _settle(day)
        _strike(day, list(FAULTS), length / 2)
        _settle(day)
        daemon = lab.node.daemon
        assert daemon is not None
        memory, descriptors = daemon.resident_bytes(), _descriptors(day, daemon.pid)
        _strike(day, [name for name in FAULTS if name not in DEADLY], length / 2)
        settled = _settle(day)
        print(f"{len(day.told)} faults; settled after {settled:.1f} s")
        assert daemon.ended is None
        assert _descriptors(day, daemon.pid) == descriptors
        assert daemon.resident_bytes() - memory < 8 << 20
        assert "Traceback" not in daemon.log
