"""Field cases about a daemon that is killed, again and again or once, and about who leaves meanwhile."""

import signal
import time
from pathlib import Path

import pytest

from rdnbr.lab import wait_for
from tests.e2e.node_view import monitor
from tests.field_case import CALM, field_case
from tests.netns.filtered import settle

pytestmark = [pytest.mark.root, pytest.mark.slow]

ALLOWED = "2.57.56.0/21\n2001:678:3a4:100::/64\n"
GONE = "table netdev gone {{ {}; }}".format(
    "; ".join(
        f"chain {hook} {{ type filter hook {hook} device eth0 priority 0; drop; }}"
        for hook in ("ingress", "egress")
    )
)
"""The guest receives and sends nothing; its port stays."""
LOOP = "[timers]\nadopt_grace = 10.0\nprobe_retrans = 0.4\n"
"""A probe sequence takes 5.3 s, and with the wait before it 10 s at most."""
LIFE = 2.5
"""Seconds of each run until it is killed."""

modes = pytest.mark.parametrize("allow", [None, ALLOWED], ids=["open", "allowlist"])


def serve(lab, allow, config):
    """Start a daemon that has learned both guests."""
    if allow is not None:
        lab.node.write("/etc/rdnbr/allowlist", allow)
    lab.node.write("/etc/rdnbr/rdnbr.toml", config)
    lab.node.start_daemon()
    settle(lab)


def kill(lab):
    lab.node.daemon.signal(signal.SIGKILL)
    lab.node.daemon.wait()


def lives(lab):
    """Let a daemon live for `LIFE` seconds from its start on, and kill it."""
    daemon = lab.node.start_daemon(ready=False)
    wait_for(lambda: "serving" in daemon.log, 20, "the start")
    time.sleep(LIFE)  # the time of a crash is what the case is about
    kill(lab)


def deleted(watch, guest):
    """Return the lines of a monitor about routes of a guest that were removed."""
    return [
        line
        for line in watch.log.splitlines()
        if "Deleted" in line and set(line.split()) & set(guest.addresses)
    ]


def notes(lab):
    """Return the files of notes for the next start."""
    return list(Path(lab.node.path("/run/rdnbr")).glob("*.adopted"))


@modes
@field_case(
    CALM,
    "rdnbr is killed again and again, before its probes can come to an end; a guest leaves, and its port stays",
    "its routes go within twice `adopt_grace`; a guest that is there keeps its routes throughout",
    within=20,
)
def test_guest_leaves_in_a_crash_loop(lab, within, allow):
    serve(lab, allow, LOOP)
    there, left = lab.guests
    with_routes = monitor(lab.node, "route")
    left.run("nft", GONE)
    kill(lab)
    begun = time.monotonic()
    while lab.node.hosts() & set(left.addresses):
        assert time.monotonic() - begun < within
        lives(lab)
    assert deleted(with_routes, there) == []
    assert lab.node.hosts() == set(there.addresses)
    lab.node.start_daemon()
    wait_for(lambda: notes(lab) == [], within, "the last note to go")
    assert deleted(with_routes, there) == []


@modes
@field_case(
    CALM,
    "a guest leaves while rdnbr is down, and the bridge has forgotten its MAC; other guests stay",
    "it is probed first: its routes go within 15 s (here a third), those of the others stay",
    within=6,
)
def test_guest_left_while_the_daemon_was_down(lab, within, allow):
    serve(lab, allow, "[timers]\nprobe_retrans = 0.3\n")
    there, left = lab.guests
    with_routes = monitor(lab.node, "route")
    kill(lab)
    left.run("nft", GONE)
    lab.node.run("bridge", "fdb", "del", left.mac, "dev", left.port, "master")
    lab.node.start_daemon()
    wait_for(lambda: lab.node.hosts() == set(there.addresses), within, "the routes to go")
    assert deleted(with_routes, there) == []


@field_case(
    CALM,
    "the file of what was asked before a crash is lost, broken, or of another boot; the guests are there",
    "the guests are probed as at a first start, and stay routed",
    within=20,
)
@pytest.mark.parametrize("content", [None, b"", b"\0" * 4096, b"rdnbr adopted, boot of another day\n" * 100])
def test_notes_are_broken(lab, within, content):
    serve(lab, ALLOWED, LOOP)
    with_routes = monitor(lab.node, "route")
    kill(lab)
    lives(lab)
    for file in notes(lab):
        file.unlink() if content is None else file.write_bytes(content)
    lab.node.start_daemon()
    states = lambda: {one["state"] for one in lab.node.show()["bindings"]}  # noqa: E731
    wait_for(lambda: states() <= {"valid", "probing"}, within, "the guests to be verified")
    assert not [line for guest in lab.guests for line in deleted(with_routes, guest)]
