"""Commands of an operator while the daemon runs, and after."""

import json
import os
import sys

import pytest

from rdnbr.lab import wait_for
from tests.e2e.node_view import flush

pytestmark = pytest.mark.root


def learned(lab):
    """Wait until all guests are learned."""
    for guest in lab.guests:
        guest.configure()
        guest.ping_gateways()
    wait_for(lambda: len(lab.node.hosts()) == 2 * len(lab.guests), 10, "all guests to be routed")


def test_flush_without_a_daemon(lab):
    """Without a daemon, `flush` removes one address or all of rdnbr's entries, and no others."""
    lab.node.start_daemon()
    learned(lab)
    lab.node.stop_daemon()
    lab.node.ip("route add 203.0.113.1/32 dev vmbr1")
    first = lab.guest(0).address(4)

    done = lab.node.rdnbr("flush", first)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "no daemon answers, so the kernel itself is looked at: removed 1 route and 1 neighbour\n"
    )
    assert len(lab.node.hosts()) == 3
    assert lab.node.rdnbr("flush", first).returncode == 1

    assert lab.node.rdnbr("flush", "--all").stdout.endswith("removed 3 routes and 3 neighbours\n")
    assert lab.node.hosts() == set()
    assert lab.node.run("ip", "neigh", "show", "nud", "permanent") == ""
    assert lab.node.run("ip", "route", "show", "203.0.113.1") != ""


def test_flush_by_a_wrong_socket(lab):
    """While a daemon runs, `flush` with another socket than the daemon's removes nothing."""
    lab.node.start_daemon()
    learned(lab)
    hosts = lab.node.hosts()
    done = lab.node.rdnbr("flush", "--all", "--socket", "/run/rdnbr/typo.sock")
    assert done.returncode == 1
    assert lab.node.daemon is not None
    assert f"process {lab.node.daemon.pid} is a daemon of this network namespace" in done.stderr
    assert lab.node.hosts() == hosts


def test_flush(lab):
    """The daemon withdraws the address, and learns it again from the guest's next frame, whichever that is."""
    lab.node.start_daemon()
    learned(lab)
    guest = lab.guest(0)
    flush(lab.node, guest.address(4), guest.address(4))
    guest.ip("neigh flush dev eth0")
    guest.ping_gateways()
    wait_for(lambda: guest.address(4) in lab.node.hosts(), 10, "the guest to be learned again")


def test_watch(lab):
    """`watch` prints decisions while they happen."""
    lab.node.start_daemon()
    watcher = lab.node.launch("watch", sys.executable, "-m", "rdnbr", "watch", "--json")
    guest = lab.guest(0)
    guest.configure()

    def seen():
        lab.node.rdnbr("flush", "--all")  # once is not enough: the watcher may not be connected yet
        guest.ip("neigh flush dev eth0")
        guest.ping_gateways()
        lines = [json.loads(line) for line in watcher.log.splitlines()]
        return {line["decision"] for line in lines if line["address"] == guest.address(4)}

    wait_for(lambda: seen() >= {"learned", "installed", "withdrawn"}, 10, "the watcher to see it all")
    lab.node.stop_daemon()
    assert watcher.wait() == 0


def test_the_frame_behind_a_refusal(lab):
    """`watch --frames` and `explain` name the refused ARP frame in words; a watcher without the option gets none."""
    guest = lab.guest(0)
    lab.node.write("/etc/rdnbr/allowlist", "192.0.2.1\n")
    lab.node.start_daemon()
    watch = (sys.executable, "-m", "rdnbr", "watch", "--json")
    plain, framed = lab.node.launch("plain", *watch), lab.node.launch("framed", *watch, "--frames")
    guest.configure()

    def refusals(watcher):
        guest.ip("neigh flush dev eth0")
        guest.ping_gateways()
        lines = [json.loads(line) for line in watcher.log.splitlines()]
        return [one for one in lines if (one["decision"], one["address"]) == ("refused", guest.address(4))]

    wait_for(
        lambda: all(refusals(watcher) for watcher in (plain, framed)), 10, "both watchers to see a refusal"
    )
    words = f"who has 169.254.0.1, tell {guest.address(4)} ({guest.mac})"
    assert words in refusals(framed)[0]["frame"]
    assert "frame" not in refusals(plain)[0]
    document = json.loads(lab.node.rdnbr("explain", guest.address(4), "--json").stdout)
    assert words in document["refused_frame"]
    assert words in lab.node.rdnbr("explain", guest.address(4)).stdout.split("lately:")[1]


def test_allowlist_that_changes_is_read(lab):
    """A changed allowlist takes effect without a command."""
    lab.node.start_daemon()
    learned(lab)
    guest = lab.guest(0)
    lab.node.write("/etc/rdnbr/allowlist", f"{guest.address(4)}\n")
    wait_for(lambda: lab.node.hosts() == {guest.address(4)}, 10, "the others to be withdrawn")


def test_log_that_nobody_reads(lab, tmp_path):
    """A blocked reader of the log stops neither the daemon's work nor its end."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        while True:
            os.write(reader, bytes(4096))
    except BlockingIOError:
        pass  # full: the daemon's first line has no space
    script = f"exec {sys.executable} -m rdnbr run --log-level debug 2>{fifo}"
    daemon = lab.node.launch("rdnbr", "sh", "-c", script)
    try:
        wait_for(lambda: lab.node.rdnbr("show").returncode == 0, 10, "the daemon to answer")
        learned(lab)
        assert daemon.stop() == 0
    finally:
        daemon.stop()
        os.close(reader)
