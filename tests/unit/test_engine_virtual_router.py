"""Virtual routers: several guests share a MAC, and name it in frames that they may send from their own MAC."""

import pytest
from dialogue import Guest, World

from rdnbr.core.model.address import parse_ip, parse_mac, show_mac
from rdnbr.core.model.virtual_router_mac import is_virtual_router_mac

V4, V6, OTHER = "2.57.57.30", "2001:678::80", "2.57.57.31"
SHARED = "00:00:5e:00:01:0a"
CARD_A, CARD_B = "52:02:45:00:00:0a", "52:02:45:00:00:0b"


def sent_from(card: str, frame: bytes) -> bytes:
    """Return the frame as a card sends it that keeps its own MAC as the Ethernet source."""
    return frame[:6] + parse_mac(card) + frame[12:]


class Router(Guest):
    """A guest that has the virtual MAC, and sends from its card."""

    card = CARD_A

    def says(self, frame: bytes) -> list[str]:
        return super().says(sent_from(self.card, frame))


def router(world: World, port: str, card: str, *addresses: str) -> Router:
    made = Router(world, port, port, SHARED, addresses)
    made.card = card
    if port not in world.indexes:
        world.plugs(port)
    world.guests.append(made)
    return made


def physical_mac(world: World, address: str = V4) -> str | None:
    found = next(one.physical_mac for one in world.engine.snapshot() if one.address == parse_ip(address))
    return None if found is None else show_mac(found)


@pytest.mark.parametrize(
    "mac",
    [
        *("00:00:5e:00:01:00", "00:00:5e:00:01:ff", "00:00:5e:00:02:01", "00:00:0c:07:ac:0a"),
        *("00:00:0c:9f:f0:00", "00:00:0c:9f:ff:ff", "00:05:73:a0:00:01", "00:05:73:a0:0f:ff"),
    ],
)
def test_macs_of_virtual_routers(mac: str):
    """VRRP and CARP for IPv4, VRRP for IPv6, HSRP of both versions, and of version 2 for IPv6."""
    assert is_virtual_router_mac(parse_mac(mac))


@pytest.mark.parametrize(
    "mac",
    [
        *("00:00:5e:00:00:01", "00:00:5e:00:03:01", "00:00:5e:00:52:13", "00:00:0c:07:ab:0a"),
        *("00:00:0c:9f:e0:00", "00:05:73:a0:10:00", "00:07:b4:00:01:01", "52:02:45:76:d2:35"),
    ],
)
def test_other_macs(mac: str):
    """Their neighbours in the registry, GLBP and a guest's own MAC are none."""
    assert not is_virtual_router_mac(parse_mac(mac))


@pytest.mark.parametrize("address", [V4, V6])
@pytest.mark.parametrize("allow", ["2.57.57.0/24\n2001:678::/64", None])
def test_virtual_mac_is_the_neighbour(address: str, allow: str | None):
    """The binding has the virtual MAC, and knows the MAC that the frames come from."""
    world = World(allow)
    one = router(world, "tap1i0", CARD_A, address)
    one.announces()
    world.runs(1)
    assert world.routes() == [f"{address} tap1i0"]
    assert world.wanted.popitem()[1].mac == parse_mac(SHARED)
    assert physical_mac(world, address) == CARD_A


@pytest.mark.parametrize(
    ("rule", "routed"),
    [
        (f"{V4} mac={CARD_A}", True),
        (f"{V4} mac={SHARED}", True),
        (f"{V4} mac={CARD_B}", False),
        (f"2.57.57.0/24\ndeny {V4} mac={CARD_A}", False),
        (f"2.57.57.0/24\ndeny {V4} mac={SHARED}", False),
        (f"2.57.57.0/24\ndeny {V4} mac={CARD_B}", True),
    ],
)
def test_rule_names_either_mac(rule: str, routed: bool):
    """`mac=` means the card or the virtual MAC, to permit and to deny, also when the rule comes later."""
    world = World(rule)
    router(world, "tap1i0", CARD_A, V4).announces()
    assert bool(world.routes()) is routed
    world = World("2.57.57.0/24")
    router(world, "tap1i0", CARD_A, V4).announces()
    world.reloads(rule)
    assert bool(world.routes()) is routed


def test_later_frames_from_the_virtual_mac_are_its_own():
    """A rule that names the card permits the frames of the binding that do not show the card."""
    world = World(f"{V4} mac={CARD_A}")
    one = router(world, "tap1i0", CARD_A, V4)
    one.announces()
    world.runs(1)
    one.card = SHARED
    assert one.asks_gateway() == [f"refreshed {V4} tap1i0@tap1i0 valid: evidence"]
    world.unplugs("tap1i0")
    world.plugs("tap1i0", 10)
    one.announces()
    world.reloads(f"{V4} mac={CARD_A} vip")
    assert world.routes() == [f"{V4} tap1i0"]


def test_new_frames_from_the_virtual_mac_show_no_card():
    """A rule that names the card does not permit a stranger that sends from the virtual MAC."""
    world = World(f"{V4} mac={CARD_A}")
    assert router(world, "tap1i0", SHARED, V4).announces() == [f"refused {V4} tap1i0@tap1i0: pinned"]


@pytest.mark.parametrize(
    "rule", [f"{V4} mac={CARD_A}", f"{V4} mac={CARD_B} port=tap9i0\n{V4} mac={CARD_A} port=tap1i0"]
)
def test_adopted_address_may_be_of_any_card(rule: str):
    """After a restart the card is not known before the first frame; then the rule decides by it."""
    world = World(rule)
    one = router(world, "tap1i0", CARD_A, V4)
    assert f"adopted {V4} tap1i0@? adopted: found-in-kernel" in world.adopts(V4, one)
    one.card = CARD_B
    assert one.asks_gateway() == [f"refused {V4} tap1i0@tap1i0: pinned"]
    one.card = CARD_A
    assert one.asks_gateway()[0] == f"refreshed {V4} tap1i0@tap1i0 valid: evidence"


def test_denied_card_does_not_deny_what_was_adopted():
    """A rule that denies one card does not withdraw an address whose card is not known yet."""
    world = World(f"2.57.57.0/24\ndeny {V4} mac={CARD_B}")
    one = router(world, "tap1i0", CARD_A, V4)
    assert f"adopted {V4} tap1i0@? adopted: found-in-kernel" in world.adopts(V4, one)


def test_physical_mac_changes_at_the_pace_of_probes():
    """A guest that sends from one MAC after the other changes the binding with answers alone, which are paced."""
    world = World("2.57.57.0/24")
    one = router(world, "tap1i0", CARD_A, V4)
    one.announces()
    world.runs(1)
    one.card = CARD_B
    one.announces()
    assert physical_mac(world) == CARD_A
    world.asks(V4)
    one.answers()
    assert physical_mac(world) == CARD_B


@pytest.mark.parametrize("vip", [" vip", ""])
def test_other_addresses_of_the_mac_follow(vip: str):
    """When one address fails over, the others of that MAC are challenged, and the silent backup loses them."""
    world = World(f"{V4}{vip}\n{V6}{vip}\n{OTHER}{vip}")
    old, new = router(world, "tap1i0", CARD_A, V4, V6, OTHER), router(world, "tap2i0", CARD_B, V4, V6)
    for address in old.addresses:
        old.announces(address)
    world.runs(1)
    old.awake = False
    new.announces(V4)
    world.runs(5)
    assert [world.state(address) for address in (V4, V6)] == ["valid tap1i0@tap2i0"] * 2
    assert world.state(OTHER) == "probing tap1i0@tap1i0"


def test_host_that_answers_keeps_its_other_addresses():
    """A forger that takes a `vip` with a foreign virtual MAC does not get the other addresses of that MAC."""
    world = World(f"{V4} vip\n{OTHER}")
    owner, forger = router(world, "tap1i0", CARD_A, V4, OTHER), router(world, "tap2i0", CARD_B, V4, OTHER)
    for address in owner.addresses:
        owner.announces(address)
    world.runs(1)
    forger.announces(V4)
    world.runs(10)
    assert world.state(OTHER) == "valid tap1i0@tap1i0"
