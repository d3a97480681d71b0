"""newest-wins: the metric of a guest's route, and when it changes."""

from dataclasses import replace

import pytest
from dialogue import BRIDGE, MAIN, Guest, World

from rdnbr.core.bindings.route_metric import RENEWALS, RENEWED_EVERY, REVIEWED
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.med_timestamp import ERA, TICK, metric_of_stamp, tick_at
from rdnbr.core.model.settings import Limits, PortPolicy, Routes, Settings

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.57.0/24\n2001:678::/64"
NEWEST = Settings(mobility="newest-wins")
ERA_BEGINS = 53 * ERA * TICK
MIDDLE = ERA_BEGINS + 15_000_000
"""Seconds since 1970, in the middle of an era."""


def node(allow: str | None = ALLOW, wall: float = MIDDLE, settings: Settings = NEWEST) -> World:
    world = World(allow, settings)
    world.engine.set_clock(world.now, wall)
    return world


def settled(allow: str | None = ALLOW) -> tuple[World, Guest]:
    """Return a node on which alice arrived ten seconds ago."""
    world = node(allow)
    alice = world.guest("alice", "tap1i0", V4, V6)
    for address in (V4, V6):
        alice.announces(address)
    world.runs(10)
    return world, alice


def metric(world: World, address: str = V4) -> int:
    return world.wanted[Key(MAIN, parse_ip(address))].metric


def adopt(world: World, metric: int | None, address: str = V4) -> int:
    mac = parse_mac("52:02:45:00:00:01")
    world.carries_out(
        world.engine.adopt(world.now, Key(MAIN, parse_ip(address)), mac, BRIDGE.index, None, metric)
    )
    return world.wanted[Key(MAIN, parse_ip(address))].metric


def test_without_newest_wins_the_metric_is_the_kernel_s():
    """By default the routes of all nodes have the kernel's metric, whenever the guest arrived."""
    world = node(settings=Settings())
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.announces(V4)
    alice.announces(V6)
    assert (metric(world, V4), metric(world, V6)) == (0, 1024)
    world.runs(10)
    assert alice.announces(V4) == [f"refreshed {V4} alice@tap1i0 valid: evidence"]


def test_constant_metrics_can_be_set():
    """A configured constant replaces the kernel's metric; 0 is 1024 for IPv6."""
    world = node(settings=Settings(routes=Routes(metric_ipv4=7, metric_ipv6=0)))
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.announces(V4)
    alice.announces(V6)
    assert (metric(world, V4), metric(world, V6)) == (7, 1024)


def test_the_metric_is_the_time_of_arrival():
    """The later the arrival, the lower the metric, by one each two seconds; both families alike."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.announces(V4)
    alice.announces(V6)
    bob = world.guest("bob", "tap2i0", "2.57.57.31")
    world.runs(20)
    bob.announces()
    assert metric(world, V4) == metric(world, V6) == metric(world, "2.57.57.31") + 10


def test_the_time_of_installation_counts():
    """An address that must answer first has the time of its answer."""
    world = node(allow=None)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    alice.announces()
    world.now += 2.9
    alice.answers()
    assert metric(world) == metric_of_stamp(tick_at(MIDDLE + 2.9), tick_at(MIDDLE))


def test_probes_and_answers_renew_nothing():
    """A guest that stays and is probed every half minute keeps its metric."""
    world = node()
    world.guest("alice", "tap1i0", V4).announces()
    before = metric(world)
    world.runs(600)
    assert world.routes() == [f"{V4} alice"]
    assert metric(world) == before


def test_an_announcement_renews():
    """A guest that announces itself may have been on another node: it has arrived again."""
    world, alice = settled()
    before = metric(world)
    for address in (V4, V6):
        assert alice.announces(address) == [
            f"refreshed {address} alice@tap1i0 valid: evidence",
            f"route {address} to alice",
            f"installed {address} alice@tap1i0 valid: renewed",
        ]
        assert metric(world, address) == before - 5


def test_a_rarp_renews_all_addresses_of_its_mac():
    """QEMU announces a guest by its MAC alone: all addresses of that MAC on the port have arrived again."""
    world, alice = settled()
    before = metric(world)
    alice.shows_up()
    assert metric(world, V4) == metric(world, V6) == before - 5


def test_a_rarp_from_another_port_renews_nothing():
    """A RARP with another guest's MAC only causes a probe of that guest."""
    world = node()
    world.guest("alice", "tap1i0", V4).announces()
    mallory = world.guest("mallory", "tap2i0", V4, mac="52:02:45:00:00:01", awake=False)
    world.runs(10)
    before = metric(world)
    mallory.shows_up()
    world.runs(10)
    assert metric(world) == before


def test_answer_to_a_foreign_dad_renews_nothing():
    """A guest that answers another guest's DAD has not moved, although the allowlist permits both."""
    for allow in (ALLOW, f"{ALLOW}\n{V6} port=tap1i0"):
        world, alice = settled(allow)
        mallory = world.guest("mallory", "tap2i0", V6, awake=False)
        before = metric(world, V6)
        for _ in range(5):
            mallory.does_dad()
            world.now += 0.1
            alice.announces(V6)
            world.runs(10)
        assert metric(world, V6) == before


def test_announcement_some_time_after_a_foreign_dad_renews():
    """Two seconds after a foreign DAD, an announcement is no longer an answer to it."""
    world, alice = settled()
    mallory = world.guest("mallory", "tap2i0", V6, awake=False)
    before = metric(world, V6)
    mallory.does_dad()
    world.runs(2.0)
    alice.announces(V6)
    assert metric(world, V6) < before


def test_announcement_after_own_dad_renews():
    """A guest that does DAD when it arrives, and then announces itself, has arrived."""
    world, alice = settled()
    before = metric(world, V6)
    alice.does_dad(V6)
    alice.announces(V6)
    assert metric(world, V6) < before


def test_dad_on_another_bridge_does_not_prevent_a_renewal():
    """A guest on another bridge does not receive the DAD, so its announcement is no answer to it."""
    world, alice = settled()
    world.carries_out(world.engine.segment_changed(world.now, replace(BRIDGE, index=2, name="vmbr2")))
    world.plugs("tap2i0", segment=2)
    mallory = world.guest("mallory", "tap2i0", V6, awake=False)
    before = metric(world, V6)
    mallory.does_dad()
    alice.announces(V6)
    assert metric(world, V6) < before


def test_other_use_of_an_address_renews_nothing():
    """Every guest sends ARP requests and neighbour solicitations all day: they renew nothing."""
    world, alice = settled()
    before = metric(world)
    for address in (V4, V6):
        assert alice.asks_gateway(address) == [f"refreshed {address} alice@tap1i0 valid: evidence"]
    assert metric(world, V4) == metric(world, V6) == before


def test_one_renewal_a_tick():
    """Announcements are repeated at once; the repetition renews nothing."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    world.runs(10)
    assert len(alice.announces()) == 3
    assert len(alice.announces()) == 1
    world.runs(2)
    assert len(alice.announces()) == 3


@pytest.mark.slow
def test_guest_that_announces_itself_all_day_is_renewed_seldom():
    """An address announced every 5 s is renewed about two dozen times at first, then once in ten minutes."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    renewals = 0
    for _ in range(86_400 // 5):
        world.runs(5)
        renewals += any("renewed" in line for line in alice.announces())
    assert (RENEWALS, RENEWED_EVERY) == (24, 600.0)
    assert 86_400 // 600 <= renewals <= 24 + 86_400 // 600


def test_forty_addresses_are_renewed_at_once():
    """The first announcements of a guest that returns renew all its addresses."""
    addresses = [f"2.57.57.{number}" for number in range(40)]
    world = node(settings=Settings(mobility="newest-wins", port=PortPolicy(addresses_ipv4=40)))
    alice = world.guest("alice", "tap1i0", *addresses)
    for address in addresses:
        alice.announces(address)
    world.runs(20)
    assert all(any("renewed" in line for line in alice.announces(address)) for address in addresses)


def test_renewals_keep_to_the_port_s_rate():
    """A port with more addresses than it may claim at once renews as many a second as it may claim."""
    addresses = [f"2.57.57.{number}" for number in range(60)]
    policy = PortPolicy(addresses_ipv4=20, addresses_ipv6=20, new_addresses_per_second=1)
    world = node(
        settings=Settings(
            mobility="newest-wins",
            port=policy,
            ports={"tap1i0": PortPolicy(addresses_ipv4=60, addresses_ipv6=20)},
        )
    )
    alice = world.guest("alice", "tap1i0", *addresses)
    for address in addresses:
        alice.announces(address)
    world.runs(20)
    world.engine.configure(world.now, Settings(mobility="newest-wins", limits=Limits(), port=policy))
    renewed = [any("renewed" in line for line in alice.announces(address)) for address in addresses]
    assert renewed == [True] * 40 + [False] * 20


def test_a_move_between_ports_is_an_arrival():
    """A guest that appears on another port may have been anywhere before."""
    world = node()
    world.guest("alice", "tap1i0", V4, mac="52:02:45:00:00:01", awake=False).announces()
    alice = world.guest("alice", "tap2i0", V4, mac="52:02:45:00:00:01")
    world.runs(10)
    before = metric(world)
    alice.announces()
    world.runs(4)
    assert world.state(V4) == "valid alice@tap2i0"
    assert metric(world) < before


def test_a_vip_that_fails_over_is_renewed_by_its_announcement():
    """A vip belongs to the member that announced it last, of two on one node and a third elsewhere."""
    world = node(f"2.57.57.0/24\n{V4} vip")
    world.guest("alice", "tap1i0", V4).announces()
    bob = world.guest("bob", "tap2i0", V4)
    world.runs(10)
    before = metric(world)
    bob.announces()
    assert metric(world) == before - 5


def test_anycast_keeps_its_metric():
    """Several nodes announce an anycast address, all with the same metric."""
    world, alice = settled(f"{ALLOW}\n{V4} anycast\n{V6} anycast")
    for address in (V4, V6):
        alice.announces(address)
    assert (metric(world, V4), metric(world, V6)) == (0, 1024)


def test_a_rule_that_becomes_anycast_changes_the_metric():
    """A reload that makes a rule anycast removes the timestamp; the next reload restores the same one."""
    world = node()
    world.guest("alice", "tap1i0", V4).announces()
    before = metric(world)
    world.runs(10)
    world.reloads(f"{ALLOW}\n{V4} anycast")
    assert world.ticks() == [f"route {V4} to alice"]
    assert metric(world) == 0
    world.reloads(ALLOW)
    world.runs(1)
    assert metric(world) == before


def test_a_restart_keeps_the_metric():
    """An adopted route keeps its metric, also after its guest's first frame: BGP sees no change."""
    before = metric_of_stamp(tick_at(MIDDLE - 5_000_000), tick_at(MIDDLE))
    world = node()
    assert adopt(world, before) == before
    world.guest("alice", "tap1i0", V4)
    world.runs(60)
    assert world.state(V4) == "valid alice@tap1i0"
    assert metric(world) == before


def test_constant_metrics_become_the_oldest_timestamp():
    """On a node that changes to newest-wins, routes with the constant metric get the oldest timestamp."""
    world = node()
    assert adopt(world, 0, V4) == adopt(world, 1024, V6) == 16_777_215
    world = node(settings=Settings(mobility="newest-wins", routes=Routes(metric_ipv4=9_999_999)))
    assert adopt(world, 9_999_999) == 16_777_215


def test_timestamps_become_the_constant_metric():
    """On a node that changes from newest-wins, routes get the constant metric."""
    world = node(settings=Settings())
    assert adopt(world, 5_000_000) == 0
    assert adopt(world, 5_000_000, V6) == 1024


def test_a_reload_switches_to_newest_wins_and_back():
    """The engine records arrival times in either mode: after the change the order is right at once."""
    world = node(settings=Settings())
    world.guest("alice", "tap1i0", V4).announces()
    world.runs(10)
    world.guest("bob", "tap2i0", "2.57.57.31").announces()
    world.engine.configure(world.now, NEWEST)
    world.ticks()
    assert metric(world, V4) - metric(world, "2.57.57.31") == 5
    world.engine.configure(world.now, Settings())
    world.runs(1)
    assert metric(world, V4) == metric(world, "2.57.57.31") == 0


@pytest.mark.slow
def test_a_change_of_mobility_is_limited_in_rate():
    """Each change is a BGP update: no more than 200 routes change in a second, and all of them do."""
    addresses = [f"2.57.{number >> 8}.{number & 255}" for number in range(256, 756)]
    many = PortPolicy(addresses_ipv4=500)
    world = node("2.57.0.0/16", settings=Settings(port=many))
    alice = world.guest("alice", "tap1i0", *addresses)
    for address in addresses:
        alice.announces(address)
        world.now += 0.1
    world.engine.configure(world.now, Settings(mobility="newest-wins", port=many))
    assert REVIEWED == 200
    assert sum(line.startswith("route") for line in world.ticks()) == 200
    said = world.runs(1.5)
    assert sum(" route " in line for line in said) == 200
    world.runs(1)
    assert all(metric(world, address) > 1024 for address in addresses)


def test_a_new_era_changes_all_metrics():
    """When the metrics of an era are used up, all routes move to the oldest end, and later arrivals are newer."""
    world = node(wall=ERA_BEGINS - 5000)
    world.guest("alice", "tap1i0", V4).announces()
    assert metric(world) < 10_000
    world.runs(4990)
    assert metric(world) < 10_000
    assert world.engine.next_deadline() is not None
    said = world.runs(11)
    assert sum(f"route {V4}" in line for line in said) == 1
    assert metric(world) == 16_777_215
    bob = world.guest("bob", "tap2i0", "2.57.57.31")
    bob.announces()
    assert metric(world, "2.57.57.31") == 16_777_215 - 1_800


def test_restart_after_the_end_of_an_era():
    """The daemon finds the newest metrics of the old era, and changes them to the oldest of the new one."""
    world = node(wall=ERA_BEGINS + 100)
    assert adopt(world, 5) == adopt(world, 10_000_000, V6) == 16_777_215


def test_the_engine_has_a_deadline_at_the_end_of_an_era():
    """The engine has a deadline at the end of an era; with a constant metric nothing happens."""
    wall = ERA_BEGINS - 500
    assert round(node(wall=wall).engine.next_deadline()) == 500
    assert node(wall=wall, settings=Settings()).engine.next_deadline() is None


def test_a_clock_step_changes_no_metric():
    """A step of the wall clock, by hours ahead or an hour back, changes no route; only later timestamps follow it."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    before = metric(world)
    for wall in (MIDDLE - 3500, MIDDLE + 7200, MIDDLE + 3700):
        world.engine.set_clock(world.now, wall)
        world.runs(40)
        assert metric(world) == before


def test_a_clock_set_back_makes_no_guest_older():
    """A guest that announces itself after the clock was set back half an hour keeps its newer timestamp."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    before = metric(world)
    world.engine.set_clock(world.now, MIDDLE - 1800)
    world.runs(10)
    alice.announces()
    assert metric(world) == before


def test_timestamps_of_a_clock_that_was_hours_ahead_become_oldest():
    """Timestamps of a hardware clock in local time are oldest after NTP has set the clock back."""
    world = node(wall=MIDDLE + 7200)
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    world.engine.set_clock(world.now, MIDDLE)
    world.runs(10)
    assert metric(world) == 16_777_215
    alice.announces()
    assert metric(world) == metric_of_stamp(tick_at(MIDDLE + 10), tick_at(MIDDLE))


def test_timestamps_of_a_clock_that_was_years_ahead_become_oldest():
    """A node booted in 2038: once its clock is right, its guests are oldest until they announce themselves again."""
    world = node(wall=2_150_000_000)
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    world.engine.set_clock(world.now, MIDDLE)
    world.runs(10)
    assert metric(world) == 16_777_215
    alice.announces()
    assert metric(world) == metric_of_stamp(tick_at(MIDDLE + 10), tick_at(MIDDLE))


def test_timestamps_of_a_clock_that_was_in_1970_become_oldest():
    """A node without a clock battery: timestamps from before the clock was set are oldest."""
    world = node(wall=30.0)
    world.guest("alice", "tap1i0", V4).announces()
    world.engine.set_clock(world.now, MIDDLE)
    world.runs(1)
    assert metric(world) == 16_777_215
