"""Field cases: what would make BGP, the loop or a person restless, and does not."""

import time

import pytest

from rdnbr.lab import wait_for
from tests.capture_bytes import pcap_header, pcap_record
from tests.e2e.node_view import binding, monitor
from tests.field_case import CALM, field_case

pytestmark = pytest.mark.root

YEAR = 365 * 86_400


def recorded(lab, guest, years):
    """Record a guest that boots; return a capture of that, and of the same frames again, `years` later."""
    with lab.node.capture(guest.port) as capture:
        guest.configure()
        guest.announce()
        wait_for(lambda: len(capture.seen()) >= 2, 5, "the announcements")
        seen = capture.seen()
    times = 0, years * YEAR
    return pcap_header() + b"".join(pcap_record(one.frame, one.at + later) for later in times for one in seen)


def replay(lab, capture, *options):
    """Replay a capture on the node; return what it printed, and the seconds that it took."""
    path = lab.node.path("/run/tap100i0.pcap")
    path.write_bytes(capture)
    start = time.monotonic()
    done = lab.node.rdnbr("replay", *options, "/run/tap100i0.pcap")
    assert done.returncode == 0, done.stderr
    return done, time.monotonic() - start


@field_case(
    CALM,
    "a capture with a gap of 20 years is replayed: files were merged, or a clock was wrong",
    "`replay` says so, and ends; the guests keep their routes through the gap",
    within=10,
)
def test_replay_of_a_gap_of_years(lab, within):
    """The gap costs nothing, and the guest's addresses are as valid after it as before."""
    guest = lab.guests[0]
    done, took = replay(lab, recorded(lab, guest, 20))
    assert took < within
    assert "jumped over 1 long gap" in done.stderr
    assert "withdrawn" not in done.stdout
    assert guest.address4 in done.stdout
    assert guest.address6 in done.stdout


def test_replay_of_a_gap_of_years_in_which_nobody_answers(lab):
    """With `--silent` both addresses are withdrawn in the gap, each in its first minute, and the replay ends."""
    guest = lab.guests[0]
    lab.node.write("/etc/rdnbr/allowlist", "2.57.56.0/21\n2001:678:3a4:100::/64\n")
    options = "--silent", "--allowlist", "/etc/rdnbr/allowlist"
    done, took = replay(lab, recorded(lab, guest, 20), *options)
    assert took < 10
    withdrawn = [line.split() for line in done.stdout.splitlines() if " withdrawn " in line]
    assert {line[2] for line in withdrawn if float(line[0]) < 60} == {guest.address4, guest.address6}


@field_case(
    CALM,
    "the clock of a capture goes back by years",
    "`replay` names the frame and the step, and reads the capture to its end",
    within=10,
)
def test_replay_of_a_clock_that_goes_back(lab, within):
    """The frames after the step count, at the time of the frame before it."""
    guest = lab.guests[0]
    done, took = replay(lab, recorded(lab, guest, -20))
    assert took < within
    assert "the clock goes back 1 time, first by" in done.stderr
    assert guest.address4 in done.stdout
    assert guest.address6 in done.stdout


def learned(lab, guest):
    """Start the daemon, and wait until both addresses of the guest are routed."""
    lab.node.start_daemon()
    guest.configure()
    guest.announce()
    wait_for(lambda: set(guest.addresses) <= lab.node.hosts(), 10, "the guest's routes")


def flap(lab, guest, times):
    """Take the link of the guest's port down and up again, as soon as rdnbr has noticed either."""
    for _ in range(times):
        lab.node.ip(f"link set {guest.port} down")
        wait_for(lambda: binding(lab.node, guest.address4)["state"] == "departed", 5, "the loss of the port")
        lab.node.ip(f"link set {guest.port} up")
        wait_for(lambda: binding(lab.node, guest.address4)["state"] == "valid", 5, "the return of the guest")


def damped_until(lab, guest):
    """Return until when the routes of the guest's port are held back, or None."""
    return next(one["damped_until"] for one in lab.node.show("ports")["ports"] if one["port"] == guest.port)


@pytest.mark.timeout(240)
@field_case(
    CALM,
    "the link of a guest's port goes down and up 39 times",
    "after five times within a minute the routes of the port are held back; BGP sees 10 changes of each address",
)
def test_flapping_port(lab):
    """Each address is announced and withdrawn five times; `show ports`, `explain` and the log say why no more."""
    guest, other = lab.guests
    routes = monitor(lab.node, "route")
    learned(lab, guest)
    flap(lab, guest, 39)
    for address in guest.addresses:
        assert len([line for line in routes.log.splitlines() if f"{address} " in line]) <= 12
    assert not set(guest.addresses) & lab.node.hosts()
    assert damped_until(lab, guest) is not None
    explained = lab.node.rdnbr("explain", guest.address4).stdout
    assert f"damped: {guest.port} flaps, its routes are held back until" in explained
    assert f"rdnbr probe {guest.address4}" in explained
    said = [line for line in lab.node.daemon.log.splitlines() if "damped" in line]
    assert len(said) == 1
    other.configure()
    other.announce()
    wait_for(lambda: set(other.addresses) <= lab.node.hosts(), 5, "the routes of another guest")


@pytest.mark.parametrize("command", ["probe", "flush"])
@field_case(
    CALM,
    "an operator who has mended a flapping port says `rdnbr probe ADDRESS`, or `rdnbr flush PORT`",
    "the routes of the port are held back no more",
    within=5,
)
def test_operator_ends_the_damping(lab, within, command):
    """A probe installs what is known; a flush forgets it, and the guest is learned from its next frame."""
    guest = lab.guests[0]
    learned(lab, guest)
    flap(lab, guest, 6)
    assert damped_until(lab, guest) is not None
    done = lab.node.rdnbr(command, guest.address4 if command == "probe" else guest.port)
    assert done.returncode == 0, done.stderr
    if command == "flush":
        guest.announce()
    wait_for(lambda: set(guest.addresses) <= lab.node.hosts(), within, "the guest's routes")
    assert damped_until(lab, guest) is None


@field_case(
    CALM,
    "a guest boots: its link goes down and up three times; or its firewall is toggled, or it migrates and returns",
    "no flap: the guest is routed at once each time",
    within=2,
)
def test_boot_is_no_flap(lab, within):
    """After the third return of its link the guest's routes are there as after the first."""
    guest = lab.guests[0]
    learned(lab, guest)
    for _ in range(3):
        flap(lab, guest, 1)
        wait_for(lambda: guest.address4 in lab.node.hosts(), within, "the guest's route")
    assert damped_until(lab, guest) is None
