"""The interface inventory: from links and addresses to the engine's segments, ports and local addresses."""

from dataclasses import replace

import pytest
from dialogue import World

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.interface_inventory import InterfaceInventory
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import InterfaceAddress, Link, NextHop
from rdnbr.core.model.settings import Settings

V4 = "2.57.57.30"
NODE = parse_mac("02:00:00:00:00:01")
BRIDGE = Link(1, "vmbr1", "bridge", NODE, None, up=True, carrier=True)
TAP = Link(10, "tap1i0", "tun", parse_mac("fe:00:00:00:00:10"), 1, up=True, carrier=True)
UPLINK = Link(2, "eth0", None, parse_mac("02:00:00:00:00:02"), None, up=True, carrier=True)
VRF = Link(3, "blue", "vrf", parse_mac("02:00:00:00:00:03"), None, up=True, carrier=True, table=100)
GATEWAY4 = InterfaceAddress(1, parse_ip("169.254.0.1"), 32)
GATEWAY6 = InterfaceAddress(1, parse_ip("fe80::1"), 64)


class Node(World):
    """A world whose engine is driven by an inventory, with one guest that has a route."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.engine = Engine(Settings(), self.engine._policy.authorization.allowlist)
        self.inventory = InterfaceInventory()
        self.inventory.replace_all([BRIDGE, TAP, UPLINK], [GATEWAY4, GATEWAY6])
        self.update()
        self.indexes["tap1i0"] = 10
        self.alice = self.guest("alice", "tap1i0", V4)
        self.alice.asks_gateway()
        self.runs(1)
        assert self.routes() == [f"{V4} alice"]

    def update(self) -> list[str]:
        return self.carries_out(self.inventory.update_engine(self.now, self.engine).outputs)


def node() -> Node:
    return Node("2.57.57.0/24")


def test_unchanged_inventory_changes_nothing():
    """A second update of the engine from the same inventory changes nothing."""
    assert node().update() == []


def test_port_whose_carrier_goes():
    """If a port loses carrier, its routes are withdrawn. If carrier returns, the guest is probed at once."""
    world = node()
    world.inventory.link_changed(replace(TAP, carrier=False))
    assert world.update() == [f"no route {V4}", f"withdrawn {V4} alice@tap1i0 departed: port-gone"]
    world.inventory.link_changed(TAP)
    assert f"ask alice@tap1i0 for {V4}" in world.update()


def test_outputs_before_a_fault_are_not_lost(monkeypatch: pytest.MonkeyPatch):
    """If the engine raises at the second of two ports that go, the next update has the outputs of the first."""
    world = node()
    world.inventory.link_changed(replace(TAP, index=11, name="tap2i0"))
    world.update()
    real = world.engine.port_gone

    def planted(now: float, index: int, **more: bool):
        if index == 11:
            raise RuntimeError
        return real(now, index, **more)

    world.inventory.link_gone(10)
    world.inventory.link_gone(11)
    monkeypatch.setattr(world.engine, "port_gone", planted)
    with pytest.raises(RuntimeError):
        world.update()
    monkeypatch.undo()
    changes = world.inventory.update_engine(world.now, world.engine)
    assert f"no route {V4}" in world.carries_out(changes.outputs)
    assert changes.filtered


def test_port_that_leaves_its_bridge():
    """A device that leaves the bridge is no port any more."""
    world = node()
    world.inventory.link_changed(replace(TAP, master=None))
    assert f"no route {V4}" in world.update()
    assert list(world.engine.ports) == []


def test_bridge_that_is_gone_loses_its_addresses():
    """A bridge that is removed is no segment, and neither is a new bridge with its ifindex and without addresses."""
    world = node()
    world.inventory.link_gone(1)
    assert f"no route {V4}" in world.update()
    world.inventory.link_changed(BRIDGE)
    world.update()
    assert list(world.engine.segments) == []


def test_gateway_address_that_is_removed_and_put_back():
    """A bridge without both gateway addresses is not served; it is served again once one of them returns."""
    world = node()
    world.inventory.address_gone(GATEWAY4)
    assert world.update() == []
    world.inventory.address_gone(GATEWAY6)
    assert f"withdrawn {V4} alice@tap1i0 departed: port-gone" in world.update()
    world.inventory.address_changed(GATEWAY4)
    world.update()
    assert list(world.engine.segments) == [1]
    assert world.alice.asks_gateway()


def test_node_s_own_addresses_are_known():
    """After the node gets an address on another interface, guests may claim neither it nor an address of its prefix.

    An address that has a route keeps the route, until the node itself has it.
    """
    world = node()
    world.inventory.address_changed(InterfaceAddress(2, parse_ip("2.57.57.1"), 25))
    assert world.update() == [f"2.57.57.0/25 covers {V4}"]
    assert world.alice.asks_gateway() == [f"refreshed {V4} alice@tap1i0 valid: evidence"]
    assert world.alice.asks_gateway("2.57.57.7") == ["refused 2.57.57.7 alice@tap1i0: connected-prefix"]
    assert world.alice.asks_gateway("2.57.57.1") == ["refused 2.57.57.1 alice@tap1i0: own-address"]
    world.inventory.address_changed(InterfaceAddress(2, parse_ip(V4), 25))
    assert world.update() == [f"no route {V4}", f"withdrawn {V4} alice@tap1i0: no-longer-permitted"]


@pytest.mark.parametrize("text", [V4, "2001:678::80", "fe80::80"])
def test_next_hop_over_a_segment_is_a_guest(text: str):
    """A guest that is a next hop keeps its route and may claim its address; a router behind another device may not."""
    world = node()
    hop = parse_ip(text)
    world.inventory.set_next_hops(frozenset({NextHop(hop, BRIDGE.index)}))
    assert world.update() == []
    assert world.engine.builtin_refusal(hop) != "next-hop"
    for device in (UPLINK.index, None):
        world.inventory.set_next_hops(frozenset({NextHop(hop, BRIDGE.index), NextHop(hop, device)}))
        said = world.update()
        assert said == (
            [f"no route {V4}", f"withdrawn {V4} alice@tap1i0: no-longer-permitted"] if text == V4 else []
        )
        assert world.engine.builtin_refusal(hop) == "next-hop"
        if text == V4:
            world.inventory.set_next_hops(frozenset())
            world.update()
            world.alice.asks_gateway()


def test_next_hop_over_a_bridge_that_is_served_later():
    """A next hop is a guest from the moment on at which its bridge is served, and as long as the bridge is."""
    world = node()
    hop = parse_ip("2.57.57.77")
    world.inventory.link_changed(replace(BRIDGE, index=4, name="vmbr2"))
    world.inventory.set_next_hops(frozenset({NextHop(hop, 4)}))
    world.update()
    assert world.engine.builtin_refusal(hop) == "next-hop"
    world.inventory.address_changed(replace(GATEWAY4, index=4))
    world.update()
    assert world.engine.builtin_refusal(hop) is None
    world.inventory.address_gone(replace(GATEWAY4, index=4))
    world.update()
    assert world.engine.builtin_refusal(hop) == "next-hop"


@pytest.mark.parametrize(
    ("kind", "refused"), [(None, True), ("bond", True), ("vxlan", True), ("dummy", False), ("veth", False)]
)
def test_next_hop_over_a_bridge_with_an_uplink(kind: str | None, refused: bool):
    """If the bridge has a port that leads elsewhere, the next hop may be a router there, and stays protected."""
    world = node()
    hop = parse_ip("2.57.57.77")
    world.inventory.set_next_hops(frozenset({NextHop(hop, BRIDGE.index)}))
    member = replace(UPLINK, kind=kind, master=BRIDGE.index)
    for change in (member, replace(member, master=None), member):
        world.inventory.link_changed(change)
        world.update()
        expected = "next-hop" if refused and change is member else None
        assert world.engine.builtin_refusal(hop) == expected
    world.inventory.link_gone(member.index)
    world.update()
    assert world.engine.builtin_refusal(hop) is None


@pytest.mark.parametrize(
    ("link", "own"),
    [
        (BRIDGE, True),
        (TAP, True),
        (replace(TAP, index=20, name="vrrp", kind="macvlan", master=None, lower=1), True),
        (UPLINK, False),
        (replace(UPLINK, index=20, name="vrrp", kind="macvlan", lower=2), False),
        (replace(TAP, index=20, name="tap9i0", master=9), False),
    ],
)
def test_mac_of_the_node_counts_on_its_own_segment(link: Link, own: bool):
    """F6: a frame with a MAC of its own segment is reflected or forged; a MAC of another segment may be a guest's."""
    world = node()
    virtual = parse_mac("00:00:5e:00:01:0a")
    world.inventory.link_changed(replace(link, mac=virtual))
    world.update()
    guest = world.guest("bob", "tap1i0", "2.57.57.31", mac="00:00:5e:00:01:0a")
    said = guest.asks_gateway()
    assert (said == ["refused 2.57.57.31 bob@tap1i0: own-mac"]) is own
    assert ("route 2.57.57.31 to bob" in said) is not own


def test_mac_that_the_uplink_takes_withdraws_no_guest():
    """A live guest whose MAC appears on another interface of the node stays, and its frames are evidence."""
    world = node()
    world.inventory.link_changed(replace(UPLINK, mac=parse_mac(world.alice.mac)))
    assert world.update() == []
    world.runs(200)
    assert world.routes() == [f"{V4} alice"]
    assert world.alice.asks_gateway() == [f"refreshed {V4} alice@tap1i0 valid: evidence"]


def test_bridge_that_is_put_into_a_vrf():
    """A bridge that enters a VRF is another segment: routes in the old table are withdrawn there."""
    world = node()
    world.inventory.link_changed(VRF)
    world.inventory.link_changed(replace(BRIDGE, master=3))
    said = world.update()
    assert f"withdrawn {V4} alice@tap1i0 departed: segment-gone" in said
    assert f"no route {V4}" in said
    world.alice.asks_gateway()
    assert [key.table for key in world.wanted] == [100]


def test_bridge_that_is_renamed():
    """A rule may name the bridge. After the bridge is renamed, every address has to be claimed again."""
    world = node()
    world.reloads("2.57.57.0/24 bridge=vmbr1")
    world.inventory.link_changed(replace(BRIDGE, name="vmbr9"))
    world.inventory.set_globs(["vmbr9"])
    assert f"no route {V4}" in world.update()
    assert world.alice.asks_gateway() == [f"refused {V4} alice@tap1i0: pinned"]


def test_port_that_is_renamed():
    """The binding of a port that is renamed stays, and shows the new name."""
    world = node()
    world.inventory.link_changed(replace(TAP, name="tap5i0"))
    assert world.update() == []
    assert world.state(V4) == "valid alice@tap5i0"


def test_ifindex_that_is_reused():
    """If a device in another bridge gets the ifindex of a port, the routes of the old port are withdrawn first."""
    world = node()
    world.inventory.link_changed(replace(BRIDGE, index=4, name="vmbr2"))
    world.inventory.address_changed(replace(GATEWAY4, index=4))
    world.inventory.link_changed(replace(TAP, name="veth7i0", master=4))
    assert f"withdrawn {V4} alice@tap1i0 departed: port-gone" in world.update()
    assert world.wanted == {}


def test_bridges_that_are_named_on_reload():
    """From the next update on, globs select the bridges, and gateway addresses do not."""
    world = node()
    world.inventory.set_globs(["other*"])
    assert f"no route {V4}" in world.update()
    world.inventory.set_globs([])
    world.update()
    assert list(world.engine.ports) == [10]


@pytest.mark.parametrize("kind", ["tun", "veth", "netkit", "macvtap"])
def test_member_of_a_guest_kind_is_a_port(kind: str):
    """A tap, veth, netkit or macvtap in a served bridge leads to a guest."""
    world = node()
    world.inventory.link_changed(replace(TAP, index=11, name="new", kind=kind))
    world.update()
    assert (list(world.engine.ports), world.inventory.guest_ports()) == ([10, 11], ["tap1i0", "new"])


@pytest.mark.parametrize("kind", [None, "vxlan", "geneve", "gretap", "bond", "vlan", "dummy", "bridge"])
def test_member_of_another_kind_is_no_port(kind: str | None):
    """F2: a host behind a tunnel or a physical NIC is served by another node."""
    world = node()
    world.inventory.link_changed(replace(TAP, index=11, name="new", kind=kind))
    world.update()
    assert (list(world.engine.ports), world.inventory.guest_ports()) == ([10], ["tap1i0"])


@pytest.mark.parametrize("change", [{"up": False}, {"carrier": False}])
def test_guest_port_that_does_not_run(change: dict[str, bool]):
    """A port that is down or without carrier is no port of the engine, and its name stays among the guest ports."""
    world = node()
    world.inventory.link_changed(replace(TAP, **change))
    world.update()
    assert (list(world.engine.ports), world.inventory.guest_ports()) == ([], ["tap1i0"])


@pytest.mark.parametrize("master", [None, 2])
def test_tap_outside_of_a_served_bridge(master: int | None):
    """A tap that is in no served bridge is not a guest port."""
    world = node()
    world.inventory.link_changed(replace(TAP, master=master))
    world.update()
    assert world.inventory.guest_ports() == []


def test_address_whose_dad_fails_is_still_one_address():
    """An address keeps its place when its DAD fails, and is gone when it is removed, whatever its flags were."""
    world = node()
    world.inventory.address_changed(replace(GATEWAY6, dad_failed=True))
    world.update()
    assert sorted(world.inventory.own_addresses()) == sorted([GATEWAY4.address, GATEWAY6.address])
    world.inventory.address_gone(GATEWAY6)
    world.update()
    assert world.inventory.own_addresses() == [GATEWAY4.address]
