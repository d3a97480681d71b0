"""Changes around the bindings: ports, bridges, rules, the node's addresses, commands of an operator, the kernel."""

from dataclasses import replace

import pytest
from dialogue import BRIDGE, MAIN, NODE, World

from rdnbr.core.model.address import IP, parse_ip
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings, Timers
from rdnbr.core.policy.local_addresses import LocalAddresses

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.57.0/24\n2001:678::/64"


def settled(allow: str | None = ALLOW) -> tuple[World, object]:
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(1)
    return world, alice


def test_port_that_goes_withdraws_its_routes():
    """The event that a port is gone withdraws all routes of the port; the routes of other ports stay."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4, V6)
    world.guest("bob", "tap2i0", "2.57.57.31").asks_gateway()
    alice.asks_gateway(V4)
    alice.asks_gateway(V6)
    world.runs(1)
    assert world.unplugs("tap1i0") == [
        f"no route {V4}",
        f"withdrawn {V4} alice@tap1i0 departed: port-gone",
        f"no route {V6}",
        f"withdrawn {V6} alice@tap1i0 departed: port-gone",
    ]
    assert world.routes() == ["2.57.57.31 bob"]


def test_port_that_comes_back_is_probed():
    """When a port is up again, its former addresses are probed: its guest need not send anything."""
    world, _ = settled()
    index = world.indexes["tap1i0"]
    world.unplugs("tap1i0")
    assert world.plugs("tap1i0", index) == [
        f"learned {V4} alice@tap1i0 tentative: arrived",
        f"ask alice@tap1i0 for {V4}",
    ]
    world.runs(1)
    assert world.routes() == [f"{V4} alice"]


def test_port_that_moves_to_another_bridge_is_another_port():
    """The routes of the port are withdrawn; what it claims then is learned on the other bridge."""
    world, alice = settled()
    world.engine.segment_changed(world.now, replace(BRIDGE, index=2, name="vmbr2"))
    index = world.indexes["tap1i0"]
    assert f"withdrawn {V4} alice@tap1i0 departed: port-gone" in world.plugs("tap1i0", index, segment=2)
    alice.asks_gateway()
    assert [host.device for host in world.wanted.values()] == [2]


def test_bridge_that_goes_withdraws_everything():
    """Ports and adopted routes included: nothing is routed over a bridge that is gone."""
    world, alice = settled()
    world.adopts("2.57.57.31", alice)
    world.carries_out(world.engine.segment_gone(world.now, BRIDGE.index))
    assert world.wanted == {}
    assert {str(view.state) for view in world.engine.snapshot()} == {"departed"}
    assert world.reloads("10.0.0.0/8") == []


def test_bridge_that_is_made_again_has_its_guests_probed():
    """When a port joins a bridge that was made again, its former guests are probed, and routed there."""
    world, _ = settled()
    world.carries_out(world.engine.segment_gone(world.now, BRIDGE.index))
    assert world.wanted == {}
    again = replace(BRIDGE, index=9)
    world.engine.segment_changed(world.now, again)
    world.carries_out(world.engine.port_changed(world.now, Port(world.indexes["tap1i0"], "tap1i0", 9)))
    world.runs(0.1)
    assert [host.device for host in world.wanted.values()] == [9]


def test_renamed_port_is_authorized_by_its_new_name():
    """A rule about a port's name applies from the moment when the name changes."""
    world, _ = settled(f"{V4} port=tap1i0")
    index = world.indexes["tap1i0"]
    said = world.carries_out(world.engine.port_changed(world.now, Port(index, "tap7i0", 1)))
    assert said == [f"no route {V4}", f"withdrawn {V4} alice@tap7i0: no-longer-permitted"]


def test_reload_withdraws_what_is_refused_now():
    """A reload withdraws what the new rules refuse, and changes nothing else."""
    world, _ = settled()
    world.guest("bob", "tap2i0", "2.57.57.31").asks_gateway()
    world.runs(1)
    assert world.reloads("2.57.57.31") == [
        f"no route {V4}",
        f"withdrawn {V4} alice@tap1i0: no-longer-permitted",
    ]
    assert world.reloads(None) == []
    assert world.routes() == ["2.57.57.31 bob"]


def test_reload_names_the_rule_that_permits_now():
    """After a reload a binding has the rule of the new file."""
    world, _ = settled()
    assert [view.rule for view in world.engine.snapshot()] == ["allowlist:1"]
    world.reloads(f"# moved down\n\n{V4}")
    assert [view.rule for view in world.engine.snapshot()] == ["allowlist:3"]


def test_reload_after_a_port_is_gone():
    """A departed binding is authorized when it comes back, and not before: its port may no longer exist."""
    world, alice = settled()
    world.unplugs("tap1i0")
    assert world.reloads("2.57.57.31") == []
    world.plugs("tap1i0")
    assert alice.shows_up() == ["ignored alice@tap1i0: unknown-mac"]


def test_address_that_becomes_the_node_s_own_is_withdrawn():
    """A guest's address that becomes the node's own is withdrawn at once, and refused from then on."""
    world, alice = settled()
    node = replace(NODE, addresses=NODE.addresses | {parse_ip(V4)})
    said = world.carries_out(world.engine.local_addresses_changed(world.now, node))
    assert said == [f"no route {V4}", f"withdrawn {V4} alice@tap1i0: no-longer-permitted"]
    assert alice.asks_gateway() == [f"refused {V4} alice@tap1i0: own-address"]


def test_flush_forgets():
    """A flush withdraws one address or all, forgets them, and does not refuse the next claim."""
    world, alice = settled()
    world.guest("bob", "tap2i0", "2.57.57.31").asks_gateway()
    assert world.flushes("2.57.57.99") == []
    assert world.flushes(V4) == [f"no route {V4}", f"withdrawn {V4} alice@tap1i0: flushed"]
    assert world.flushes() == ["no route 2.57.57.31", "withdrawn 2.57.57.31 bob@tap2i0: flushed"]
    assert world.engine.snapshot() == []
    assert f"route {V4} to alice" in alice.asks_gateway()


def test_probe_command_probes_once():
    """The `probe` command sends one probe at once, also during a probe sequence, whose state it does not change."""
    world, alice = settled()
    alice.awake = False
    assert world.asks(V4) == [f"ask alice@tap1i0 for {V4}"]
    assert world.asks(V4) == [f"ask alice@tap1i0 for {V4}"]
    assert world.state(V4) == "probing alice@tap1i0"
    assert world.asks("2.57.57.99") == []


def test_kernel_that_refuses_and_then_accepts():
    """A refusal is reported once, shows as not installed, and ends with the decision that the route is installed."""
    world, _ = settled()
    key = Key(MAIN, parse_ip(V4))

    def refused() -> list[str]:
        return world.carries_out(world.engine.kernel_refused(world.now, key, Reason.FOREIGN_ROUTE))

    assert refused() == [f"refused {V4} alice@tap1i0 valid: foreign-route"]
    assert refused() == []
    assert [view.installed for view in world.engine.snapshot()] == [False]
    accepted = world.carries_out(world.engine.kernel_accepted(world.now, key))
    assert accepted == [f"installed {V4} alice@tap1i0 valid: foreign-route"]
    assert [view.installed for view in world.engine.snapshot()] == [True]
    assert world.carries_out(world.engine.kernel_accepted(world.now, key)) == []


def test_refusal_of_a_withdrawn_address_changes_nothing():
    """A refusal of an address that was withdrawn meanwhile changes nothing."""
    world, _ = settled()
    key = Key(MAIN, parse_ip(V4))
    world.unplugs("tap1i0")
    assert world.engine.kernel_refused(world.now, key, Reason.KERNEL_REFUSED) == []
    assert world.engine.kernel_refused(world.now, Key(MAIN, parse_ip(V6)), Reason.KERNEL_REFUSED) == []


def test_reload_with_fewer_probes_than_were_sent():
    """A reload with a lower probe_count than probes were sent already ends the probe sequence, and raises nothing."""
    world, alice = settled()
    alice.awake = False
    world.runs(40)
    assert world.state(V4) == "probing alice@tap1i0"
    world.engine.configure(world.now, Settings(Timers(probe_count=1)))
    assert world.runs(10)[1].endswith(f"withdrawn {V4} alice@tap1i0 departed: silent")


def test_fault_in_a_reload_costs_one_binding(monkeypatch: pytest.MonkeyPatch):
    """If authorizing one binding raises, the others are authorized by the new allowlist all the same."""
    world = World("2.57.57.0/24")
    guests = [world.guest(f"guest{number}", f"tap{number}i0", f"2.57.57.{number}") for number in range(1, 9)]
    for guest in guests:
        guest.asks_gateway()
    world.runs(1)
    authorization = world.engine._policy.authorization
    real = authorization.authorize

    def planted(address: IP, *arguments: object, **more: bool):
        if address == parse_ip("2.57.57.3"):
            raise RuntimeError
        return real(address, *arguments, **more)

    monkeypatch.setattr(authorization, "authorize", planted)
    with pytest.raises(RuntimeError):
        world.reloads("2.57.58.0/24")
    world.carries_out(world.engine.drain_outputs())
    world.carries_out(world.engine.handle_slice(world.now))
    assert not world.engine.reauthorizing
    assert [line.split()[0] for line in world.routes()] == ["2.57.57.3"]


def test_bindings_that_are_left_come_first(monkeypatch: pytest.MonkeyPatch):
    """Another start in the middle of a reload does not keep the last bindings waiting."""
    monkeypatch.setattr("rdnbr.core.bindings.reauthorization.BINDINGS_AT_ONCE", 2)
    monkeypatch.setattr("rdnbr.core.bindings.reauthorization.CHANGE", 0)
    world = World("2.57.57.0/24")
    for number in range(1, 7):
        world.guest(f"guest{number}", f"tap{number}i0", f"2.57.57.{number}").asks_gateway()
    world.runs(1)
    world.reloads("2.57.57.0/30")  # the first three are still permitted
    assert len(world.routes()) == 6
    for extra in ("192.0.2.1", "192.0.2.2"):
        changed = LocalAddresses(NODE.addresses | {parse_ip(extra)}, NODE.macs)
        world.carries_out(world.engine.local_addresses_changed(world.now, changed))
    assert [line.split()[0] for line in world.routes()] == ["2.57.57.1", "2.57.57.2", "2.57.57.3"]


@pytest.mark.parametrize("allow", [ALLOW, None])
def test_quiet_guests_follow_their_bridge_into_a_vrf(allow: str | None):
    """The bridge has another table then. Quiet guests are probed in both families, and on the way back too."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4, V6)
    alice.asks_gateway(V4)
    alice.asks_gateway(V6)
    world.runs(1)
    for table in (100, MAIN):
        world.loses_segment()
        assert world.wanted == {}
        world.carries_out(world.engine.segment_changed(world.now, replace(BRIDGE, table=table)))
        world.plugs("tap1i0", world.indexes["tap1i0"])
        world.runs(2)
        assert set(world.wanted) == {Key(table, parse_ip(V4)), Key(table, parse_ip(V6))}
