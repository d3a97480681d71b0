"""Field cases about the node itself: its addresses, its routes and its other interfaces."""

import pytest

from rdnbr.lab import wait_for
from rdnbr.lab.node import BRIDGE
from tests.e2e.learning import learn
from tests.field_case import OWNER, field_case
from tests.guest_frames import announcement

pytestmark = [pytest.mark.root, pytest.mark.slow]

GATEWAYS = {
    "169.254.0.1": 32,
    "169.254.1.1": 32,
    "169.254.169.254": 32,
    "10.0.0.1": 24,
    "fe80::1": 64,
    "fe80::2": 64,
    "2001:db8:57::1": 64,
}
"""Addresses of the bridge. Any of them may be the gateway of a guest."""
WRONG = "52:02:45:ff:00:01"
NEW = "02:00:00:00:00:77"


def give_gateways(node):
    """Give the bridge all its addresses, in an order in which the usual gateways come last."""
    there = node.run("ip", "addr", "show", "dev", BRIDGE)
    added = [f"{address}/{length}" for address, length in GATEWAYS.items()]
    node.ip(*(f"addr del {one} dev {BRIDGE}" for one in added if f" {one} " in there))
    node.ip(*(f"addr add {one} dev {BRIDGE} nodad" for one in reversed(added)))


def set_neighbours(guest, mac, state="reachable"):
    guest.ip(*(f"neigh replace {gateway} lladdr {mac} dev eth0 nud {state}" for gateway in GATEWAYS))


def neighbours(guest):
    """Return the MAC at which the guest has each gateway."""
    lines = {
        gateway: guest.run("ip", "neigh", "show", gateway, "dev", "eth0").split() for gateway in GATEWAYS
    }
    return {gateway: words[words.index("lladdr") + 1] for gateway, words in lines.items()}


def all_at(mac):
    return dict.fromkeys(GATEWAYS, mac)


@field_case(
    OWNER,
    "a guest announces one of several gateway addresses of the bridge (169.254.1.1, 169.254.169.254, fe80::2 …)",
    "the other guests hear the right MAC, of each address",
    within=2,
)
@pytest.mark.parametrize("address", GATEWAYS)
def test_each_gateway_is_defended(lab, within, address):
    victim, thief = lab.guests
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, victim)
    set_neighbours(victim, lab.node.mac)
    thief.send(announcement(thief.mac, address))
    wait_for(lambda: neighbours(victim) == all_at(lab.node.mac), within, "the right MAC")
    told = lab.node.show("counters")["counters"][thief.port]
    assert told["own-address"] == 1


@field_case(
    OWNER,
    "a guest announces all gateway addresses of the bridge, again and again",
    "the other guests hear the right MACs, and no more than five announcements in a second",
    within=13,
)
def test_all_gateways_are_claimed_at_once(lab, within):
    victim, thief = lab.guests
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, victim)
    set_neighbours(victim, lab.node.mac)
    with lab.node.capture(victim.port) as capture:
        for _ in range(20):
            for address in GATEWAYS:
                thief.send(announcement(thief.mac, address))
        wait_for(lambda: neighbours(victim) == all_at(lab.node.mac), within, "the right MACs")
        mac = bytes.fromhex(lab.node.mac.replace(":", ""))
        group = [
            one for one in capture.seen() if one.outgoing and one.frame[6:12] == mac and one.frame[0] & 1
        ]
    moments = sorted(one.at for one in group)
    assert len(moments) >= len(GATEWAYS)
    assert all(later - earlier > 0.9 for earlier, later in zip(moments, moments[5:], strict=False))


@field_case(
    OWNER,
    "a guest arrives that has the MAC of another node for each of several gateway addresses",
    "the guest has this node's MAC for each of them",
    within=2,
)
@pytest.mark.parametrize("restarted", [False, True], ids=["", "after a restart"])
def test_arriving_guest_is_told_of_all_gateways(lab, within, restarted):
    guest = lab.guest(0)
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, guest)
    if restarted:
        lab.node.stop_daemon()
        lab.node.start_daemon()
    set_neighbours(guest, WRONG)
    # The announcement of an arrival is another one 5 s after the first.
    wait_for(
        lambda: guest.announce_mac() or neighbours(guest) == all_at(lab.node.mac),
        5 + within,
        "the node's MAC",
    )


@field_case(
    OWNER,
    "the bridge of several gateway addresses takes another MAC",
    "each guest has the new MAC for each of them",
    within=2,
)
def test_bridge_with_several_gateways_takes_another_mac(lab, within):
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, *lab.guests)
    for guest in lab.guests:
        set_neighbours(guest, lab.node.mac)
    lab.node.ip(f"link set {BRIDGE} address {NEW}")
    for guest in lab.guests:
        wait_for(lambda guest=guest: neighbours(guest) == all_at(NEW), within, "the new MAC")
