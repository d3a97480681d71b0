"""The interface inventory: whatever events arrive in whatever order, the engine knows what a whole dump would show."""

from hypothesis import example, given
from hypothesis import strategies as st

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.interface_inventory import InterfaceInventory
from rdnbr.core.model.address import MAC, parse_ip
from rdnbr.core.model.interfaces import GUEST_KINDS, InterfaceAddress, Link, NextHop, Port
from rdnbr.core.model.served_segments import served_segments
from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.local_addresses import node_local_addresses

BRIDGES, TAPS, VRF = (1, 2), (10, 11, 12), 3
links = st.one_of(
    st.builds(
        lambda index, name, master, up, carrier, mac, kind: Link(
            index,
            f"{name}{index}",
            kind,
            MAC(bytes(5) + bytes([mac])),
            master,
            up=up,
            carrier=carrier,
            lower=1 if kind == "macvlan" else None,
        ),
        st.sampled_from(TAPS),
        st.sampled_from(["tap", "veth"]),
        st.sampled_from([*BRIDGES, None, VRF]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 2),
        st.sampled_from(["tun", "tun", "veth", None, "dummy", "macvlan"]),
    ),
    st.builds(
        lambda index, name, master, up, kind: Link(
            index, f"{name}{index}", kind, MAC(b"\x02" + bytes(5)), master, up=up, carrier=True
        ),
        st.sampled_from([*BRIDGES, 10]),
        st.sampled_from(["vmbr", "br"]),
        st.sampled_from([VRF, None]),
        st.booleans(),
        st.sampled_from(["bridge", "bridge", "dummy"]),
    ),
    st.builds(
        lambda table: Link(VRF, "blue", "vrf", MAC(bytes(6)), None, up=True, carrier=True, table=table),
        st.sampled_from([100, 101]),
    ),
)
addresses = st.builds(
    InterfaceAddress,
    st.sampled_from([*BRIDGES, 10, 11]),
    st.sampled_from([parse_ip(text) for text in ("169.254.0.1", "2.57.57.1", "fe80::1", "fe80::2")]),
    st.sampled_from([24, 32]),
)
next_hops = st.frozensets(
    st.builds(
        NextHop,
        st.sampled_from([parse_ip("2.57.57.30"), parse_ip("2001:678::80")]),
        st.sampled_from([*BRIDGES, 10, None]),
    )
)
events = st.lists(
    st.one_of(
        st.tuples(st.just("link"), links),
        st.tuples(st.just("link"), links),
        st.tuples(st.just("gone"), st.sampled_from([*BRIDGES, *TAPS, VRF])),
        st.tuples(st.just("address"), addresses),
        st.tuples(st.just("address"), addresses),
        st.tuples(st.just("no address"), addresses),
        st.tuples(st.just("globs"), st.sampled_from([(), ("vmbr*",), ("br1",)])),
        st.tuples(st.just("no socket"), st.sampled_from(TAPS)),
        st.tuples(st.just("next hops"), next_hops),
        st.tuples(st.just("update"), st.none()),
    ),
    max_size=40,
)


class Naive:
    """All links and addresses, from which everything is computed at once."""

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        self.addresses: dict[InterfaceAddress, None] = {}
        self.globs: tuple[str, ...] = ()
        self.next_hops: frozenset[NextHop] = frozenset()

    def check(self, engine: Engine, inventory: InterfaceInventory) -> None:
        there, own = list(self.links.values()), list(self.addresses)
        served = served_segments(there, own, self.globs)
        assert dict(engine.segments) == {segment.index: segment for segment in served}
        indexes = {segment.index for segment in served}
        guests = [link for link in there if link.master in indexes and link.kind in GUEST_KINDS]
        running = [link for link in guests if link.up and link.carrier]
        assert dict(engine.ports) == {
            link.index: Port(link.index, link.name, link.master) for link in running
        }
        local = engine._policy.authorization.local_addresses
        assert local == node_local_addresses(there, own, served, self.next_hops)
        closed = indexes - {link.master for link in there if link.kind not in {*GUEST_KINDS, "dummy", "ifb"}}
        assert local.next_hops == {hop.address for hop in self.next_hops if hop.device not in closed}
        assert local.macs == {
            (place, link.mac)
            for link in there
            for place in (link.index if link.kind == "bridge" else None, link.master, link.lower)
            if place is not None and any(link.mac)
        }
        assert sorted(inventory.guest_ports()) == sorted(link.name for link in guests)
        assert sorted(inventory.segments(), key=lambda segment: segment.index) == sorted(
            served, key=lambda segment: segment.index
        )


VMBR1 = Link(1, "vmbr1", "bridge", MAC(b"\x02" + bytes(5)), VRF, up=True, carrier=True)
BLUE = Link(VRF, "blue", "vrf", MAC(bytes(6)), None, up=True, carrier=True, table=100)
TAP = Link(10, "tap10", "tun", MAC(bytes(5) + b"\x01"), 1, up=True, carrier=True)


@given(events)
@example(
    [
        ("globs", ("vmbr*",)),
        ("link", VMBR1),
        ("update", None),
        ("link", BLUE),
        ("update", None),
        ("gone", VRF),
    ]
)
@example(
    [("globs", ("vmbr*",)), ("link", TAP), ("link", VMBR1), ("update", None), ("gone", 1), ("link", VMBR1)]
)
def test_engine_knows_what_a_dump_would_show(steps: list[tuple[str, object]]):
    """After each update the engine has the segments, ports and local addresses of all links and addresses at once."""
    engine, inventory, naive = Engine(Settings(), None), InterfaceInventory(), Naive()
    for now, (event, what) in enumerate([*steps, ("update", None)]):
        match event:
            case "link":
                naive.links[what.index] = what
                inventory.link_changed(what)
            case "gone":
                # As the kernel watcher does: at once, since the next event may give the ifindex to another device.
                naive.links.pop(what, None)
                naive.addresses = {one: None for one in naive.addresses if one.index != what}
                inventory.link_gone(what)
                engine.port_gone(now, what)
                engine.segment_gone(now, what)
            case "address":
                naive.addresses[what] = None
                inventory.address_changed(what)
            case "no address":
                naive.addresses.pop(what, None)
                inventory.address_gone(what)
            case "globs":
                naive.globs = what
                inventory.set_globs(what)
            case "next hops":
                naive.next_hops = what
                inventory.set_next_hops(what)
            case "no socket":
                engine.port_gone(now, what)
                inventory.mark_changed(what)
            case "update":
                inventory.update_engine(now, engine)
                naive.check(engine, inventory)
