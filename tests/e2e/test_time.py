"""Faults of time: a stopped process, a clock that is set, a loop that does not turn."""

import re
import signal
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.learning import learn
from tests.e2e.node_view import solicitations, stays
from tests.e2e.systemd import Systemd

pytestmark = pytest.mark.root

RUN = (sys.executable, "-m", "rdnbr", "run", "--log-format", "json")
TIMERS = """\
[timers]
reprobe = 2.0
probe_retrans = 0.3
probe_count = 3
"""
BUDGET = 2.0 * 1.25 + 0.5 + 0.3 * (1 + 1.5 + 1.5**2)
"""Seconds from a guest's last frame to the withdrawal of its route, with these timers."""
SLACK = 2.0
"""Seconds of delay on a busy machine."""
HOUR = 3600


class Withdrawals:
    """Every host route that the kernel loses, from `ip monitor`."""

    def __init__(self, node):
        self._monitor = node.launch("withdrawals", "ip", "monitor", "route")
        wait_for(
            lambda: node.ip("route add 192.0.2.99 dev lo", "route del 192.0.2.99 dev lo") or self.seen,
            5,
            "it",
        )

    @property
    def seen(self):
        return set(re.findall(r"^Deleted (\S+)", self._monitor.log, re.MULTILINE))


def start(node, *before):
    """Start the daemon with other arguments before it, and wait until it answers."""
    daemon = node.launch("rdnbr", *before, *RUN)
    wait_for(lambda: node.rdnbr("show").returncode == 0, 20, "the daemon to answer")
    return daemon


def test_stopped_process_takes_no_guest_for_silent(request):
    """After SIGSTOP and SIGCONT no present guest is withdrawn, and an absent guest is probed and withdrawn in time.

    What came or went in between is known in the first turns: a port that is gone, and a guest that is new.
    """
    seconds = request.config.getoption("--stopped-seconds")
    with Lab(guests=5, frr=False) as lab:
        talks, listens, left, unplugged, new = lab.guests
        lab.node.write("/etc/rdnbr/rdnbr.toml", TIMERS)
        daemon = lab.node.start_daemon()
        learn(lab, talks, listens, left, unplugged)
        everyone = lab.node.hosts()
        withdrawals = Withdrawals(lab.node)

        daemon.signal(signal.SIGSTOP)
        left.forget_addresses()
        new.configure()
        new.send_gateway_request()
        lab.unplug(unplugged)
        stays(lambda: talks.send_gateway_request() or lab.node.hosts() == everyone, seconds, "all routes")
        with lab.node.capture(left.port) as capture:
            daemon.signal(signal.SIGCONT)
            resumed = time.monotonic()
            wait_for(lambda: not {*unplugged.addresses} & lab.node.hosts(), SLACK, "the port's end")
            wait_for(lambda: new.address4 in lab.node.hosts(), SLACK, "the new guest")
            wait_for(lambda: not {*left.addresses} & lab.node.hosts(), BUDGET + SLACK, "the end of who left")
            spent = time.monotonic() - resumed
            for address in left.addresses:
                assert len([one for one in solicitations(capture.seen(), address) if one.outgoing]) >= 3
        assert spent > 0.3 * (1 + 1.5 + 1.5**2)
        stays(lambda: {*talks.addresses, *listens.addresses} <= lab.node.hosts(), BUDGET, "who lives")
        assert not {*talks.addresses, *listens.addresses} & withdrawals.seen


@pytest.fixture
def faketime():
    """A library that moves the wall clock of one process as a file says, and no other clock."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        pytest.fail("needs libfaketime (Debian: apt-get install faketime)")
    return (
        "env",
        f"LD_PRELOAD={found}",
        "FAKETIME_TIMESTAMP_FILE=/run/clock",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "NO_FAKE_STAT=1",
    )


@pytest.mark.parametrize("by", [-HOUR, HOUR], ids=["back", "forward"])
def test_clock_step_changes_no_timer(lab, faketime, by):
    """When the clock is set by an hour, present guests stay, and absent guests are withdrawn in time.

    What was seen before is shown by the new clock, in order; a file that changes is read.
    """
    stays_, left = lab.guests
    lab.node.write("/run/clock", "+0")
    lab.node.write("/etc/rdnbr/rdnbr.toml", TIMERS)
    daemon = start(lab.node, *faketime)
    learn(lab, stays_, left)
    withdrawals = Withdrawals(lab.node)
    before = since(lab.node, stays_.address4)

    lab.node.write("/run/clock", f"{by:+}")
    left.forget_addresses()
    with lab.node.capture(stays_.port) as capture:
        wait_for(lambda: not {*left.addresses} & lab.node.hosts(), BUDGET + SLACK, "the end of who left")
        wait_for(
            lambda: len([one for one in solicitations(capture.seen(), stays_.address4) if one.outgoing]) >= 2,
            2 * BUDGET + SLACK,
            "two questions",
        )
    assert lab.node.hosts() == {*stays_.addresses}
    assert not {*stays_.addresses} & withdrawals.seen
    moved = since(lab.node, stays_.address4) - before
    assert abs(moved - timedelta(seconds=by)) < timedelta(seconds=1)
    messages = [event["at"] for event in lab.node.show("events")["events"]]
    assert messages == sorted(messages)
    lab.node.write("/etc/rdnbr/allowlist", f"{stays_.address4}\n")
    wait_for(lambda: "reloaded: 1 rule" in daemon.log, 2 + SLACK, "the allowlist to be read")
    wait_for(lambda: lab.node.hosts() == {stays_.address4}, SLACK, "the reload's withdrawal")


def since(node, address):
    return next(
        datetime.fromisoformat(one["since"]) for one in node.show()["bindings"] if one["address"] == address
    )


HANGS = "#!/bin/sh\nsleep 2\necho Error: of the test >&2\nexit 1\n"
"""In place of nft, for which a reload that sets `enforce` waits."""


def test_systemd_is_notified_and_only_the_loop_feeds_the_watchdog(lab):
    """READY, RELOADING and STOPPING come in order; while the loop waits, nothing feeds the watchdog."""
    lab.node.write("/run/nft", HANGS)
    lab.node.run("chmod", "755", "/run/nft")
    lab.node.run("mount", "--bind", "/run/nft", "/usr/sbin/nft")
    with closing(Systemd(lab.node)) as systemd:
        daemon = start(lab.node, "env", "NOTIFY_SOCKET=/run/notify", "WATCHDOG_USEC=600000")
        assert systemd.messages()[0] == {"READY": "1", "STATUS": "0 bindings on 2 ports"}
        learn(lab, *lab.guests)
        wait_for(lambda: systemd.messages()[-1].get("STATUS") == "4 bindings on 2 ports", SLACK, "the status")
        fed = systemd.fed()
        wait_for(lambda: systemd.fed() >= fed + 5, 1 + SLACK, "the watchdog to be fed, each 0.2 s")

        lab.node.write("/etc/rdnbr/rdnbr.toml", "enforce = true\n")
        asked = time.monotonic_ns() // 1000
        wait_for(lambda: systemd.kinds() == ["READY", "RELOADING"], 2 + SLACK, "the reload")
        reloading = systemd.last("RELOADING")
        assert reloading["RELOADING"] == "1"
        assert asked <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        wait_for(lambda: systemd.kinds() == ["READY", "RELOADING", "READY"], 2 + SLACK, "its end")
        assert systemd.fed_between("RELOADING", "READY") == 0
        fed = systemd.fed()
        wait_for(lambda: systemd.fed() > fed, SLACK, "the watchdog to be fed again")

        assert daemon.stop() == 0
        assert systemd.kinds() == ["READY", "RELOADING", "READY", "STOPPING"]
