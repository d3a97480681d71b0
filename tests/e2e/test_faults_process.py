"""Faults of the daemon's control socket, its log and its disk: routing continues, and the daemon recovers."""

import json
import os
import sys
from contextlib import suppress

import pytest

from rdnbr.lab import wait_for
from rdnbr.lab.node import SOCKET
from rdnbr.operator.logging.nonblocking_writer import LINES
from tests.e2e.learning import learn
from tests.e2e.node_view import stays

pytestmark = pytest.mark.root

RUN = f"exec {sys.executable} -m rdnbr run --log-format json"
SOON = 3.0
"""Seconds for something that takes one, on a busy machine."""
MORE_THAN_WAIT = LINES + 2000


def answers(node):
    return node.rdnbr("show").returncode == 0


def start(node, script):
    """Start the daemon by a shell script, and wait until it answers."""
    daemon = node.launch("rdnbr", "sh", "-c", script)
    wait_for(lambda: answers(node), 20, "the daemon to answer")
    return daemon


@pytest.mark.parametrize("what", [SOCKET, "/run/rdnbr"], ids=["file", "directory"])
def test_deleted_socket_is_made_again(lab, what):
    """`rdnbr show` works a second after the control socket or its directory was deleted; the log says so once."""
    daemon = lab.node.start_daemon()
    lab.node.run("rm", "-r", what)
    wait_for(lambda: answers(lab.node), SOON, "the socket")
    assert daemon.log.count("was not there, and was made anew") == 1
    assert "Traceback" not in daemon.log


def test_blocked_log_reports_lost_lines(lab, tmp_path):
    """With a blocked log, guests are learned; when it is read again, its first line is the number of lost lines."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    daemon = start(lab.node, f"{RUN} --log-level debug 2>{fifo}")
    try:
        guest, other = lab.guests
        learn(lab, guest)
        wait_for(lambda: cause_a_log_line(lab.node, guest) > MORE_THAN_WAIT, 30, "more lines than may wait")
        learn(lab, other)
        said = b""
        while b"were lost" not in said or said[-1:] != b"\n":
            with suppress(BlockingIOError):
                said += os.read(reader, 1 << 16)
        assert b"lines of the log were lost: nobody took them" in said.splitlines()[-1]
        assert all(json.loads(line) for line in said.splitlines())
        assert daemon.stop() == 0
    finally:
        daemon.stop()
        os.close(reader)


FULL = f"{RUN} 2>/dev/full"
GONE = f"mkfifo /run/log; true </run/log & {RUN} 2>/run/log"


@pytest.mark.parametrize("script", [FULL, GONE], ids=["full", "gone"])
def test_log_that_cannot_be_written(lab, script):
    """With a log on a full disk, or without its reader, guests are learned and the daemon ends normally."""
    daemon = start(lab.node, script)
    learn(lab, *lab.guests)
    assert daemon.stop() == 0


def cause_a_log_line(node, guest):
    """Let a guest send a frame that causes a log line; return how many were counted so far."""
    for _ in range(500):
        guest.send_gateway_request()
    return sum(node.show("counters")["counters"][guest.port].values())


def fill(node, path):
    """Mount a file system without a free inode."""
    node.run("mkdir", "-p", path)
    node.run("mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1,mode=755", "full", path)
    assert "No space left" in node.attempt("touch", f"{path}/file").stderr


def test_full_disk_at_the_start(lab):
    """With no space in /run/rdnbr and /var guests are learned; a second after there is space, the socket exists."""
    for path in ("/run/rdnbr", "/var"):
        fill(lab.node, path)
    daemon = lab.node.start_daemon("--log-format", "json", ready=False)
    wait_for(lambda: "serving" in daemon.log, 20, "its first words")
    learn(lab, *lab.guests)
    stays(lambda: daemon.log.count("there is no room for the control socket") == 1, 2, "one complaint")
    lab.node.run("mount", "-o", "remount,nr_inodes=10", "/run/rdnbr")
    wait_for(lambda: answers(lab.node), SOON, "the socket")


def test_disk_that_becomes_full(lab):
    """A running daemon is not affected by a full disk: it learns, answers, reloads and ends as always."""
    lab.node.start_daemon()
    fill(lab.node, "/var")
    lab.node.run("mount", "-o", "remount,size=4m", "/run")
    assert "No space left" in lab.node.attempt("dd", "if=/dev/zero", "of=/run/filler", "bs=64k").stderr
    learn(lab, *lab.guests)
    assert lab.node.rdnbr("reload").returncode == 0
    assert len(lab.node.show()["bindings"]) == 4
    assert lab.node.stop_daemon() == 0
