"""`static` rules: routed without a probe while port and MAC are there, and moved by nobody."""

import pytest
from dialogue import World, kinds
from guest_frames import packet

from rdnbr.core.model.settings import PortPolicy, Settings

V4, V6 = "2.57.57.30", "2001:678::80"
MAC, OTHER = "52:02:45:00:00:01", "52:02:45:00:00:02"
families = pytest.mark.parametrize("address", [V4, V6])


def node(rule: str, address: str = V4, more: str = "") -> World:
    return World(f"{address} {rule}\n{more}")


@families
@pytest.mark.parametrize("rule", [f"port=tap1i0 mac={MAC} static", f"vm=1 mac={MAC} static"])
def test_port_and_mac_that_the_rule_names_need_no_frame(rule: str, address: str):
    """The route is there with the port, goes with it, and comes back with it."""
    world = node(rule, address)
    for _ in range(2):
        assert f"route {address} to {MAC}" in world.plugs("tap1i0")
        assert world.runs(1000) == []
        assert f"no route {address}" in world.unplugs("tap1i0")


@families
def test_mac_of_the_rule_is_heard(address: str):
    """Any frame of the MAC is enough, one that does not name the address as well; then it is never probed."""
    world = node(f"mac={MAC} static", address)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    assert world.runs(100) == []
    assert f"route {address} to alice" in alice.announces("fe80::1:2")
    assert world.runs(10_000) == []
    assert world.routes() == [f"{address} alice"]


@families
def test_packet_takes_no_static_address(address: str):
    """A packet from the address proves nothing, and nothing would ever verify it; ARP and NDP of the owner count."""
    world = node("static", address)
    mallory = world.guest("mallory", "tap2i0", awake=False)
    assert mallory.says(packet(mallory.mac, address)) == [f"ignored {address} mallory@tap2i0: no-hint"]
    assert world.routes() == []
    world.guest("alice", "tap1i0", address, awake=False).announces()
    assert world.routes() == [f"{address} alice"]


@families
@pytest.mark.parametrize("how", ["announces", "does_dad", "asks_gateway"])
def test_port_alone_waits_for_the_first_claim(how: str, address: str):
    """Whoever claims it first on the port has it, whatever the frame proves; another frame is not enough."""
    world = node("port=tap1i0 static", address)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    alice.announces("fe80::1:2")
    assert world.routes() == []
    getattr(alice, how)()
    assert world.runs(10_000) == []
    assert world.routes() == [f"{address} alice"]


@families
def test_claim_of_another_guest_changes_nothing(address: str):
    """Nobody can be asked, so the first one keeps it; the refusal says why, and no hold-down begins."""
    world = node("static", address)
    world.guest("alice", "tap1i0", address, awake=False).asks_gateway()
    bob = world.guest("bob", "tap2i0", address)
    for _ in range(3):
        assert bob.asks_gateway()[0] == f"refused {address} bob@tap2i0: static"
        assert bob.announces()[0] == f"refused {address} bob@tap2i0: static"
    world.runs(100)
    assert world.routes() == [f"{address} alice"]


@families
def test_vip_follows_announcements_and_no_other_claim(address: str):
    """`static vip` moves with each announcement, is not probed, and is frozen as any vip that moves too often."""
    world = node("static vip", address)
    alice = world.guest("alice", "tap1i0", address, awake=False)
    bob = world.guest("bob", "tap2i0", address, awake=False)
    alice.asks_gateway()
    assert bob.asks_gateway()[0] == f"refused {address} bob@tap2i0: static"
    for guest in (bob, alice, bob, alice, bob):
        world.runs(2)
        guest.announces()
        assert world.routes() == [f"{address} {guest.name}"]
    assert world.state(address) == "frozen bob@tap2i0"
    assert "ask" not in kinds(world.runs(1000))
    assert world.state(address) == "static bob@tap2i0"


@families
def test_guest_that_is_not_permitted_is_refused_as_ever(address: str):
    """`static` permits nobody more than the rule does."""
    world = node(f"mac={MAC} static", address)
    world.guest("alice", "tap1i0", address)
    bob = world.guest("bob", "tap2i0", address)
    assert bob.asks_gateway()[0] == f"refused {address} bob@tap2i0: pinned"


def test_reload_makes_it_static_and_back():
    """With the flag the probes end; without it they begin, and silence counts."""
    world = World(V4)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(10)
    assert world.reloads(f"{V4} static") == [f"refreshed {V4} alice@tap1i0 static: static"]
    alice.awake = False
    assert world.runs(500) == []
    assert world.reloads(V4) == [
        f"refreshed {V4} alice@tap1i0 probing: awaiting-answer",
        f"ask alice@tap1i0 for {V4}",
    ]
    assert f"withdrawn {V4} alice@tap1i0 departed: silent" in " ".join(world.runs(30))


def test_reload_that_names_port_and_mac_routes_at_once():
    """Nothing need happen on the port."""
    world = World("2.57.57.0/24")
    world.plugs("tap1i0")
    assert f"route {V4} to {MAC}" in world.reloads(f"{V4} port=tap1i0 mac={MAC} static")


def test_reload_that_names_a_mac_that_is_there_routes_at_once():
    """The guest is known by another address."""
    world = World("2.57.57.31")
    alice = world.guest("alice", "tap1i0", "2.57.57.31")
    alice.asks_gateway()
    assert f"route {V4} to alice" in world.reloads(f"2.57.57.31\n{V4} mac={MAC} static")


@pytest.mark.parametrize(
    ("rule", "fdb_port"),
    [("port=tap1i0 static", None), (f"vm=1 mac={MAC} static", None), (f"mac={MAC} static", "tap1i0")],
)
def test_adopted_static_binding_outlives_the_grace(rule: str, fdb_port: str | None):
    """After a restart its port is known by its rule, or by the forwarding database; nobody is asked."""
    world = node(rule)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    world.plugs("tap2i0")
    world.flushes()
    said = world.adopts(V4, alice, fdb_port=fdb_port)
    assert f"refreshed {V4} alice@tap1i0 static: static" in said
    assert world.runs(1000) == []
    assert f"no route {V4}" in world.unplugs("tap1i0")


def test_adopted_static_binding_whose_port_is_not_known_proves_itself_or_goes():
    """Neither the rule nor the bridge knows its port: it is served for the grace; a frame of its MAC settles it."""
    world = node(f"mac={MAC} static")
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    world.adopts(V4, alice)
    world.runs(30)
    alice.announces("fe80::1:2")
    assert world.state(V4) == "static alice@tap1i0"
    world.runs(1000)
    assert world.routes() == [f"{V4} alice"]


def test_port_of_the_forwarding_database_is_corrected_by_the_guest():
    """Anybody could have put it there before the start, so the guest's own claim on another port counts."""
    world = node(f"mac={MAC} static")
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    world.plugs("tap2i0")
    world.adopts(V4, alice, fdb_port="tap2i0")
    assert world.state(V4) == "static alice@tap2i0"
    alice.announces()
    assert world.state(V4) == "static alice@tap1i0"
    clone = world.guest("clone", "tap2i0", V4, mac=MAC)
    assert clone.announces()[0].endswith("@tap2i0: static")
    world.unplugs("tap1i0")
    assert world.routes() == []


def test_flush_forgets_it_until_its_next_frame_or_a_reload():
    """The operator has the last word."""
    rule = f"port=tap1i0 mac={MAC} static"
    world = node(rule)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    assert world.flushes(V4)[0] == f"no route {V4}"
    assert world.runs(1000) == []
    assert f"route {V4} to alice" in alice.announces()
    world.flushes(V4)
    assert f"route {V4} to alice" in world.reloads(f"{V4} {rule}")


def test_operator_can_have_it_probed():
    """`rdnbr probe` sends one probe; silence means nothing."""
    world = node("static")
    world.guest("alice", "tap1i0", V4, awake=False).asks_gateway()
    assert world.asks(V4) == [f"ask alice@tap1i0 for {V4}"]
    assert world.runs(1000) == []


def test_limits_of_the_port_hold():
    """No more addresses than the port may have, however many rules say static."""
    rules = "\n".join(f"2.57.57.{number} port=tap1i0 mac={MAC} static" for number in range(9))
    world = World(rules, Settings(port=PortPolicy(addresses_ipv4=4)))
    world.plugs("tap1i0")
    assert len(world.routes()) == 4


def test_it_is_not_probed_although_the_allowlist_names_it():
    """Discovery asks for what may answer."""
    world = node("port=tap1i0 static")
    assert world.plugs("tap1i0") == []
    assert world.runs(4000) == []
