"""Pins: whatever changes in whatever order, the kernel ends with the pins that all bindings need at once."""

from hypothesis import given
from hypothesis import strategies as st

from rdnbr.core.fib.mac_pins import MacPins
from rdnbr.core.model.address import IP, MAC, parse_ip
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.pin import Pin, PinKey, PutPin
from rdnbr.core.model.snapshot import BindingSnapshot

ADDRESSES = [parse_ip(text) for text in ("2.57.57.1", "2.57.57.2", "2001:db8::1")]
KEYS = [PinKey(bridge, MAC(bytes(5) + bytes([last]))) for bridge in (1, 2) for last in (1, 2)]
PORTS = [11, 12]

Bound = tuple[PinKey, tuple[str, float], int | None, State]
bound = st.tuples(
    st.sampled_from(KEYS),
    st.tuples(st.sampled_from(["by its rule", "by use"]), st.sampled_from([1.0, 2.0, 3.0])),  # in this order
    st.sampled_from([*PORTS, None]),
    st.sampled_from([State.VALID, State.CHALLENGED, State.ADOPTED, State.DEPARTED]),
)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("bind"),
            st.sampled_from(ADDRESSES),
            st.lists(bound, max_size=2, unique_by=lambda one: one[0].bridge),
        ),
        st.tuples(st.just("removed"), st.sampled_from(KEYS), st.booleans()),
        st.tuples(st.just("changed"), st.sampled_from(KEYS), st.sampled_from([*PORTS, None])),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 20.0, 100.0]), st.sets(st.sampled_from(KEYS))),
    ),
    max_size=40,
)


def views(address: IP, there: list[Bound]) -> list[BindingSnapshot]:
    return [
        BindingSnapshot(
            address,
            key.mac,
            None if port is None else str(port),
            "vmbr1",
            None,
            state,
            True,
            Source.NS,
            since,
            since,
            None,
            port_index=port,
            segment_index=key.bridge,
            rule_names_mac=how == "by its rule",
        )
        for key, (how, since), port, state in there
    ]


def needed(all_bound: dict[IP, list[Bound]], kernel: dict[PinKey, int]) -> dict[PinKey, int]:
    """Say which pins there should be, by the rules in words."""
    held = [one for there in all_bound.values() for one in there if one[3] in WITH_ROUTE]
    pins = {}
    for key in KEYS:
        known = [(since, port) for of, since, port, _ in held if of == key and port is not None]
        if known:
            pins[key] = min(known)[1]
        elif key in kernel and any(one[0] == key for one in held):
            pins[key] = kernel[key]
    return pins


@given(steps, st.dictionaries(st.sampled_from(KEYS), st.sampled_from(PORTS)))
def test_kernel_ends_with_the_pins_that_are_needed(changes: list[tuple], found: dict[PinKey, int]) -> None:
    """Other programs remove and change pins, with and without an event, and the kernel refuses some for a while."""
    pins, now, all_bound = MacPins(), 0.0, {}
    kernel = dict(found)
    pins.resync(kernel)

    def apply(refusing: set[PinKey]) -> None:
        operations = pins.plan(now, 2)
        assert len(operations) <= 2
        refused = [one for one in operations if one.pin.key in refusing]
        for one in operations:
            if one not in refused:
                if isinstance(one, PutPin):
                    kernel[one.pin.key] = one.pin.port
                elif kernel.get(one.pin.key) == one.pin.port:  # as the kernel's part of rdnbr does
                    del kernel[one.pin.key]
        pins.record(now, operations, refused)

    for kind, what, how in changes:
        if kind == "bind":
            all_bound[what] = how
            pins.update_address(what, views(what, how))
        elif kind == "removed" and what in kernel:
            port = kernel.pop(what)
            if how:
                pins.pin_gone(Pin(what, port))
        elif kind == "changed":
            kernel.pop(what, None)
            kernel |= {} if how is None else {what: how}
        elif kind == "wait":
            now += what
            apply(how)
    pins.resync(kernel)
    for _ in range(2 * len(KEYS)):
        now += 70.0
        apply(set())
    assert kernel == needed(all_bound, kernel) == dict(pins.pins)
    assert pins.next_deadline() is None
