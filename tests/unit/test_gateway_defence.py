"""Addresses of a segment that a guest claims: the others hear the right MAC, and no guest can cause a flood."""

from dataclasses import replace

import pytest
from dialogue import BRIDGE, World

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.interfaces import InterfaceAddress
from rdnbr.core.policy.local_addresses import LocalAddresses

OWN = {
    "169.254.0.1": 32,
    "169.254.1.1": 32,
    "169.254.169.254": 32,
    "10.0.0.1": 24,
    "fe80::1": 64,
    "fe80::2": 64,
    "2001:678::1": 64,
}
ADDRESSES = tuple(InterfaceAddress(BRIDGE.index, parse_ip(text), length) for text, length in OWN.items())
TOLD = ["tell tap1i0 of the gateway", "tell tap2i0 of the gateway"]


def world(**settings: object) -> World:
    here = World("2.57.57.0/24", all_said=False)
    here.engine.segment_changed(here.now, replace(BRIDGE, addresses=ADDRESSES))
    own = frozenset(entry.address for entry in ADDRESSES) | {parse_ip("198.51.100.1")}
    here.engine.local_addresses_changed(here.now, LocalAddresses(own))
    here.plugs("tap2i0")
    return here


def told(lines: list[str]) -> list[str]:
    return [line for line in lines if "tell" in line]


@pytest.mark.parametrize("address", OWN)
def test_each_address_of_the_segment_is_defended(address: str):
    """Whichever address of the segment a guest claims, all ports hear the right MAC at once."""
    here = world()
    alice = here.guest("alice", "tap1i0", address)
    lines = alice.announces()
    assert f"refused {address} alice@tap1i0: own-address" in lines
    assert sorted(told(lines)) == TOLD


def test_address_of_another_interface_is_not_announced():
    """The node does not answer for its uplink's address on the segment, and does not announce it there either."""
    here = world()
    lines = here.guest("alice", "tap1i0", "198.51.100.1").announces()
    assert lines == ["refused 198.51.100.1 alice@tap1i0: own-address"]


def test_claims_of_all_addresses_are_answered_one_after_the_other():
    """If a guest claims all addresses at once, one of them is announced at a time, every 0.2 s."""
    here = world()
    alice = here.guest("alice", "tap1i0", *OWN)
    lines = [line for address in OWN for line in alice.announces(address)]
    assert sorted(told(lines)) == TOLD
    moments = [float(line.split()[0]) for line in told(here.runs(9))]
    assert moments == [pytest.approx(0.2 * (1 + number // 2), abs=0.011) for number in range(12)]


def test_address_that_is_removed_is_not_announced():
    """An announcement that waits for its turn is not sent if the segment lost the address meanwhile."""
    here = world()
    alice = here.guest("alice", "tap1i0", *OWN)
    alice.announces("169.254.0.1")
    alice.announces("169.254.1.1")
    here.engine.segment_changed(here.now, BRIDGE)
    assert told(here.runs(30)) == []
    assert here.engine._services._defence.next_deadline() is None
