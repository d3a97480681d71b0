"""Packets hint at who uses an address, for a while, once each; and only the answer counts."""

from dataclasses import replace
from itertools import pairwise

import guest_frames
import pytest
from dialogue import BRIDGE, Guest, World

from rdnbr.core.model.settings import SecondsOrNever, Settings, Timers

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.57.0/24\n2001:678::/64"
MAC = "52:02:45:00:00:01"


def sends(world: World, source: str, mac: str = MAC, port: str = "tap1i0") -> list[str]:
    return world.hears(port, guest_frames.packet(mac, source))


def listening(lines: list[str]) -> list[str]:
    return [line for line in lines if "listen" in line]


@pytest.mark.parametrize("allow", [None, ALLOW])
@pytest.mark.parametrize("address", [V4, V6])
def test_guest_that_only_sends_packets_is_found(allow: str | None, address: str):
    """It is asked, answers, and is routed; with an allowlist too, for a packet proves nothing."""
    world = World(allow)
    world.guest("alice", "tap1i0", address)
    assert sends(world, address) == [
        f"learned {address} alice@tap1i0 tentative: awaiting-answer",
        f"ask alice@tap1i0 for {address}",
    ]
    assert world.runs(0.01)[:2] == [
        f"0.00 installed {address} alice@tap1i0 valid: answered",
        f"0.00 route {address} to alice",
    ]
    assert [view.source for view in world.engine.snapshot()] == ["data"]


def test_forged_source_is_asked_and_held_against_its_port():
    """Where the packet came from nobody answers: no route, and the next packet is not heard."""
    world = World(ALLOW)
    world.guest("alice", "tap1i0", awake=False)
    sends(world, V4)
    assert world.runs(4)[-1] == f"3.00 expired {V4} alice@tap1i0: silent"
    assert world.guests[0].asks_gateway(V4) == [f"refused {V4} alice@tap1i0: quarantined"]


def test_source_that_somebody_has_means_nothing():
    """Anybody can write any source: the guest that has the address is not even asked."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    world.guest("mallory", "tap2i0", mac="52:02:45:00:00:66")
    assert sends(world, V4, "52:02:45:00:00:66", "tap2i0") == [f"ignored {V4} mallory@tap2i0: no-hint"]
    assert sends(world, V4) == [f"ignored {V4} alice@tap1i0: no-hint"]


@pytest.mark.parametrize("source", ["9.9.9.9", "2.57.57.1"])
def test_what_nobody_permits_is_no_refusal(source: str):
    """Guests send from what they like; that is counted apart from claims that are refused."""
    world = World(f"{ALLOW}\ndeny 2.57.57.1")
    world.plugs("tap1i0")
    sends(world, source)
    assert world.counted("tap1i0") == {"no-hint": 1}


def test_only_the_first_packet_of_a_source_is_looked_at():
    """The others are what they are outside of the window, and change nothing."""
    world = World(ALLOW, all_said=True)
    world.guest("alice", "tap1i0", V4)
    assert listening(sends(world, V4)) == [f"listen to tap1i0 without {V4}"]
    assert sends(world, V4) == ["ignored on tap1i0: not-arp-or-ndp"]
    assert listening(sends(world, V6)) == [f"listen to tap1i0 without {V4}, {V6}"]
    assert sends(world, V6) == ["ignored on tap1i0: not-ndp"]


@pytest.mark.parametrize(
    "source", ["0.0.0.0", "169.254.3.3", "127.0.0.1", "224.0.0.5", "::", "fe80::3", "ff02::1"]
)
def test_special_sources_are_no_hints(source: str):
    """Nobody can have them."""
    world = World(ALLOW)
    world.plugs("tap1i0")
    sends(world, source)
    assert set(world.counted("tap1i0")) <= {"not-arp-or-ndp", "not-ndp"}


def learned(world: World, *addresses: str, name: str = "alice", port: str = "tap1i0") -> Guest:
    """Let a guest use its addresses, and return it."""
    guest = world.guest(name, port, *addresses)
    for address in addresses:
        guest.asks_gateway(address)
    return guest


def test_window_closes_where_both_families_are_routed():
    """Ten seconds after the port appeared its guest is known, and its packets stay in the kernel."""
    world = World(ALLOW, all_said=True)
    assert world.plugs("tap1i0") == ["listen to tap1i0 without exception"]
    learned(world, V4, V6)
    assert listening(world.runs(60)) == ["10.00 listen to tap1i0 no more"]
    assert sends(world, "2.57.57.31") == ["ignored on tap1i0: not-arp-or-ndp"]


@pytest.mark.parametrize("address", [V4, V6])
@pytest.mark.parametrize("allow", [None, ALLOW])
def test_first_packet_may_come_late(allow: str | None, address: str):
    """A guest that sends its first packet ten minutes after its port came up is found by it."""
    world = World(allow, all_said=True)
    world.guest("alice", "tap1i0", address)
    assert listening(world.runs(600)) == []
    sends(world, address)
    world.runs(0.01)
    assert world.routes() == [f"{address} alice"]


@pytest.mark.parametrize(("known", "late", "family"), [(V4, V6, "IPv6"), (V6, V4, "IPv4")])
def test_family_that_a_port_lacks_is_looked_at(known: str, late: str, family: str):
    """Where one family is routed, only packets of the other are read; then its first packet ends that."""
    world = World(ALLOW, all_said=True)
    world.guest("alice", "tap1i0", known, late).asks_gateway(known)
    assert listening(world.runs(600)) == [f"10.00 listen to tap1i0 for {family} without exception"]
    assert sends(world, known)[0].startswith("ignored on tap1i0: not-")
    assert listening(sends(world, late)) == [f"listen to tap1i0 for {family} without {late}"]
    assert listening(world.runs(60)) == ["610.00 listen to tap1i0 no more"]
    assert world.routes() == [f"{known} alice", f"{late} alice"]


@pytest.mark.parametrize("address", [V4, V6])
def test_port_that_loses_its_routes_is_looked_at_again(address: str):
    """A guest that was withdrawn for its silence, and then sends a packet, is found by it."""
    world = World(ALLOW, all_said=True)
    alice = learned(world, V4, V6)
    world.runs(20)
    alice.awake = False
    assert listening(world.runs(90))[-1].endswith("listen to tap1i0 without exception")
    assert world.routes() == []
    alice.awake = True
    sends(world, address)
    world.runs(0.01)
    assert f"{address} alice" in world.routes()


def test_segment_without_a_gateway_of_a_family_is_not_looked_at_for_it():
    """Nobody could be probed in that family."""
    world = World(ALLOW, all_said=True)
    world.engine.segment_changed(world.now, replace(BRIDGE, gateway6=None))
    learned(world, V4)
    assert listening(world.runs(60)) == ["10.00 listen to tap1i0 no more"]


def test_source_that_came_to_nothing_is_looked_at_again_ever_more_seldom():
    """A guest that answered no probe may answer the next; what is never permitted costs less and less."""
    world = World(ALLOW, all_said=True)
    world.plugs("tap1i0")
    world.runs(60)
    times = []
    for _ in range(300):
        times += [line.split()[0] for line in world.runs(10) if line.endswith("without exception")]
        sends(world, "9.9.9.9")
    assert times[:6] == ["80.00", "110.00", "160.00", "250.00", "420.00", "730.00"]
    assert {round(float(later) - float(former)) for former, later in pairwise(times[6:])} == {310}


def test_rarp_opens_the_window():
    """On a migration's target the guest comes long after its port."""
    world = World(ALLOW, all_said=True)
    alice = learned(world, V4, V6)
    world.runs(60)
    assert listening(alice.shows_up()) == ["listen to tap1i0 without exception"]
    assert listening(world.runs(11)) == ["70.00 listen to tap1i0 no more"]


def test_rarp_keeps_the_window_open():
    """Who is announced shortly before it would close has the whole time."""
    world = World(ALLOW, all_said=True)
    alice = learned(world, V4, V6)
    world.runs(9)
    assert listening(alice.shows_up()) == []
    assert listening(world.runs(11)) == ["19.00 listen to tap1i0 no more"]


def test_new_mac_opens_the_window():
    """A guest behind a guest may send nothing but packets after its first frame, whatever that is."""
    world = World(ALLOW, all_said=True)
    learned(world, V4, V6)
    world.runs(60)
    nested = world.guest("nested", "tap1i0", "2.57.57.31")
    lines = nested.says(guest_frames.router_solicitation(nested.mac))
    assert listening(lines) == ["listen to tap1i0 without exception"]
    sends(world, "2.57.57.31", nested.mac)
    world.runs(0.01)
    assert "2.57.57.31 nested" in world.routes()
    assert listening(world.runs(11)) == ["70.00 listen to tap1i0 no more"]


def test_many_sources_close_the_window():
    """Who sends from many sources forges them, or routes for others; a RARP does not open it again before its time."""
    world = World("9.9.9.9", all_said=True)
    alice = world.guest("alice", "tap1i0")
    lines = [line for number in range(40) for line in sends(world, f"2.57.57.{number}")]
    assert listening(lines)[-1] == "listen to tap1i0 no more"
    assert len(listening(lines)) == 8
    assert world.counted("tap1i0") == {"no-hint": 8, "not-arp-or-ndp": 32}
    world.runs(9.9)
    assert listening(alice.shows_up()) == []
    assert listening(world.runs(0.2)) == ["10.00 listen to tap1i0 without exception"]


@pytest.mark.parametrize("seconds", [20, 5])
def test_configuration_ends_and_starts_the_windows(seconds: float):
    """With `data_window = 0` no packet is read any more; with another value ports that lack routes are looked at."""
    world = World(ALLOW, all_said=True)
    world.plugs("tap1i0")
    world.runs(seconds)
    world.engine.configure(world.now, Settings(timers=Timers(data_window=SecondsOrNever(0.0))))
    assert listening(world.ticks()) == ["listen to tap1i0 no more"]
    assert world.runs(60) == []
    world.engine.configure(world.now, Settings())
    assert listening(world.ticks()) == ["listen to tap1i0 without exception"]


def test_window_of_no_length_never_opens():
    """Who wants no packet looked at says 0."""
    world = World(ALLOW, Settings(timers=Timers(data_window=0.0)), all_said=True)
    alice = world.guest("alice", "tap1i0", V4)
    assert listening(alice.shows_up()) == []
    assert sends(world, V4) == ["ignored on tap1i0: not-arp-or-ndp"]


@pytest.mark.parametrize("mac", ["01:02:45:00:00:01", "00:00:00:00:00:00"])
def test_packet_without_a_sender_is_no_hint(mac: str):
    """A group and nobody are no guests."""
    world = World(ALLOW)
    world.plugs("tap1i0")
    sends(world, V4, mac)
    assert world.engine.snapshot() == []


@pytest.mark.parametrize("source", [V4, V6])
def test_packet_cut_short_is_no_hint(source: str):
    """Without its whole header it tells no source."""
    world = World(ALLOW)
    world.plugs("tap1i0")
    header = 14 + (40 if ":" in source else 20)
    world.hears("tap1i0", guest_frames.packet(MAC, source)[: header - 1])
    assert world.engine.snapshot() == []
