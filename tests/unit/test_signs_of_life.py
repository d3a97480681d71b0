"""A guest that shows that it is there is asked for what it had, and for what the allowlist names."""

import guest_frames
import pytest
from dialogue import Guest, World

from rdnbr.core.model.settings import PortPolicy, Settings

V4, V6, OTHER6 = "2.57.57.30", "2001:678::80", "2001:678::81"
MAC = "52:02:45:00:00:01"
PREFIXES = "2.57.57.0/24\n2001:678::/64"
BY_MAC = f"{V4} mac={MAC}\n{V6} mac={MAC}"
ALLOWLISTS = [None, PREFIXES, BY_MAC]
SIGNS = {
    "router solicitation": guest_frames.router_solicitation(MAC),
    "listener report": guest_frames.listener_report(MAC, V6),
    "solicitation": guest_frames.request(MAC, guest_frames.link_local(MAC), "fe80::1"),
    "advertisement": guest_frames.announcement(MAC, guest_frames.link_local(MAC)),
    "DAD": guest_frames.intent(MAC, guest_frames.link_local(MAC)),
}


def learned(world: World, *addresses: str, name: str = "alice", port: str = "tap1i0") -> Guest:
    """Let a guest use its addresses, until it is routed and its window is closed."""
    guest = world.guest(name, port, *addresses)
    for address in addresses:
        guest.asks_gateway(address)
    world.runs(20)
    assert set(world.routes()) >= {f"{address} {name}" for address in addresses}
    return guest


def paused(world: World, guest: Guest, seconds: float = 90.0) -> None:
    """Let a guest stand still until it is withdrawn."""
    guest.awake = False
    world.runs(seconds)
    assert not [route for route in world.routes() if route.endswith(guest.name)]
    guest.awake = True


@pytest.mark.parametrize("allow", ALLOWLISTS)
@pytest.mark.parametrize("sign", SIGNS)
def test_paused_guest_returns_with_any_frame(allow: str | None, sign: str):
    """A guest that was withdrawn for its silence is asked for what it had, at its first frame that names nothing."""
    world = World(allow)
    alice = learned(world, V4, V6)
    paused(world, alice)
    alice.says(SIGNS[sign])
    world.runs(0.01)
    assert set(world.routes()) == {f"{V4} alice", f"{V6} alice"}


def test_paused_guest_of_two_addresses_returns_with_both():
    """An ARP frame of a guest that has a route again names one of its addresses, and brings the others back."""
    world = World(PREFIXES)
    alice = learned(world, V4, V6, OTHER6)
    paused(world, alice)
    alice.asks_gateway(V4)
    world.runs(0.01)
    assert set(world.routes()) == {f"{one} alice" for one in (V4, V6, OTHER6)}


@pytest.mark.parametrize("allow", ALLOWLISTS)
@pytest.mark.parametrize("address", [V4, V6])
@pytest.mark.parametrize("seconds", [90, 400])
def test_paused_guest_returns_with_a_packet(allow: str | None, address: str, seconds: float):
    """A guest whose gateways are in its neighbour cache is found by its first packet, in either family."""
    world = World(allow)
    alice = learned(world, V4, V6)
    paused(world, alice, seconds)
    alice.says(guest_frames.packet(MAC, address))
    world.runs(0.01)
    assert f"{address} alice" in world.routes()


@pytest.mark.parametrize("allow", ALLOWLISTS)
def test_flushed_guest_returns_by_itself(allow: str | None):
    """A guest that only answers is routed again ten seconds after the flush, in both families."""
    world = World(allow)
    learned(world, V4, V6)
    world.flushes()
    assert world.runs(9.9) == []
    assert world.routes() == []
    world.runs(0.2)
    assert set(world.routes()) == {f"{V4} alice", f"{V6} alice"}


@pytest.mark.parametrize("allow", ALLOWLISTS)
@pytest.mark.parametrize("sign", SIGNS)
def test_flushed_guest_returns_with_any_frame(allow: str | None, sign: str):
    """A frame that names nothing has the flushed addresses of its MAC asked for at once."""
    world = World(allow)
    alice = learned(world, V4, V6)
    world.flushes()
    alice.says(SIGNS[sign])
    world.runs(0.01)
    assert set(world.routes()) == {f"{V4} alice", f"{V6} alice"}


def test_one_flushed_address_of_several_returns():
    """What is flushed alone is asked for alone."""
    world = World(PREFIXES)
    alice = learned(world, V4, V6, OTHER6)
    world.flushes(OTHER6)
    lines = alice.says(SIGNS["solicitation"])
    assert [line for line in lines if line.startswith("ask")] == [f"ask alice@tap1i0 for {OTHER6}"]
    world.runs(0.01)
    assert f"{OTHER6} alice" in world.routes()


def test_who_claims_a_flushed_address_first_has_it():
    """The operator flushed it for another guest: the old one is not asked any more."""
    world = World(PREFIXES)
    learned(world, V4)
    world.flushes()
    learned(world, V4, name="bob", port="tap2i0")
    world.runs(60)
    assert world.routes() == [f"{V4} bob"]


def test_flushed_guest_that_is_gone_is_asked_five_times():
    """Nothing comes of its silence."""
    world = World(PREFIXES)
    alice = learned(world, V4)
    alice.awake = False
    world.flushes()
    lines = world.runs(300)
    assert [line.split(" ", 1)[1] for line in lines] == [f"ask alice@tap1i0 for {V4}"] * 5


def test_flush_before_the_port_goes():
    """A port that goes takes its searches along."""
    world = World(PREFIXES)
    learned(world, V4)
    world.flushes()
    world.unplugs("tap1i0")
    assert world.runs(60) == []


def test_forged_sign_changes_nothing():
    """A thief with the MAC of a silent guest is asked for that guest's addresses, and nothing else comes of it."""
    world = World(PREFIXES)
    alice = learned(world, V4, V6)
    paused(world, alice)
    before = world.engine.snapshot()
    world.guest("mallory", "tap2i0", mac="52:02:45:00:00:66")
    lines = world.hears("tap2i0", SIGNS["listener report"])
    assert [line for line in lines if not line.startswith(("ask", "ignored"))] == []
    assert world.engine.snapshot() == before
    assert all(probe.port == world.indexes["tap2i0"] for probe in world.questions[-2:])
    alice.says(SIGNS["solicitation"])
    world.runs(0.3)  # two ports are asked, so answers are collected for 0.2 s
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.state(V6) == "valid alice@tap1i0"


@pytest.mark.parametrize("sign", SIGNS)
def test_forged_sign_challenges_nobody(sign: str):
    """A guest that is routed is not even asked when somebody on another port has its MAC."""
    world = World(PREFIXES)
    learned(world, V4, V6)
    world.plugs("tap2i0")
    lines = world.hears("tap2i0", SIGNS[sign])
    assert [line for line in lines if not line.startswith("ignored")] == []


def test_signs_of_a_complete_guest_cost_nothing():
    """A guest with routes of both families may send what it likes: nothing is asked and no packet is looked at."""
    world = World(BY_MAC, all_said=True)
    alice = learned(world, V4, V6)
    for frame in SIGNS.values():
        assert [line for line in alice.says(frame) if not line.startswith(("ignored", "tell"))] == []


@pytest.mark.slow
def test_signs_of_an_incomplete_guest_count_ever_more_seldom():
    """A guest without IPv6 is asked for the address that the allowlist names, at growing intervals."""
    world = World(BY_MAC)
    alice = world.guest("alice", "tap1i0", V4)
    asked = []
    for _ in range(3600):
        lines = alice.asks_gateway() + world.runs(1)
        if any(V6 in line for line in lines) and (not asked or world.now - asked[-1] > 5):
            asked.append(world.now)
    assert 5 <= len(asked) <= 40


@pytest.mark.slow
def test_guest_with_many_macs_causes_few_probes():
    """A flood of new MACs takes tokens of its own port, and remembers no more MACs than a port may have."""
    world = World(BY_MAC, Settings(port=PortPolicy(new_addresses_per_second=1)))
    world.plugs("tap1i0")
    for number in range(1000):
        world.hears(
            "tap1i0", guest_frames.router_solicitation(f"52:02:46:00:{number // 256:02x}:{number % 256:02x}")
        )
    assert len(world.engine._signs_of_life._seen[world.indexes["tap1i0"]]) <= 64
    assert world.questions == []


@pytest.mark.parametrize("allow", ALLOWLISTS)
def test_guest_that_the_kernel_knows_is_found_at_the_start(allow: str | None):
    """Before rdnbr ran the node reached its silent guest, in both families; the guest is routed within moments."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4, V6)
    world.runs(5)
    world.finds(alice, V4, V6, guest_frames.link_local(MAC), fdb_port="tap1i0")
    world.runs(0.01)
    assert set(world.routes()) == {f"{V4} alice", f"{V6} alice"}


def test_guest_of_the_forwarding_database_is_found_by_the_allowlist():
    """The bridge knows where its MAC is, and the allowlist which addresses the MAC may have."""
    world = World(BY_MAC)
    alice = world.guest("alice", "tap1i0", V4, V6)
    world.runs(5)
    world.finds(alice, fdb_port="tap1i0")
    world.runs(0.01)
    assert set(world.routes()) == {f"{V4} alice", f"{V6} alice"}


@pytest.mark.parametrize("allow", ALLOWLISTS)
def test_guest_whose_port_is_not_known_is_found_at_its_first_frame(allow: str | None):
    """It was quiet for longer than the bridge remembers, and its first frame names nothing."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4, V6)
    world.runs(5)
    assert world.finds(alice, V4, V6) == []
    alice.says(SIGNS["solicitation"])
    world.runs(0.01)
    assert set(world.routes()) == {f"{V4} alice", f"{V6} alice"}


def test_kernel_entry_of_another_guests_address_means_nothing():
    """A guest can put any address into the kernel's table; what is routed is not asked for."""
    world = World(PREFIXES)
    learned(world, V4, V6)
    mallory = world.guest("mallory", "tap2i0", mac="52:02:45:00:00:66")
    assert world.finds(mallory, V4, V6, "9.9.9.9", fdb_port="tap2i0") == []
    assert world.finds(mallory, V4) == []
    lines = mallory.says(guest_frames.router_solicitation(mallory.mac))
    assert [line for line in lines if line.startswith("ask")] == []


@pytest.mark.parametrize("sign", SIGNS)
def test_guest_of_one_family_that_departs_returns_at_its_first_frame(sign: str):
    """A guest without IPv4 has long been looked for in vain; what departs later is asked for at once nevertheless."""
    world = World(PREFIXES)
    alice = learned(world, V6)
    for _ in range(100):
        alice.asks_gateway()
        world.runs(20)
    paused(world, alice)
    alice.says(SIGNS[sign])
    world.runs(0.01)
    assert world.routes() == [f"{V6} alice"]
