"""The source guard: whatever changes in whatever order, its sets are those that all bindings make at once."""

from hypothesis import given
from hypothesis import strategies as st

from rdnbr.core.bindings.source_guard import Contents, Place, PortAddress, Sender, SourceGuard
from rdnbr.core.model.address import IP, MAC, parse_ip
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.snapshot import BindingSnapshot

ADDRESSES = [parse_ip(text) for text in ("2.57.57.1", "2.57.57.2", "2001:db8::1")]
MACS = [MAC(bytes(5) + bytes([last])) for last in (1, 2, 3)]
PORTS = ["tap1i0", "tap2i0", "tap*"]
GATEWAY = parse_ip("fe80::1")

Bound = tuple[tuple[str, float], MAC, str | None, State, MAC | None]
changes = st.lists(
    st.tuples(
        st.sampled_from(ADDRESSES),
        st.dictionaries(
            st.sampled_from(["vmbr1", "vmbr2"]),
            st.tuples(
                st.tuples(st.sampled_from(["by its rule", "by use"]), st.sampled_from([1.0, 2.0, 3.0])),
                st.sampled_from(MACS),
                st.sampled_from([*PORTS, None]),
                st.sampled_from([State.VALID, State.ADOPTED, State.DEPARTED]),
                st.sampled_from([None, *MACS]),
            ),
        ),
        st.booleans(),
        st.sets(st.sampled_from(PORTS)),
    ),
    max_size=30,
)
listed = st.sets(st.builds(Sender, st.sampled_from(PORTS), st.sampled_from(MACS), st.sampled_from(ADDRESSES)))


def snapshots(address: IP, bound: dict[str, Bound]) -> list[BindingSnapshot]:
    return [
        BindingSnapshot(
            address,
            mac,
            port,
            bridge,
            None,
            state,
            True,
            Source.NS,
            since,
            since,
            None,
            card,
            rule_names_mac=how == "by its rule",
        )
        for bridge, ((how, since), mac, port, state, card) in bound.items()
    ]


def at_once(there: dict[IP, dict[str, Bound]], known: set[Sender], ports: set[str]) -> Contents:
    """Compute the sets from all bindings, by the rules in words."""
    placed = [
        (bridge, since, mac, place, address, _cards(known, place, address, mac, port, card))
        for address, bound in there.items()
        for bridge, (since, mac, port, state, card) in bound.items()
        if state in WITH_ROUTE
        for place in ([one.port for one in known if one[1:] == (mac, address)] if port is None else [port])
        if place != "tap*"
    ]

    def owner(bridge: str, mac: MAC) -> str | None:
        return min(
            ((one[1], one[3]) for one in placed if one[0] == bridge and one[2] == mac), default=(None, None)
        )[1]

    own = [one for one in placed if one[3] == owner(one[0], one[2])]
    senders = {Sender(place, mac, address) for _, _, mac, place, address, _ in own}
    behind = {
        Sender(place, card, address)
        for bridge, _, _, place, address, cards in own
        for card in cards
        if owner(bridge, card) in (None, place)
    }
    return Contents(
        frozenset(ports - {"tap*"}),
        frozenset({GATEWAY}),
        frozenset(one for one in senders | behind if len(one.address) == 4),
        frozenset(one for one in senders | behind if len(one.address) == 16),
        frozenset(PortAddress(one.port, one.address) for one in senders if len(one.address) == 4),
        frozenset(PortAddress(one.port, one.address) for one in senders if len(one.address) == 16),
        frozenset(one.mac for one in senders),
        frozenset(Place(one.port, one.mac) for one in senders),
    )


def _cards(
    known: set[Sender], place: str, address: IP, mac: MAC, port: str | None, card: MAC | None
) -> set[MAC]:
    """Say what a binding's frames come from besides its MAC; after a start, what they came from before it."""
    if port is None:
        return {one.mac for one in known if (one.port, one.address) == (place, address)} - {mac}
    return set() if card is None else {card}


@given(changes, listed)
def test_sets_follow_the_bindings(
    steps: list[tuple[IP, dict[str, Bound], bool, set[str]]], known: set[Sender]
):
    """After each change the sets are those of all bindings, and the drained changes lead to them."""
    guard = SourceGuard(known)
    there: dict[IP, dict[str, Bound]] = {}
    followed = Contents(*[frozenset()] * 8)
    for address, bound, drained, ports in steps:
        there[address] = bound
        guard.update_address(address, snapshots(address, bound))
        guard.set_ports(ports, ())
        assert guard.contents() == at_once(there, known, ports)
        if drained:
            removed, added = guard.drain_changes()
            for before, gone, new in zip(followed, removed, added, strict=True):
                assert gone <= before
                assert not new & before
            followed = Contents(
                *((before - gone) | new for before, gone, new in zip(followed, removed, added, strict=True))
            )
            assert followed == guard.contents()
            assert not guard.changed
