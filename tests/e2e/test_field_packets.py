"""Field cases about guests that answer no probe, and still send IP packets from their addresses."""

from contextlib import contextmanager
from threading import Event, Thread

import pytest

from rdnbr.lab import wait_for
from tests.e2e.learning import learn
from tests.e2e.node_view import binding, stays
from tests.field_case import OWNER, ROUTED, field_case
from tests.guest_frames import packet, request

pytestmark = [pytest.mark.root]

QUICK = """
[timers]
reprobe = 1.0
probe_retrans = 0.2
probe_count = 5
adopt_grace = 4.0
"""
"""A quiet guest is probed after a second, and withdrawn 2.6 s later if it answers nothing."""

SILENCE = 5.0
"""Seconds in which a silent guest is withdrawn for certain."""


def start(lab, rule):
    """Start a daemon with short times, and an allowlist that gives each guest its addresses; None: open mode."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", QUICK)
    if rule is not None:
        lines = [
            f"{address} {rule.format(mac=guest.mac)}\n" for guest in lab.guests for address in guest.addresses
        ]
        lab.node.write("/etc/rdnbr/allowlist", "".join(lines))
    lab.node.start_daemon()


def falls_deaf(guest):
    """Let a guest receive no frame any more, and name its addresses in no frame of its own."""
    drop = "chain frames { type filter hook ingress device eth0 priority 0; drop; };"
    guest.run("nft", f"table netdev deaf {{ {drop} }}")
    guest.forget_addresses()


@contextmanager
def sending(guest, *frames):
    """Send frames from a guest, ten times a second."""
    over = Event()

    def send():
        while not over.wait(0.1):
            for frame in frames:
                guest.send(frame)

    for frame in frames:
        guest.send(frame)
    thread = Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def packets(guest):
    """Return a packet from each address of a guest."""
    return [packet(guest.mac, address) for address in guest.addresses]


def gone(lab, *addresses):
    return lambda: not lab.node.hosts() & set(addresses)


@field_case(
    ROUTED,
    "a guest's filter drops all ARP and NDP, so it answers no probe, and the guest goes on sending packets",
    "its packets are evidence for as long as it sends them; then it is withdrawn after the usual silence",
    within=SILENCE,
)
@pytest.mark.parametrize(
    ("rule", "restart"),
    [(None, False), ("mac={mac}", False), ("", True)],
    ids=["open", "mac", "prefix-restart"],
)
def test_guest_answers_nothing_and_sends_packets(lab, within, rule, restart):
    start(lab, rule)
    guest = lab.guest(0)
    learn(lab, guest)
    with sending(guest, *packets(guest)):
        falls_deaf(guest)
        if restart:
            lab.node.stop_daemon()
            lab.node.start_daemon()
        stays(
            lambda: lab.node.hosts() >= set(guest.addresses),
            SILENCE + 2,
            "the routes of the guest that sends packets",
        )
    wait_for(gone(lab, *guest.addresses), within, "the guest that sends no more to be withdrawn")


@field_case(
    OWNER,
    "the same guest, and another one claims its addresses and answers every probe",
    "the guest that sends packets keeps them; the other is ignored for a while (`incumbent-answered`)",
    within=None,
)
@pytest.mark.parametrize("rule", [None, ""], ids=["open", "prefix"])
def test_challenger_of_a_guest_that_only_sends_packets(lab, rule):
    start(lab, rule)
    owner, rival = lab.guests
    learn(lab, owner)
    for address in owner.addresses:
        rival.ip(f"addr add {address}/{32 if '.' in address else 128} dev eth0 nodad")
    claims = [
        request(rival.mac, address, "fe80::1" if ":" in address else "169.254.0.1")
        for address in owner.addresses
    ]
    with sending(owner, *packets(owner)):
        falls_deaf(owner)
        with sending(rival, *claims):
            stays(
                lambda: all(binding(lab.node, one)["mac"] == owner.mac for one in owner.addresses),
                6,
                "the addresses at the guest that sends packets",
            )
    events = lab.node.show("events")["events"]
    kept = {one["address"] for one in events if one["reason"] == "incumbent-answered"}
    assert kept == set(owner.addresses)


@field_case(
    OWNER,
    "a guest falls silent, and another port, or another MAC on its port, sends packets from its addresses",
    "that is no evidence: the silent guest is withdrawn",
    within=SILENCE,
)
@pytest.mark.parametrize("forger", ["another port", "another MAC"])
def test_forged_packets_are_no_evidence(lab, within, forger):
    start(lab, "")
    owner, rival = lab.guests
    learn(lab, owner)
    falls_deaf(owner)
    at, mac = (rival, owner.mac) if forger == "another port" else (owner, rival.mac)
    with sending(at, *(packet(mac, address) for address in owner.addresses)):
        wait_for(gone(lab, *owner.addresses), within, "the silent guest to be withdrawn")
