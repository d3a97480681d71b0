"""Bindings, found by address, by port and by MAC."""

import pytest

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.fib_entries import Key

ALICE, BOB = parse_mac("52:02:45:00:00:01"), parse_mac("52:02:45:00:00:02")


def binding(address: str, port: int | None = 5, mac=ALICE, table: int = 254) -> Binding:
    return Binding(Key(table, parse_ip(address)), 1, Anchor(port, mac), Source.NS, None, 0.0, 0.0)


def test_found_by_each_name():
    """A binding is found by its key, its port and its MAC, the oldest first."""
    bindings = BindingTable()
    first, second, third = binding("10.0.0.2"), binding("10.0.0.1"), binding("10.0.0.3", 6, BOB)
    for each in (first, second, third):
        bindings.add(each)
    assert bindings.get(second.key) is second
    assert bindings.on_port(5) == [first, second]
    assert bindings.of_mac(BOB) == [third]
    assert list(bindings) == [first, second, third]
    assert len(bindings) == 3


def test_unknown_names_find_nothing():
    """What nobody has finds nothing, and leaves nothing behind."""
    bindings = BindingTable()
    assert bindings.get(Key(254, parse_ip("10.0.0.1"))) is None
    assert bindings.on_port(5) == bindings.of_mac(ALICE) == bindings.departed_on_port(5) == []
    assert not bindings._on_port
    assert not bindings._of_mac


def test_tables_are_apart():
    """One address in two tables is two bindings."""
    bindings = BindingTable()
    bindings.add(binding("10.0.0.1"))
    bindings.add(binding("10.0.0.1", table=100))
    assert len(bindings) == 2
    with pytest.raises(AssertionError):
        bindings.add(binding("10.0.0.1"))


def test_moved_is_found_where_it_is():
    """After a move it is found by the new anchor, and no more by the old one."""
    bindings = BindingTable()
    moved = binding("10.0.0.1")
    bindings.add(moved)
    bindings.set_anchor(moved, Anchor(6, BOB))
    assert bindings.on_port(5) == bindings.of_mac(ALICE) == []
    assert bindings.on_port(6) == bindings.of_mac(BOB) == [moved]
    assert moved.anchor == Anchor(6, BOB)


def test_departed_are_on_no_port():
    """What departed is remembered apart from what is there, and by its MAC."""
    bindings = BindingTable()
    gone, there = binding("10.0.0.1"), binding("10.0.0.2")
    for each in (gone, there):
        bindings.add(each)
    bindings.set_state(gone, State.DEPARTED)
    assert bindings.on_port(5) == [there]
    assert bindings.departed_on_port(5) == [gone]
    assert bindings.of_mac(ALICE) == [gone, there]


def test_removed_leaves_nothing():
    """A removed binding is found by nothing, and the indexes are empty again."""
    bindings = BindingTable()
    bindings.add(binding("10.0.0.1"))
    bindings.remove(Key(254, parse_ip("10.0.0.1")))
    assert (len(bindings), bindings._on_port, bindings._of_mac) == (0, {}, {})


def test_may_change_while_it_is_gone_through():
    """Whoever goes through all may remove what it meets."""
    bindings = BindingTable()
    for number in range(5):
        bindings.add(binding(f"10.0.0.{number}"))
    for each in bindings:
        bindings.remove(each.key)
    assert len(bindings) == 0


def test_held_follow_every_change():
    """How many addresses of a family a port holds is known after each change; the departed do not count."""
    bindings = BindingTable()
    first, second, other = binding("10.0.0.1"), binding("10.0.0.2"), binding("2001:678::1")
    for each in (first, second, other):
        bindings.add(each)
    assert (bindings.count_on_port(5, 4), bindings.count_on_port(5, 16)) == (2, 1)
    bindings.set_state(first, State.DEPARTED)
    assert (bindings.count_on_port(5, 4), bindings.count_on_port(5, 16)) == (1, 1)
    bindings.set_anchor(first, Anchor(6, ALICE))
    assert bindings.count_on_port(6, 4) == 0
    bindings.set_state(first, State.TENTATIVE)
    assert bindings.count_on_port(6, 4) == 1
    bindings.set_anchor(second, Anchor(6, BOB))
    assert (bindings.count_on_port(5, 4), bindings.count_on_port(6, 4)) == (0, 2)
    for each in (first, second, other):
        bindings.remove(each.key)
    assert not bindings._bound
