"""From devices and addresses to what the engine hears of."""

from dataclasses import replace

from dialogue import World

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.interface_inventory import InterfaceInventory
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import InterfaceAddress, Link
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
    """A world that its landscape tells of, with one guest that is routed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.engine = Engine(Settings(), self.engine._authorization.allowlist)
        self.landscape = InterfaceInventory()
        self.landscape.replace_all([BRIDGE, TAP, UPLINK], [GATEWAY4, GATEWAY6])
        self.survey()
        self.indexes["tap1i0"] = 10
        self.alice = self.guest("alice", "tap1i0", V4)
        self.alice.asks_gateway()
        self.runs(1)
        assert self.routes() == [f"{V4} alice"]

    def survey(self) -> list[str]:
        return self.carries_out(self.landscape.update_engine(self.now, self.engine).outputs)


def node() -> Node:
    return Node("2.57.57.0/24")


def test_nothing_new_is_nothing_told():
    """A second look at the same landscape changes nothing."""
    assert node().survey() == []


def test_port_whose_carrier_goes():
    """A guest that is switched off takes its routes along; switched on, it is asked at once."""
    world = node()
    world.landscape.link_changed(replace(TAP, carrier=False))
    assert world.survey() == [f"no route {V4}", f"withdrawn {V4} alice@tap1i0 departed: port-gone"]
    world.landscape.link_changed(TAP)
    assert f"ask alice@tap1i0 for {V4}" in world.survey()


def test_port_that_leaves_its_bridge():
    """A device taken out of the bridge is no port any more."""
    world = node()
    world.landscape.link_changed(replace(TAP, master=None))
    assert f"no route {V4}" in world.survey()
    assert list(world.engine.ports) == []


def test_device_that_is_gone_takes_its_addresses_along():
    """A bridge that is removed is no segment; made anew without addresses it is none either."""
    world = node()
    world.landscape.link_gone(1)
    assert f"no route {V4}" in world.survey()
    world.landscape.link_changed(BRIDGE)
    world.survey()
    assert list(world.engine.segments) == []


def test_gateway_address_that_is_removed_and_put_back():
    """A bridge that loses both gateway addresses is served no more, until one is back."""
    world = node()
    world.landscape.address_gone(GATEWAY4)
    assert world.survey() == []
    world.landscape.address_gone(GATEWAY6)
    assert f"withdrawn {V4} alice@tap1i0 departed: port-gone" in world.survey()
    world.landscape.address_changed(GATEWAY4)
    world.survey()
    assert list(world.engine.segments) == [1]
    assert world.alice.asks_gateway()


def test_node_s_own_addresses_are_known():
    """An address the node gets on another interface is no guest's any more, nor is any in its prefix."""
    world = node()
    world.landscape.address_changed(InterfaceAddress(2, parse_ip("2.57.57.1"), 25))
    assert world.survey() == [f"no route {V4}", f"withdrawn {V4} alice@tap1i0: no-longer-permitted"]
    assert world.alice.asks_gateway() == [f"refused {V4} alice@tap1i0: connected-prefix"]
    assert world.alice.asks_gateway("2.57.57.1") == ["refused 2.57.57.1 alice@tap1i0: own-address"]


def test_bridge_that_is_put_into_a_vrf():
    """In another table the bridge is another segment: what was routed in the old one is withdrawn there."""
    world = node()
    world.landscape.link_changed(VRF)
    world.landscape.link_changed(replace(BRIDGE, master=3))
    said = world.survey()
    assert f"withdrawn {V4} alice@tap1i0 departed: segment-gone" in said
    assert f"no route {V4}" in said
    world.alice.asks_gateway()
    assert [key.table for key in world.wanted] == [100]


def test_bridge_that_is_renamed():
    """Rules may be about the bridge's name: under another one everything has to be claimed again."""
    world = node()
    world.reloads("2.57.57.0/24 bridge=vmbr1")
    world.landscape.link_changed(replace(BRIDGE, name="vmbr9"))
    world.landscape.set_globs(["vmbr9"])
    assert f"no route {V4}" in world.survey()
    assert world.alice.asks_gateway() == [f"refused {V4} alice@tap1i0: pinned"]


def test_port_that_is_renamed():
    """A new name is told, and judged."""
    world = node()
    world.landscape.link_changed(replace(TAP, name="tap5i0"))
    assert world.survey() == []
    assert world.state(V4) == "valid alice@tap5i0"


def test_ifindex_that_changes_hands():
    """When an ifindex is given to a device in another bridge, what it had is withdrawn first."""
    world = node()
    world.landscape.link_changed(replace(BRIDGE, index=4, name="vmbr2"))
    world.landscape.address_changed(replace(GATEWAY4, index=4))
    world.landscape.link_changed(replace(TAP, name="veth7i0", master=4))
    assert f"withdrawn {V4} alice@tap1i0 departed: port-gone" in world.survey()
    assert world.wanted == {}


def test_bridges_that_are_named_on_reload():
    """Globs replace the search for gateway addresses, from the next look on."""
    world = node()
    world.landscape.set_globs(["other*"])
    assert f"no route {V4}" in world.survey()
    world.landscape.set_globs([])
    world.survey()
    assert list(world.engine.ports) == [10]
