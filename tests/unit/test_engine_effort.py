"""The work of an event, in function calls: what a guest can cause must not grow with the number of bindings."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import guest_frames
import pytest
from dialogue import NODE, World

from rdnbr.core.model.address import parse_mac
from rdnbr.core.model.settings import PortPolicy, Settings

ALLOW = "2.57.0.0/16"
GREEDY = PortPolicy(addresses_ipv4=1000, addresses_ipv6=8, new_addresses_per_second=1000)
SETTINGS = Settings(port=PortPolicy(addresses_ipv4=8, addresses_ipv6=8), ports={"tap1i0": GREEDY})


def effort(event: Callable[[], object]) -> int:
    """Return the number of Python function calls that an event makes."""
    calls = 0

    def count(_frame: object, kind: str, _argument: object) -> None:
        nonlocal calls
        calls += kind == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        event()
    finally:
        sys.setprofile(before)
    return calls


def world_with(count: int) -> World:
    """Return a dialogue in which a guest has `count` addresses."""
    world = World(ALLOW, SETTINGS)
    alice = world.guest("alice", "tap1i0", *(f"2.57.{n >> 8}.{n & 255}" for n in range(count)), awake=False)
    for address in alice.addresses:
        alice.asks_gateway(address)
    return world


def arrival(count: int, *, departed: bool) -> tuple[int, list[str]]:
    """Send RARPs of a MAC with `count` addresses beyond the rate of the port; return the work of the next frame."""
    world = world_with(count)
    alice = world.guests[0]
    if departed:
        world.unplugs("tap1i0")
    mallory = world.guest("mallory", "tap2i0", mac=alice.mac)
    for _ in range(20):
        mallory.shows_up()
    said: list[str] = []
    return effort(lambda: said.extend(mallory.shows_up())), said


@pytest.mark.slow
def test_rarp_beyond_the_rate_costs_the_same_for_any_number_of_bindings():
    """A RARP beyond the port's rate is refused as quickly for a MAC of 300 addresses as for one of 30."""
    for departed in (True, False):
        few, many = arrival(30, departed=departed), arrival(300, departed=departed)
        assert few[0] == many[0]
        assert few[1] == many[1] == ["refused alice@tap2i0: too-many-new"]


def test_another_mac_of_the_node_reauthorizes_nothing():
    """A new tap gives the node one more MAC: that costs no more with 300 bindings than with 30."""
    node = replace(NODE, macs=NODE.macs | {(1, parse_mac("fe:00:00:00:00:01"))})
    works = []
    for count in (30, 300):
        world = world_with(count)
        works.append(effort(partial(world.engine.local_addresses_changed, world.now, node)))
    assert works[0] == works[1]


def test_repeated_rarp_costs_the_same_for_any_number_of_rules():
    """One of many RARPs, each of another MAC, is handled as quickly if 300 rules name the guest as if 30 do."""

    def last_of_many(count: int) -> int:
        addresses = [f"2.57.{n >> 8}.{n & 255}" for n in range(count)]
        world = World("\n".join(f"{address} vm=2" for address in addresses), SETTINGS)
        mallory = world.guest("mallory", "tap2i0", *addresses, awake=False)
        for address in addresses[:8]:
            mallory.asks_gateway(address)
        frames = [guest_frames.rarp(f"52:02:45:00:01:{n:02x}") for n in range(100)]
        for frame in frames[1:]:
            mallory.says(frame)
        return effort(lambda: mallory.says(frames[0]))

    assert last_of_many(300) == last_of_many(30)
