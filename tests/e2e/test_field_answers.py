"""Field cases about guests that answer every probe, whatever it asks for and from whomever it comes."""

import socket
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from rdnbr.core.model.address import parse_mac
from rdnbr.core.wire.probe_frames import answer_frame
from rdnbr.lab import wait_for
from tests.e2e.learning import learn
from tests.e2e.node_view import binding, stays
from tests.field_case import OWNER, field_case

pytestmark = [pytest.mark.root]

QUICK = """
[timers]
reprobe = 1.0
probe_retrans = 0.2
probe_count = 5
adopt_grace = 2.0
"""
"""What is adopted is probed within 2 s. No probe comes from 0.0.0.0 in the first 10 s after the start."""

ETH_P_ALL = 0x0003


@contextmanager
def answering(guest, mac):
    """Let a guest answer every ARP request and every NS at once with one MAC, also those from 0.0.0.0."""
    with guest.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind(("eth0", ETH_P_ALL))
    wire.settimeout(0.1)
    over = Event()

    def answer():
        while not over.is_set():
            try:
                frame, origin = wire.recvfrom(2048)
            except TimeoutError:
                continue
            reply = None if origin[2] == socket.PACKET_OUTGOING else answer_frame(frame, parse_mac(mac))
            if reply is not None:
                wire.send(reply)

    thread = Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        wire.close()


def start(lab, *, allowlist):
    """Start a daemon with short times, with an allowlist or in open mode."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", QUICK)
    if allowlist:
        lab.node.write("/etc/rdnbr/allowlist", "2.57.56.0/21\n2001:678:3a4:100::/64\n")
    lab.node.start_daemon()


def restart_without_neighbours(lab):
    """Let somebody flush the neighbours while the daemon is down."""
    assert lab.node.stop_daemon() == 0
    lab.node.run("ip", "neigh", "flush", "all", "nud", "permanent")
    lab.node.start_daemon()


@field_case(
    OWNER,
    "the neighbours are flushed before a restart, and a guest that was not there before answers every probe",
    "the guest that was there by the bridge's forwarding database gets its address back",
    within=25,
)
@pytest.mark.parametrize(("first", "allowlist"), [("owner", True), ("liar", False)])
def test_liar_that_was_not_there(lab, within, allowlist, first):
    owner, liar = lab.guests if first == "owner" else reversed(lab.guests)
    start(lab, allowlist=allowlist)
    learn(lab, owner)
    with answering(liar, "52:02:45:ff:ff:ff"):
        restart_without_neighbours(lab)
        for address in owner.addresses:
            wait_for(
                lambda: (binding(lab.node, address) or {}).get("mac") == owner.mac,  # noqa: B023
                within,
                f"the owner of {address}",
            )
        stays(lambda: lab.node.hosts() >= set(owner.addresses), 3, "the owner's routes")
        assert {binding(lab.node, address)["mac"] for address in owner.addresses} == {owner.mac}


@field_case(
    OWNER,
    "the same, and the guest that answers every probe was there before",
    "nobody gets the addresses; the log says so once for each, and again after 10 minutes",
    within=None,
)
def test_liar_that_was_there(lab):
    owner, liar = lab.guests
    start(lab, allowlist=True)
    learn(lab, owner, liar)
    with answering(liar, liar.mac):
        restart_without_neighbours(lab)

        def kept():
            events = lab.node.show("events")["events"]
            return [one for one in events if one["reason"] == "several-answers" and one["decision"] == "kept"]

        wait_for(lambda: len(kept()) > 10, 30, "conflicts")
        assert {(binding(lab.node, address) or {}).get("state") for address in owner.addresses} == {"adopted"}
        kept_lines = [line for line in lab.node.daemon.log.splitlines() if "several-answers" in line]
        assert len(kept_lines) <= 12  # four addresses: each is kept, and two answers are refused
