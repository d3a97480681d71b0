"""The source guard: from bindings to the sets of the packet filter."""

import json

import pytest

from rdnbr.core.bindings.source_guard import Contents, Place, PortAddress, Sender, SourceGuard
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.linux.nft import ruleset

FOUR, SIX = parse_ip("2.57.57.30"), parse_ip("2001:678:3a4:100::80")
OTHER = parse_ip("2.57.57.31")
MAC, OTHER_MAC = parse_mac("52:02:45:76:d2:35"), parse_mac("52:02:45:76:d2:36")
SHARED = parse_mac("00:00:5e:00:01:0a")
GATEWAY = parse_ip("fe80::1")


def view(address, port="tap100i0", mac=MAC, state=State.VALID, since=0.0, bridge="vmbr1"):
    return BindingSnapshot(address, mac, port, bridge, None, state, True, Source.NS, since, since, None)


def contents(*views, found=frozenset(), ports=("tap100i0", "tap101i0"), own=()):
    guard = SourceGuard(found)
    guard.set_ports(ports, own)
    for address in dict.fromkeys(one.address for one in views):
        guard.update_address(address, [one for one in views if one.address == address])
    return guard.contents() if guard.ready else None


def test_bound_address_is_in_the_set_of_its_family():
    """A binding of either family adds its port, MAC and address as a sender, and its MAC with its port."""
    assert contents(
        view(FOUR), view(SIX), own=[parse_ip("fe80::5"), parse_ip("2001:db8::1"), FOUR]
    ) == Contents(
        ports=frozenset({"tap100i0", "tap101i0"}),
        own=frozenset({GATEWAY, parse_ip("fe80::5")}),
        bound4=frozenset({Sender("tap100i0", MAC, FOUR)}),
        bound6=frozenset({Sender("tap100i0", MAC, SIX)}),
        addresses4=frozenset({PortAddress("tap100i0", FOUR)}),
        addresses6=frozenset({PortAddress("tap100i0", SIX)}),
        macs=frozenset({MAC}),
        places=frozenset({Place("tap100i0", MAC)}),
    )


@pytest.mark.parametrize("state", State)
def test_senders_are_the_bindings_with_a_route(state):
    """An address is a permitted source exactly as long as it has a route, challenged or not."""
    bound = contents(view(FOUR, state=state)).bound4
    assert bool(bound) == (state.value in {"valid", "probing", "challenged", "frozen", "adopted", "static"})


def test_moved_binding_leaves_its_old_port():
    """After a move the new port may use the address as source, and the old port may not."""
    guard = SourceGuard(())
    guard.update_address(FOUR, [view(FOUR)])
    guard.update_address(FOUR, [view(FOUR, port="tap101i0", since=5.0)])
    assert guard.contents().bound4 == {Sender("tap101i0", MAC, FOUR)}
    assert guard.contents().places == {Place("tap101i0", MAC)}


def test_forgotten_binding_leaves_nothing():
    """An address without a binding is in no set."""
    guard = SourceGuard(())
    guard.update_address(FOUR, [view(FOUR)])
    guard.update_address(FOUR, [])
    assert guard.contents() == Contents(frozenset(), frozenset({GATEWAY}), *[frozenset()] * 6)


def test_one_address_in_two_tables_has_two_senders():
    """If one address is bound in two routing tables, both ports may use it as source."""
    bound = contents(view(FOUR), view(FOUR, port="tap101i0", bridge="vmbr2")).bound4
    assert bound == {Sender("tap100i0", MAC, FOUR), Sender("tap101i0", MAC, FOUR)}


def test_mac_belongs_to_the_port_of_its_oldest_binding():
    """A guest that binds its address to the MAC of another guest on its bridge may not use that address as source."""
    found = contents(view(OTHER, port="tap101i0", since=2.0), view(SIX, since=1.0), view(FOUR, since=3.0))
    assert found.bound4 == {Sender("tap100i0", MAC, FOUR)}
    assert found.bound6 == {Sender("tap100i0", MAC, SIX)}
    assert found.places == {Place("tap100i0", MAC)}


def test_mac_that_a_rule_names_belongs_to_that_guest():
    """A guest that bound its own address to the MAC while the owner's link was down gives the MAC back."""
    owner = view(FOUR, since=2.0)._replace(rule_names_mac=True)
    found = contents(view(OTHER, port="tap101i0", since=1.0), owner)
    assert found.bound4 == {Sender("tap100i0", MAC, FOUR)}
    assert found.places == {Place("tap100i0", MAC)}


def test_mac_may_be_on_two_bridges():
    """The same MAC on another bridge belongs to another guest, and changes nothing on the first bridge."""
    found = contents(view(FOUR), view(OTHER, port="tap101i0", bridge="vmbr2", since=1.0))
    assert found.places == {Place("tap100i0", MAC), Place("tap101i0", MAC)}


def test_adopted_binding_keeps_the_port_that_the_table_knew():
    """After a restart an adopted address keeps the port that the table has for it and its MAC."""
    found = {
        Sender("tap100i0", MAC, FOUR),
        Sender("tap101i0", OTHER_MAC, OTHER),
        Sender("tap101i0", OTHER_MAC, parse_ip("2.57.57.99")),
    }
    adopted = [view(one, port=None, state=State.ADOPTED) for one in (FOUR, OTHER)]
    assert contents(*adopted, found=found).bound4 == {Sender("tap100i0", MAC, FOUR)}


def test_placed_binding_forgets_the_port_of_the_table():
    """Once an adopted address was seen on a port, that port replaces the port in the table."""
    found = {Sender("tap101i0", MAC, FOUR)}
    assert contents(view(FOUR), found=found).bound4 == {Sender("tap100i0", MAC, FOUR)}


def test_first_table_waits_until_every_port_is_known():
    """If there is no table yet, none is written before the port of every adopted address is known."""
    guard = SourceGuard(None)
    assert guard.ready  # which is asked before the first binding is known
    guard.update_address(FOUR, [view(FOUR, port=None, state=State.ADOPTED)])
    assert not guard.ready
    guard.update_address(FOUR, [view(FOUR)])
    assert guard.ready
    assert guard.contents().bound4 == {Sender("tap100i0", MAC, FOUR)}


def virtual(since=0.0, port="tap100i0", card=OTHER_MAC):
    return view(FOUR, port, mac=SHARED, since=since)._replace(physical_mac=card)


def test_virtual_router_sends_from_both_macs():
    """Behind a virtual MAC the card may send as well, and does not belong to the port for that."""
    found = contents(virtual())
    assert found.bound4 == {Sender("tap100i0", SHARED, FOUR), Sender("tap100i0", OTHER_MAC, FOUR)}
    assert (found.macs, found.places) == ({SHARED}, {Place("tap100i0", SHARED)})
    assert found.addresses4 == {PortAddress("tap100i0", FOUR)}


@pytest.mark.parametrize("first", [True, False])
def test_virtual_router_does_not_send_from_the_mac_of_another_port(first):
    """A guest that names a neighbour's MAC as its card may not send from it, whoever was bound first."""
    guard = SourceGuard(())
    claims = [(FOUR, virtual(since=1.0)), (OTHER, view(OTHER, port="tap101i0", mac=OTHER_MAC, since=2.0))]
    for address, one in claims if first else reversed(claims):
        guard.update_address(address, [one])
    assert guard.contents().bound4 == {
        Sender("tap100i0", SHARED, FOUR),
        Sender("tap101i0", OTHER_MAC, OTHER),
    }
    guard.update_address(OTHER, [])
    assert Sender("tap100i0", OTHER_MAC, FOUR) in guard.contents().bound4


def test_virtual_router_that_fails_over_takes_its_mac_along():
    """The virtual MAC belongs to the port of the active guest; the backup may not send from it any more."""
    guard = SourceGuard(())
    guard.update_address(FOUR, [virtual()])
    guard.update_address(FOUR, [virtual(1.0, "tap101i0", MAC)])
    assert guard.contents().places == {Place("tap101i0", SHARED)}
    assert guard.contents().bound4 == {Sender("tap101i0", SHARED, FOUR), Sender("tap101i0", MAC, FOUR)}


def test_card_of_an_adopted_virtual_router_stays_until_it_is_seen():
    """After a restart the filter's own elements say which card sent for the address."""
    found = contents(
        view(FOUR, None, mac=SHARED, state=State.ADOPTED),
        found={Sender("tap100i0", SHARED, FOUR), Sender("tap100i0", OTHER_MAC, FOUR)},
    )
    assert found.bound4 == {Sender("tap100i0", SHARED, FOUR), Sender("tap100i0", OTHER_MAC, FOUR)}


def test_refreshed_binding_changes_nothing():
    """A claim that confirms a binding changes no set."""
    guard = SourceGuard(())
    guard.update_address(FOUR, [view(FOUR)])
    guard.drain_changes()
    guard.update_address(FOUR, [view(FOUR, state=State.PROBING)])
    guard.set_ports((), [FOUR])
    assert not guard.changed
    guard.update_address(FOUR, [view(FOUR, port="tap101i0")])
    assert guard.changed


def test_name_that_would_mean_more_is_left_out():
    """A device name that nft would read as a pattern, or that would end the string, is never written."""
    found = contents(view(FOUR, port="tap*"), ports=("tap*", 'a"b', "tap101i0"))
    assert (found.ports, found.bound4) == ({"tap101i0"}, frozenset())


def test_changes_are_written_as_elements():
    """Only differences are written, removals before additions."""
    guard = SourceGuard(())
    guard.set_ports(("tap100i0", "tap101i0"), ())
    guard.update_address(FOUR, [view(FOUR)])
    guard.update_address(SIX, [view(SIX)])
    guard.drain_changes()
    guard.set_ports(("tap101i0",), ())
    guard.update_address(FOUR, [view(FOUR, port="tap101i0")])
    guard.update_address(SIX, [view(SIX, port="tap101i0")])
    difference = guard.drain_changes()
    assert ruleset.changes(difference).splitlines() == [
        'delete element bridge rdnbr ports { "tap100i0" }',
        'delete element bridge rdnbr bound4 { "tap100i0" . 52:02:45:76:d2:35 . 2.57.57.30 }',
        'add element bridge rdnbr bound4 { "tap101i0" . 52:02:45:76:d2:35 . 2.57.57.30 }',
        'delete element bridge rdnbr bound6 { "tap100i0" . 52:02:45:76:d2:35 . 2001:678:3a4:100::80 }',
        'add element bridge rdnbr bound6 { "tap101i0" . 52:02:45:76:d2:35 . 2001:678:3a4:100::80 }',
        'delete element bridge rdnbr addresses4 { "tap100i0" . 2.57.57.30 }',
        'add element bridge rdnbr addresses4 { "tap101i0" . 2.57.57.30 }',
        'delete element bridge rdnbr addresses6 { "tap100i0" . 2001:678:3a4:100::80 }',
        'add element bridge rdnbr addresses6 { "tap101i0" . 2001:678:3a4:100::80 }',
        'delete element bridge rdnbr bound_targets { "tap100i0" . 0x2001067803a401000000000000000080 }',
        'add element bridge rdnbr bound_targets { "tap101i0" . 0x2001067803a401000000000000000080 }',
        'delete element bridge rdnbr places { "tap100i0" . 52:02:45:76:d2:35 }',
        'add element bridge rdnbr places { "tap101i0" . 52:02:45:76:d2:35 }',
        'delete element bridge rdnbr option_places { "tap100i0" . 0x52024576d235 }',
        'add element bridge rdnbr option_places { "tap101i0" . 0x52024576d235 }',
    ]
    assert ruleset.changes(guard.drain_changes()) == ""


def test_listed_senders_are_read():
    """Senders are read from the JSON that nft lists."""
    listed = """{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"name": "rdnbr"}},
        {"set": {"name": "bound4", "elem": [{"concat": ["tap100i0", "52:02:45:76:d2:35", "2.57.57.30"]}]}},
        {"set": {"name": "bound6", "elem": [{"concat": ["tap100i0", "52:02:45:76:d2:35", "2001:678:3a4:100::80"]}]}},
        {"set": {"name": "bound_targets", "elem": [{"concat": ["tap100i0", 327681]}]}},
        {"set": {"name": "macs", "elem": ["52:02:45:76:d2:35"]}}, {"set": {"name": "places"}}]}"""
    assert ruleset.senders(json.loads(listed)) == {
        Sender("tap100i0", MAC, FOUR),
        Sender("tap100i0", MAC, SIX),
    }
