"""Field cases: what would make BGP, the loop or a person restless, and does not."""

import time

import pytest

from rdnbr.lab import wait_for
from tests.capture_bytes import pcap_header, pcap_record
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
