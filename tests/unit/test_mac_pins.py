"""Pins of bound MACs: from bindings to entries of the bridges' forwarding databases."""

import pytest

from rdnbr.core.fib.mac_pins import MacPins
from rdnbr.core.fib.removal_damping import HOLD_DOWN
from rdnbr.core.model.address import ZERO_MAC, parse_ip, parse_mac
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.pin import DropPin, Pin, PinKey, PutPin
from rdnbr.core.model.snapshot import BindingSnapshot

FOUR, SIX, OTHER = parse_ip("2.57.57.30"), parse_ip("2001:678:3a4:100::80"), parse_ip("2.57.57.31")
MAC, OTHER_MAC = parse_mac("52:02:45:76:d2:35"), parse_mac("52:02:45:76:d2:36")
BRIDGE, PORT, OTHER_PORT = 1, 11, 12
KEY = PinKey(BRIDGE, MAC)


def view(address, port=PORT, mac=MAC, state=State.VALID, since=0.0, bridge=BRIDGE):
    name = None if port is None else f"tap{port}i0"
    bound = BindingSnapshot(address, mac, name, "vmbr1", None, state, True, Source.NS, since, since, None)
    return bound._replace(port_index=port, segment_index=bridge)


def pins(*views, present=()):
    made = MacPins()
    made.resync(dict(present))
    for address in dict.fromkeys(one.address for one in views):
        made.update_address(address, [one for one in views if one.address == address])
    return made


def apply(made, now=0.0, refuse=(), most=100):
    """Apply what is planned, and return it."""
    operations = made.plan(now, most)
    made.record(now, operations, [one for one in operations if one.pin.key in refuse])
    return operations


def put(port=PORT, key=KEY):
    return PutPin(Pin(key, port))


def drop(port=PORT, key=KEY):
    return DropPin(Pin(key, port))


def test_bound_mac_is_pinned_once():
    """Both families of a guest need one pin, which goes with the last of its addresses."""
    made = pins(view(FOUR), view(SIX))
    assert apply(made) == [put()]
    made.update_address(FOUR, [])
    assert apply(made) == []
    made.update_address(SIX, [])
    assert apply(made) == [drop()]
    assert made.next_deadline() is None


@pytest.mark.parametrize("state", State)
def test_mac_is_pinned_while_its_address_has_a_route(state):
    """A claim that is still probed pins nothing, a challenged incumbent keeps its pin, and the departed loses it."""
    assert bool(apply(pins(view(FOUR, state=state)))) is (state in WITH_ROUTE)


def test_pin_moves_with_the_binding():
    """A pin that moves is replaced in one operation, so that no frame is flooded meanwhile."""
    made = pins(view(FOUR))
    apply(made)
    made.update_address(FOUR, [view(FOUR, port=OTHER_PORT, since=1.0)])
    assert apply(made) == [put(OTHER_PORT)]


def test_oldest_binding_keeps_the_pin():
    """A guest that binds its own address to the MAC of another guest does not get the pin."""
    made = pins(view(OTHER, port=OTHER_PORT, since=2.0), view(FOUR, since=1.0))
    assert apply(made) == [put()]
    made.update_address(FOUR, [])
    assert apply(made) == [put(OTHER_PORT)]


def test_mac_that_a_rule_names_belongs_to_that_guest():
    """A guest that bound its own address to the MAC while the owner's link was down gives the pin back."""
    made = pins(view(OTHER, port=OTHER_PORT, since=1.0))
    assert apply(made) == [put(OTHER_PORT)]
    made.update_address(FOUR, [view(FOUR, since=2.0)._replace(rule_names_mac=True)])
    assert apply(made) == [put()]


def test_same_mac_on_two_bridges_has_two_pins():
    """Each bridge has a forwarding database of its own."""
    assert set(apply(pins(view(FOUR), view(OTHER, port=21, bridge=2)))) == {
        put(),
        put(21, PinKey(2, MAC)),
    }


def test_pin_of_an_earlier_run_stays_until_the_port_is_known():
    """An adopted binding has no port before its first frame."""
    made = pins(view(FOUR, port=None, state=State.ADOPTED), present={KEY: OTHER_PORT})
    assert apply(made) == []
    made.update_address(FOUR, [view(FOUR)])
    assert apply(made) == [put()]


def test_adopted_binding_without_a_pin_is_not_pinned():
    """Where no pin was, the first frame of the guest decides."""
    assert apply(pins(view(FOUR, port=None, state=State.ADOPTED))) == []
    assert apply(pins(view(FOUR, port=None, mac=ZERO_MAC, state=State.ADOPTED))) == []


def test_pin_without_a_binding_is_removed():
    """A guest that has left while the daemon was down leaves no pin behind."""
    assert apply(pins(present={KEY: PORT})) == [drop()]


def test_removed_pin_is_put_back():
    """A pin that another program removes is put back at once, and less readily the third time within a minute."""
    made = pins(view(FOUR))
    apply(made)
    for now in (10.0, 20.0):
        made.pin_gone(Pin(KEY, PORT))
        assert apply(made, now) == [put()]
        assert made.drain_contested() == []
    made.pin_gone(Pin(KEY, PORT))
    assert apply(made, 30.0) == []
    assert (made.drain_contested(), made.next_deadline()) == ([KEY], 30.0 + HOLD_DOWN)
    assert apply(made, 30.0 + HOLD_DOWN) == [put()]


def test_own_removal_is_nobody_elses():
    """The kernel announces what rdnbr itself removes or moves, too."""
    made = pins(view(FOUR))
    apply(made)
    made.update_address(FOUR, [view(FOUR, port=OTHER_PORT)])
    apply(made)
    made.pin_gone(Pin(KEY, PORT))
    assert made.next_deadline() is None


def test_comparison_finds_what_no_event_told():
    """Pins that were replaced or lost are put again, and pins that nobody wants are removed."""
    made = pins(view(FOUR))
    apply(made)
    stranger = PinKey(BRIDGE, OTHER_MAC)
    made.resync({KEY: OTHER_PORT, stranger: PORT})
    assert apply(made) == [put(), drop(PORT, stranger)]
    made.resync({})
    assert apply(made) == [put()]


def test_refused_pin_is_tried_again():
    """The wait doubles up to a minute; a change of the binding ends it. Only the first refusal is reported."""
    made = pins(view(FOUR))
    now, waits = 0.0, []
    for number in range(8):
        operations = made.plan(now, 100)
        assert made.record(now, operations, operations) == ([] if number else [put()])
        assert made.plan(now, 100) == []
        waits.append(made.next_deadline() - now)
        now = made.next_deadline()
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    made.update_address(FOUR, [view(FOUR, port=OTHER_PORT)])
    assert apply(made, now - 50.0) == [put(OTHER_PORT)]


def test_many_pins_are_planned_in_slices():
    """No call plans more operations than asked for, and none is lost."""
    made = pins(
        *(
            view(parse_ip(f"2.57.57.{last}"), mac=parse_mac(f"52:02:45:00:00:{last:02x}"))
            for last in range(25)
        )
    )
    assert [len(apply(made, most=10)) for _ in range(4)] == [10, 10, 5, 0]


def test_all_pins_are_released():
    """When enforcement is turned off, all pins go."""
    made = pins(view(FOUR), view(OTHER, mac=OTHER_MAC, port=OTHER_PORT))
    apply(made)
    made.release_all()
    assert set(apply(made)) == {drop(), drop(OTHER_PORT, PinKey(BRIDGE, OTHER_MAC))}
    assert (made.pins, made.next_deadline()) == ({}, None)
