"""newest-wins: which metric a guest's route has, and when it gets another."""

from dataclasses import replace

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
    """Return a node to which alice came ten seconds ago."""
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


def test_without_it_the_metric_is_the_kernel_s():
    """By default all nodes' routes have the same metric, that of the kernel, whenever their guest arrived."""
    world = node(settings=Settings())
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.announces(V4)
    alice.announces(V6)
    assert (metric(world, V4), metric(world, V6)) == (0, 1024)
    world.runs(10)
    assert alice.announces(V4) == [f"refreshed {V4} alice@tap1i0 valid: evidence"]


def test_constant_metrics_can_be_set():
    """A constant other than the kernel's is used; 0 is 1024 for IPv6."""
    world = node(settings=Settings(routes=Routes(metric_ipv4=7, metric_ipv6=0)))
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.announces(V4)
    alice.announces(V6)
    assert (metric(world, V4), metric(world, V6)) == (7, 1024)


def test_a_route_bears_the_time_of_its_guest_s_arrival():
    """The later the guest, the lower the metric, by one each two seconds; both families alike."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.announces(V4)
    alice.announces(V6)
    bob = world.guest("bob", "tap2i0", "2.57.57.31")
    world.runs(20)
    bob.announces()
    assert metric(world, V4) == metric(world, V6) == metric(world, "2.57.57.31") + 10


def test_what_counts_is_when_the_route_was_made():
    """An address that has to answer first bears the time of its answer."""
    world = node(allow=None)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    alice.announces()
    world.now += 2.9
    alice.answers()
    assert metric(world) == metric_of_stamp(tick_at(MIDDLE + 2.9), tick_at(MIDDLE))


def test_questions_and_answers_renew_nothing():
    """A guest that stays and is asked every half minute keeps its metric."""
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
    """QEMU announces a guest by its MAC alone: all it has on that port has arrived again."""
    world, alice = settled()
    before = metric(world)
    alice.shows_up()
    assert metric(world, V4) == metric(world, V6) == before - 5


def test_a_rarp_from_another_port_renews_nothing():
    """Whoever shows another guest's MAC makes that guest be asked, and no more."""
    world = node()
    world.guest("alice", "tap1i0", V4).announces()
    mallory = world.guest("mallory", "tap2i0", V4, mac="52:02:45:00:00:01", awake=False)
    world.runs(10)
    before = metric(world)
    mallory.shows_up()
    world.runs(10)
    assert metric(world) == before


def test_defence_against_another_s_dad_renews_nothing():
    """A guest that tells another's DAD that its address is taken has not moved, permitted though the other may be."""
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


def test_announcement_some_time_after_another_s_dad_renews():
    """Two seconds later it is no answer to that any more."""
    world, alice = settled()
    mallory = world.guest("mallory", "tap2i0", V6, awake=False)
    before = metric(world, V6)
    mallory.does_dad()
    world.runs(2.0)
    alice.announces(V6)
    assert metric(world, V6) < before


def test_announcement_after_one_s_own_dad_renews():
    """A guest that does DAD when it arrives, and then announces itself, has arrived."""
    world, alice = settled()
    before = metric(world, V6)
    alice.does_dad(V6)
    alice.announces(V6)
    assert metric(world, V6) < before


def test_dad_on_another_bridge_does_not_spoil_an_arrival():
    """Who cannot hear it does not answer it."""
    world, alice = settled()
    world.carries_out(world.engine.segment_changed(replace(BRIDGE, index=2, name="vmbr2")))
    world.plugs("tap2i0", segment=2)
    mallory = world.guest("mallory", "tap2i0", V6, awake=False)
    before = metric(world, V6)
    mallory.does_dad()
    alice.announces(V6)
    assert metric(world, V6) < before


def test_other_use_of_an_address_renews_nothing():
    """An ARP request or a neighbour solicitation is what every guest sends all day."""
    world, alice = settled()
    before = metric(world)
    for address in (V4, V6):
        assert alice.asks_gateway(address) == [f"refreshed {address} alice@tap1i0 valid: evidence"]
    assert metric(world, V4) == metric(world, V6) == before


def test_one_renewal_a_tick():
    """An announcement that is repeated at once, as all are, renews only once."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    world.runs(10)
    assert len(alice.announces()) == 3
    assert len(alice.announces()) == 1
    world.runs(2)
    assert len(alice.announces()) == 3


def test_who_announces_itself_all_day_is_renewed_now_and_then():
    """BGP hears of an address announced every 5 s some two dozen times at first, then once in ten minutes."""
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
    """All addresses of a guest that returns are renewed by its first announcements."""
    addresses = [f"2.57.57.{number}" for number in range(40)]
    world = node(settings=Settings(mobility="newest-wins", port=PortPolicy(addresses_ipv4=40)))
    alice = world.guest("alice", "tap1i0", *addresses)
    for address in addresses:
        alice.announces(address)
    world.runs(20)
    assert all(any("renewed" in line for line in alice.announces(address)) for address in addresses)


def test_renewals_keep_to_the_port_s_pace():
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
    """Where a guest was before it turned up on another port, nobody knows."""
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
    """Two members of a cluster on one node, and a third elsewhere: whoever announced it last has it."""
    world = node(f"2.57.57.0/24\n{V4} vip")
    world.guest("alice", "tap1i0", V4).announces()
    bob = world.guest("bob", "tap2i0", V4)
    world.runs(10)
    before = metric(world)
    bob.announces()
    assert metric(world) == before - 5


def test_anycast_keeps_its_metric():
    """Several nodes announce an anycast address, and none of them before the others."""
    world, alice = settled(f"{ALLOW}\n{V4} anycast\n{V6} anycast")
    for address in (V4, V6):
        alice.announces(address)
    assert (metric(world, V4), metric(world, V6)) == (0, 1024)


def test_a_rule_that_becomes_anycast_changes_the_metric():
    """A reload of the allowlist takes the stamp away, and gives it back as it was."""
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
    """An adopted route keeps what it has, when its guest is heard too: BGP sees nothing."""
    before = metric_of_stamp(tick_at(MIDDLE - 5_000_000), tick_at(MIDDLE))
    world = node()
    assert adopt(world, before) == before
    world.guest("alice", "tap1i0", V4)
    world.runs(60)
    assert world.state(V4) == "valid alice@tap1i0"
    assert metric(world) == before


def test_constants_of_a_node_that_stamped_nothing_are_oldest():
    """A node switched to newest-wins would beat all others with its 0; its guests were there before all stamps."""
    world = node()
    assert adopt(world, 0, V4) == adopt(world, 1024, V6) == 16_777_215
    world = node(settings=Settings(mobility="newest-wins", routes=Routes(metric_ipv4=9_999_999)))
    assert adopt(world, 9_999_999) == 16_777_215


def test_stamps_of_a_node_that_stamps_no_more_become_the_constant():
    """And back: a node switched from newest-wins takes part with the constant of the others."""
    world = node(settings=Settings())
    assert adopt(world, 5_000_000) == 0
    assert adopt(world, 5_000_000, V6) == 1024


def test_a_reload_switches_to_newest_wins_and_back():
    """The times of arrival are known all along: after the switch the order is right at once."""
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


def test_a_switch_is_made_at_a_pace():
    """The fabric is told of each route: no more than 200 change in a second, and none is left out."""
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


def test_a_new_era_stamps_all_anew():
    """When the metrics of an era are used up, all routes move to the oldest end, and who comes then is newer."""
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


def test_a_daemon_that_was_stopped_over_the_end_of_an_era():
    """What it finds has the newest metrics of the old era, and gets the oldest of the new one."""
    world = node(wall=ERA_BEGINS + 100)
    assert adopt(world, 5) == adopt(world, 10_000_000, V6) == 16_777_215


def test_the_engine_wakes_when_an_era_ends():
    """Nobody has to speak for that, and with a constant metric nothing happens at all."""
    wall = ERA_BEGINS - 500
    assert round(node(wall=wall).engine.next_deadline()) == 500
    assert node(wall=wall, settings=Settings()).engine.next_deadline() is None


def test_a_clock_that_is_set_stamps_nothing_anew():
    """A step of the wall clock, by hours ahead or an hour back, changes no route; only stamps to come follow it."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    before = metric(world)
    for wall in (MIDDLE - 3500, MIDDLE + 7200, MIDDLE + 3700):
        world.engine.set_clock(world.now, wall)
        world.runs(40)
        assert metric(world) == before


def test_a_clock_set_back_makes_nobody_older():
    """Who announces itself after the clock was set back half an hour keeps its newer stamp."""
    world = node()
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    before = metric(world)
    world.engine.set_clock(world.now, MIDDLE - 1800)
    world.runs(10)
    alice.announces()
    assert metric(world) == before


def test_a_clock_that_was_hours_ahead_is_lived_down():
    """A node whose hardware clock keeps local time: what it stamped before NTP set its clock back is oldest."""
    world = node(wall=MIDDLE + 7200)
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    world.engine.set_clock(world.now, MIDDLE)
    world.runs(10)
    assert metric(world) == 16_777_215
    alice.announces()
    assert metric(world) == metric_of_stamp(tick_at(MIDDLE + 10), tick_at(MIDDLE))


def test_a_clock_that_was_years_ahead_is_lived_down():
    """A node booted in 2038: once its clock is right, its guests are old, and right again when they speak."""
    world = node(wall=2_150_000_000)
    alice = world.guest("alice", "tap1i0", V4)
    alice.announces()
    world.engine.set_clock(world.now, MIDDLE)
    world.runs(10)
    assert metric(world) == 16_777_215
    alice.announces()
    assert metric(world) == metric_of_stamp(tick_at(MIDDLE + 10), tick_at(MIDDLE))


def test_a_clock_that_was_in_1970_is_lived_down():
    """A node without a battery: what it stamped before its clock was set is oldest."""
    world = node(wall=30.0)
    world.guest("alice", "tap1i0", V4).announces()
    world.engine.set_clock(world.now, MIDDLE)
    world.runs(1)
    assert metric(world) == 16_777_215
