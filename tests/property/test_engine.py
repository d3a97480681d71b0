"""The engine, compared with a second model and with the invariants, for any events in any order.

After every step: decisions, probes and desired hosts are exactly those of `second_model`; no refused anchor has a
route; each key has one binding at most, and the kernel's neighbour has the binding's MAC; no route exists for a port
that is gone; no route exists without evidence for longer than all probes take; every frame is counted once; indexes,
heap and quarantine have no stale entries. At the end the kernel, once it stops failing, has the desired entries, and
the same events give a new engine the same decisions, byte for byte.

`tests/mutations.py` lists the ways in which the engine can be broken, and sees this file fail with each of them.
"""

import os
from dataclasses import replace

import guest_frames
import pytest
from dialogue import BRIDGE, GATEWAY4, GATEWAY6, MAIN, rules
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from second_model import family
from second_model_arrivals import ANYBODY
from second_model_notes import ROUTED
from side_by_side import (
    A4,
    ADDRESSES,
    ANYCAST,
    BY_NAME,
    CONNECTED,
    COVERED,
    FOREIGN,
    HOSTS,
    LATER,
    LAWS,
    MACS,
    MORE,
    MOST,
    NAMES,
    OTHER_BRIDGE,
    OWN4,
    PORTS,
    SECOND4,
    SECOND6,
    SETTINGS,
    SHARED,
    STATICS,
    VIP4,
    VIP6,
    VRF_BRIDGE,
    Side,
    nobodys,
    utterance,
)

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import MAC, ZERO_MAC, parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import InterfaceAddress, Port, Segment
from rdnbr.core.policy.local_addresses import LocalAddresses, node_local_addresses

IN_AN_ERA = 1_800_000_000.0
"""Seconds since 1970 at the start of a run; the era began in May 2026 and ends in May 2027."""
OWN = (GATEWAY4, GATEWAY6, SECOND4, SECOND6)
MACS_OF_NODE = frozenset(
    {
        *((segment.index, segment.mac) for segment in (BRIDGE, OTHER_BRIDGE, VRF_BRIDGE)),
        (OTHER_BRIDGE.index, parse_mac(MACS[3])),
        (99, parse_mac(MACS[0])),
    }
)
"""A guest has the MAC of a port of another bridge, and one has the VRRP MAC of the uplink."""
OF_OTHER_INTERFACE = node_local_addresses(
    [],
    [InterfaceAddress(50, parse_ip("2.57.57.2"), 31), InterfaceAddress(50, parse_ip("2001:678::2"), 127)],
    [],
)
OTHER_MAC = parse_mac("02:00:00:00:00:02")

LONGEST_SILENCE = 75.0
"""The longest time of a route without evidence, in seconds: the latest reprobe, a challenge, all probes twice."""

kinds = st.sampled_from(
    ["use", "answer", "announcement", "intent", "unconfirmed", "rarp", "presence", "packet", "answer", "use"]
)
nonces = st.sampled_from([b"", b"", b"sixsix", b"number"])
addresses = st.sampled_from([*ADDRESSES, *ADDRESSES, FOREIGN, OWN4, SECOND4, SECOND6, LATER])
macs = st.sampled_from(MACS)
cards = st.sampled_from(["", "", MACS[0], MACS[1]])
earlier_notes = st.none() | st.tuples(
    st.sampled_from(["", "", "", MACS[0]]),
    st.sampled_from([0.0, 4.0, 12.0, 30.0, 90.0, 1000.0]),
    st.integers(0, 6),
    st.sampled_from([None, 0.0, 3.0, 15.0, 500.0]),
)
"""Whose it is, if not his who is adopted; its age; how often he was asked; how long after its begin first."""
guests = st.integers(0, len(MACS) - 1)
ports = st.sampled_from(PORTS)


def one_of(mac: MAC) -> str:
    """Return a MAC that is probed, also where the probe is for any MAC."""
    return show_mac(mac) if mac != ZERO_MAC else MACS[0]


class EngineAndModel(RuleBasedStateMachine):
    """Any event may happen, at any time."""

    @initialize(
        law=st.sampled_from([*LAWS, "plain", "vips", "static"]), newest=st.booleans(), adopts=st.booleans()
    )
    def starts(self, law: str, newest: bool, adopts: bool) -> None:
        self.node = Side()
        self.clock(IN_AN_ERA)
        self.mobility(newest=newest)
        self.has: tuple[bool, bool] | None = None
        self.up(BRIDGE)
        self.node_has(later=False, prefixes=False)
        self.law(law)
        self.port_up(11, "tap1i0", BRIDGE)
        self.port_up(12, "tap2i0", BRIDGE)
        if adopts:
            for address in ADDRESSES:
                self.is_adopted(address, MACS[0], BRIDGE, 0, None)

    def clock(self, wall: float) -> None:
        self.node.model.stamps.wall = wall - self.node.now
        self.node.does("set_clock", self.node.now, wall)

    def mobility(self, *, newest: bool) -> None:
        self.node.model.stamps.newest = newest
        mobility = "newest-wins" if newest else "withdrawal"
        self.node.does("configure", self.node.now, replace(SETTINGS, mobility=mobility))

    def up(self, segment: Segment) -> None:
        own = [show_ip(one.address) for one in segment.addresses]
        model = self.node.model
        families = {family(show_ip(own)) for own in (segment.gateway4, segment.gateway6) if own is not None}
        model.segment_up(segment.index, segment.table, show_mac(segment.mac), own)
        model.has_gateways(self.node.now, segment.index, families)
        self.node.does("segment_changed", self.node.now, segment)

    def law(self, name: str) -> None:
        text, law = LAWS[name]
        model = self.node.model
        model.open = text is None
        model.law, model.hosts = law, HOSTS.get(name, nobodys)
        model.stamps.anycast = ANYCAST.get(name, set())
        model.connected = CONNECTED.get(name, set())
        model.by_name = BY_NAME.get(name, set())
        if model.statics:
            self.node.disturbed = self.node.now  # what was static was not asked, and is from now on
        model.statics = STATICS.get(name, {})
        model.judge_again(self.node.now)
        model.look_everywhere(self.node.now)
        self.node.does("set_allowlist", self.node.now, rules(text))

    def node_has(self, *, later: bool, prefixes: bool) -> None:
        own = frozenset(parse_ip(text) for text in [*OWN, *([LATER, A4] if later else [])])
        texts = {show_ip(address) for address in own}
        model = self.node.model
        model.own = lambda address: "own-address" if address in texts else None
        model.covered = COVERED if prefixes else {}
        model.warned &= set(model.covered.values())
        if self.has != (later, prefixes):
            model.judge_again(self.node.now)
            if self.has is not None and (self.has[0] > later or self.has[1] > prefixes):
                model.look_everywhere(self.node.now)
        self.has = later, prefixes
        local = replace(
            OF_OTHER_INTERFACE if prefixes else LocalAddresses(), addresses=own, macs=MACS_OF_NODE
        )
        self.node.does("local_addresses_changed", self.node.now, local)

    def port_up(self, port: int, name: str, segment: Segment) -> None:
        if segment.index not in self.node.model.tables:
            self.up(segment)
        self.node.model.port_up(self.node.now, port, name, segment.index)
        self.node.does("port_changed", self.node.now, Port(port, name, segment.index))

    @rule(
        port=ports,
        kind=kinds,
        mac=macs,
        address=addresses,
        override=st.booleans(),
        nonce=nonces,
        card=cards | st.just(guest_frames.NODE),
    )
    def anybody_says(
        self, port: int, kind: str, mac: str, address: str, override: bool, nonce: bytes, card: str
    ) -> None:
        """Frames may also come from a port that is gone, and from another MAC than they claim for."""
        self.passes()
        self.node.hears(port, utterance(kind, mac, address, override=override, nonce=nonce, card=card))

    @rule(
        heard=st.lists(
            st.tuples(guests, kinds, st.sampled_from(ADDRESSES), st.booleans(), nonces), max_size=6
        )
    )
    def guests_say(self, heard: list[tuple[int, str, str, bool, bytes]]) -> None:
        """Guests stay at their ports, so that their events concern each other."""
        for guest, kind, address, override, nonce in heard:
            self.passes()
            self.node.hears(
                self.home(guest), utterance(kind, MACS[guest], address, override=override, nonce=nonce)
            )

    @rule(
        address=st.sampled_from(ADDRESSES),
        first=guests,
        then=st.lists(st.tuples(guests, kinds), max_size=3),
        seconds=st.sampled_from([0.1, 1.0, 2.0, 4.0]),
        awake=st.sets(guests),
    )
    def comes_up(
        self, address: str, first: int, then: list[tuple[int, str]], seconds: float, awake: set[int]
    ) -> None:
        """A guest does DAD; it, or another guest, sends a claim meanwhile."""
        self.passes()
        self.node.hears(self.home(first), utterance("intent", MACS[first], address, nonce=b"number"))
        for guest, kind in then:
            self.passes()
            self.node.hears(self.home(guest), utterance(kind, MACS[guest], address, nonce=b"number"))
        self.node.runs(seconds, {(self.home(guest), MACS[guest]) for guest in awake})

    @rule(address=st.sampled_from(ADDRESSES), port=ports, mac=macs)
    def settles(self, address: str, port: int, mac: str) -> None:
        """A guest uses an address, and answers probes."""
        self.plugged(port)
        self.passes()
        self.node.hears(port, utterance("use", mac, address))
        self.node.runs(0.5, {(port, mac)})

    @rule(chosen=st.integers(0, 99), port=st.sampled_from([None, *PORTS]), mac=st.sampled_from([None, *MACS]))
    @precondition(lambda self: self.node.asked)
    def is_answered(self, chosen: int, port: int | None, mac: str | None) -> None:
        """A probe is answered, perhaps late, perhaps from another port, perhaps by another guest."""
        self.passes()
        probe = self.node.asked[chosen % len(self.node.asked)]
        heard = utterance("answer", mac or one_of(probe.mac), show_ip(probe.address))
        self.node.hears(port or probe.port, heard)

    @rule(
        seconds=st.sampled_from([0.01, 0.3, 0.6, 1.1, 1.6, 2.2, 3.2, 7.0, 15.0, 40.0, 70.0, 320.0]),
        sleepers=st.sets(st.tuples(ports, macs), max_size=12),
        all_awake=st.booleans(),
    )
    def time_passes(self, seconds: float, sleepers: set[tuple[int, str]], all_awake: bool) -> None:
        everyone = {(port, mac) for port in PORTS for mac in MACS}
        self.node.runs(seconds, everyone if all_awake else everyone - sleepers if seconds < 5 else sleepers)

    @rule(seconds=st.sampled_from([0.2, 0.9, 1.5, 6.0, 100.0]))
    def stalls(self, seconds: float) -> None:
        """No timer expires for a while, then all at once."""
        self.node.now += seconds
        self.node.disturbed = self.node.now
        self.node.asked.clear()
        self.node.ticks()

    @rule(steps=st.lists(st.sampled_from([0.2, 0.6, 1.1, 2.2]), min_size=1, max_size=20))
    def cannot_read_all(self, steps: list[float]) -> None:
        """Timers expire although frames are unread; answers are among those."""
        for seconds in steps:
            self.node.now += seconds
            self.node.disturbed = self.node.now
            self.node.asked.clear()
            self.node.ticks(unread=True)

    @rule(
        address=st.sampled_from([VIP4, VIP6]),
        apart=st.sampled_from([0.5, 1.2, 50.0]),
        turns=st.integers(1, 7),
    )
    def fails_over(self, address: str, apart: float, turns: int) -> None:
        """Two members of a cluster announce an address in turn."""
        for turn in range(turns):
            self.node.runs(apart, {(self.home(0), MACS[0]), (self.home(1), MACS[1])})
            self.node.hears(self.home(turn % 2), utterance("announcement", MACS[turn % 2], address))

    @rule(
        held=st.lists(st.sampled_from(ADDRESSES), min_size=1, unique=True),
        turns=st.integers(1, 4),
        apart=st.sampled_from([0.5, 3.0]),
        cards=st.lists(cards, min_size=2, max_size=2),
        kind=st.sampled_from(["announcement", "use", "rarp"]),
    )
    def virtual_router_fails_over(
        self, held: list[str], turns: int, apart: float, cards: list[str], kind: str
    ) -> None:
        """Two routers share a MAC and its addresses, and the active one announces the first address."""
        for address in held:
            self.node.hears(self.home(0), utterance("use", SHARED, address, card=cards[0]))
        for turn in range(turns):
            self.node.runs(apart, {(self.home(turn % 2), SHARED)})
            said = utterance(kind, SHARED, held[0], card=cards[(turn + 1) % 2])
            self.node.hears(self.home((turn + 1) % 2), said)

    @rule(address=st.sampled_from(ADDRESSES), turns=st.integers(1, 6))
    def take_turns(self, address: str, turns: int) -> None:
        """Two guests have one address, and only one of them answers at a time."""
        for turn in range(turns):
            port, mac = self.home(turn % 2), MACS[turn % 2]
            self.node.hears(port, utterance("use", mac, address))
            self.node.runs(4.0, {(port, mac)})

    @rule(
        guest=guests,
        address=st.sampled_from(ADDRESSES),
        spoken=st.booleans(),
        rival=st.none() | guests,
        apart=st.sampled_from([0.4, 4.0]),
        times=st.integers(3, 14),
    )
    def is_deaf_and_sends_packets(
        self, guest: int, address: str, spoken: bool, rival: int | None, apart: float, times: int
    ) -> None:
        """A guest drops all questions and goes on sending packets; a rival that answers may want its address."""
        if spoken:
            self.node.hears(self.home(guest), utterance("use", MACS[guest], address))
        if rival is not None:
            self.node.hears(self.home(rival), utterance("use", MACS[rival], address))
        others = {(self.home(other), MACS[other]) for other in range(len(MACS)) if other != guest}
        for _ in range(times):
            self.node.runs(apart, others)
            self.node.hears(self.home(guest), utterance("packet", MACS[guest], address))
            if rival is not None:
                self.node.hears(self.home(rival), utterance("packet", MACS[rival], address))

    @rule(
        port=ports,
        name=st.sampled_from(NAMES),
        segment=st.sampled_from([BRIDGE] * 3 + [OTHER_BRIDGE, VRF_BRIDGE]),
    )
    def plugs(self, port: int, name: str, segment: Segment) -> None:
        self.passes()
        taken = {known: index for index, (known, _) in self.node.model.ports.items()}
        if taken.get(name, port) == port:
            self.port_up(port, name, segment)

    @rule(port=ports)
    def unplugs(self, port: int) -> None:
        self.passes()
        self.node.model.port_gone(self.node.now, port)
        self.node.does("port_gone", self.node.now, port)

    @rule(
        guest=guests,
        address=st.sampled_from(ADDRESSES),
        times=st.integers(2, 12),
        apart=st.sampled_from([0.5, 3.0, 20.0]),
        awake=st.booleans(),
    )
    def flaps(self, guest: int, address: str, times: int, apart: float, awake: bool) -> None:
        """A port goes and returns, again and again, with a guest that uses its address each time."""
        port = self.home(guest)
        name, segment = self.node.model.ports[port]
        if segment != BRIDGE.index:
            return
        for _ in range(times):
            self.node.hears(port, utterance("use", MACS[guest], address))
            self.node.runs(apart, {(port, MACS[guest])} if awake else set())
            self.unplugs(port)
            self.port_up(port, name, BRIDGE)
            self.passes()
        self.node.hears(port, utterance("use", MACS[guest], address))

    @rule(name=st.sampled_from(NAMES))
    def port_is_flushed(self, name: str) -> None:
        self.passes()
        self.node.model.flush_port(self.node.now, name)
        self.node.does("flush_port", self.node.now, name)

    @rule(segment=st.sampled_from([BRIDGE, OTHER_BRIDGE, VRF_BRIDGE]))
    def bridge_goes(self, segment: Segment) -> None:
        self.passes()
        self.node.model.segment_gone(self.node.now, segment.index)
        self.node.does("segment_gone", self.node.now, segment.index)

    @rule(
        segment=st.sampled_from([BRIDGE, BRIDGE, VRF_BRIDGE]),
        mac=st.sampled_from([BRIDGE.mac, OTHER_MAC]),
        more=st.sampled_from([(), MORE]),
    )
    def bridge_changes(self, segment: Segment, mac: MAC, more: tuple[InterfaceAddress, ...]) -> None:
        """A bridge takes another MAC, or gains or loses addresses."""
        self.passes()
        if segment.index in self.node.model.tables:
            self.up(replace(segment, mac=mac, addresses=segment.addresses + more))
            self.node.disturbed = self.node.now  # a gateway address may be back

    @rule(
        segment=st.sampled_from([BRIDGE, BRIDGE, VRF_BRIDGE]),
        families=st.sampled_from([{4}, {6}, set(), {4, 6}, {4, 6}]),
        seconds=st.sampled_from([0.0, 1.0, 70.0]),
    )
    def gateway_goes(self, segment: Segment, families: set[int], seconds: float) -> None:
        """The bridge loses its gateway addresses, or gets them back."""
        self.passes()
        if segment.index not in self.node.model.tables:
            return
        kept = tuple(one for one in segment.addresses if family(show_ip(one.address)) in families)
        gateway4 = segment.gateway4 if 4 in families else None
        gateway6 = segment.gateway6 if 6 in families else None
        self.up(replace(segment, gateway4=gateway4, gateway6=gateway6, addresses=kept))
        self.node.disturbed = self.node.now
        self.node.runs(seconds, {(self.home(guest), MACS[guest]) for guest in range(len(MACS))})

    @rule(chosen=st.integers(0, 99))
    @precondition(lambda self: self.node.asked)
    def port_takes_no_frames(self, chosen: int) -> None:
        self.passes()
        probe = self.node.asked[chosen % len(self.node.asked)]
        self.node.model.cannot_send(self.node.now, probe.port, show_ip(probe.address), show_mac(probe.mac))
        self.node.does("probe_unsent", self.node.now, probe)
        self.node.disturbed = self.node.now

    @rule(name=st.sampled_from(list(LAWS)))
    def reloads(self, name: str) -> None:
        self.passes()
        self.law(name)

    @rule(newest=st.booleans())
    def switches_mobility(self, newest: bool) -> None:
        self.passes()
        self.mobility(newest=newest)

    @rule(steps=st.integers(-1, 1))
    def clock_is_set(self, steps: int) -> None:
        """The clock is set, by less than an hour either way."""
        self.passes()
        self.clock(IN_AN_ERA + self.node.now + 1500.0 * steps)

    @rule(
        address=st.sampled_from(ADDRESSES),
        guest=guests,
        kind=st.sampled_from(["announcement", "rarp"]),
        times=st.integers(1, 30),
    )
    def announces_itself_again(self, address: str, guest: int, kind: str, times: int) -> None:
        """A guest announces itself, as one does that returns, or that announces itself all the time."""
        for _ in range(times):
            self.node.runs(2.1, {(self.home(guest), MACS[guest])})
            self.node.hears(self.home(guest), utterance(kind, MACS[guest], address))

    @rule(later=st.booleans(), prefixes=st.booleans())
    def node_changes(self, later: bool, prefixes: bool) -> None:
        self.passes()
        self.node_has(later=later, prefixes=prefixes)

    @rule(address=st.none() | st.sampled_from(ADDRESSES))
    def flushes(self, address: str | None) -> None:
        self.passes()
        self.node.model.flush(self.node.now, address)
        self.node.does("flush", self.node.now, parse_ip(address) if address else None)

    @rule(address=st.sampled_from(ADDRESSES))
    def is_probed_by_hand(self, address: str) -> None:
        self.passes()
        self.node.model.probe(self.node.now, address)
        self.node.does("probe", self.node.now, parse_ip(address))

    @rule(
        address=st.sampled_from([*ADDRESSES, FOREIGN]),
        mac=st.sampled_from([*MACS, ANYBODY]),
        segment=st.sampled_from([BRIDGE, VRF_BRIDGE]),
        heard_on=st.sampled_from([0, *PORTS]),
        metric=st.sampled_from([None, 0, 1024, 9_000_000, 2**24 - 1, 2**24]) | st.integers(0, 2**24 - 1),
        noted=earlier_notes,
        pinned=st.sampled_from([None, None, *PORTS]),
    )
    def is_adopted(
        self,
        address: str,
        mac: str,
        segment: Segment,
        heard_on: int,
        metric: int | None,
        noted: tuple[str, float, int, float | None] | None = None,
        pinned: int | None = None,
    ) -> None:
        self.passes()
        key = Key(segment.table, parse_ip(address))
        if len(self.node.model.entries) >= MOST:
            return
        now = self.node.now
        earlier = note = None
        if noted is not None:
            of, ago, asked, began = noted
            note = of or mac, now - ago, asked, None if began is None else now - ago + began
            earlier = AdoptionNote(key, parse_mac(note[0]), *note[1:])
            self.node.disturbed = now
        self.node.model.adopt(now, address, mac, segment.index, heard_on, metric, note, pinned)
        there = None if mac == show_mac(ZERO_MAC) else parse_mac(mac)
        arguments = key, there, segment.index, heard_on or None, metric, earlier, pinned
        self.node.does("adopt", now, *arguments)

    @rule(
        were_there=st.dictionaries(st.tuples(st.just(BRIDGE.index), macs), st.sampled_from(PORTS)),
        address=st.sampled_from(ADDRESSES),
        guests=st.sets(guests, min_size=2),
    )
    def has_lost_its_neighbour(
        self, were_there: dict[tuple[int, str], int], address: str, guests: set[int]
    ) -> None:
        """A route without its neighbour is found in the kernel, and several guests answer for its address."""
        homes = {(self.home(guest), MACS[guest]) for guest in guests}
        self.node.model.was_there = were_there
        found = {(segment, parse_mac(mac)): port for (segment, mac), port in were_there.items()}
        self.node.does("remember_fdb", found)
        self.is_adopted(address, ANYBODY, BRIDGE, 0, None)
        self.node.runs(75.0, homes)

    @rule(
        address=st.sampled_from([*ADDRESSES, FOREIGN]),
        mac=macs,
        segment=st.sampled_from([BRIDGE, VRF_BRIDGE]),
        heard_on=st.sampled_from([0, *PORTS]),
    )
    def is_recalled(self, address: str, mac: str, segment: Segment, heard_on: int) -> None:
        self.passes()
        key = Key(segment.table, parse_ip(address))
        self.node.model.recall(self.node.now, address, mac, segment.index, heard_on)
        self.node.does(
            "probe_orphaned_neighbour", self.node.now, key, parse_mac(mac), segment.index, heard_on
        )

    @rule(
        found=st.lists(st.sampled_from([*ADDRESSES, FOREIGN]), max_size=3, unique=True),
        mac=macs,
        segment=st.sampled_from([BRIDGE, VRF_BRIDGE]),
        heard_on=st.sampled_from([0, *PORTS]),
    )
    def is_found(self, found: list[str], mac: str, segment: Segment, heard_on: int) -> None:
        """The kernel knows a guest that was there before its bridge was served."""
        self.passes()
        if segment.index not in self.node.model.tables:
            return
        self.node.model.find_guest(self.node.now, segment.index, heard_on, mac, found)
        addresses = [parse_ip(address) for address in found]
        self.node.does("find_guest", self.node.now, segment.index, heard_on, parse_mac(mac), addresses)

    @rule(failing=st.booleans())
    def kernel_has_moods(self, failing: bool) -> None:
        self.node.kernel.failing = failing

    @rule(address=st.sampled_from(ADDRESSES), what=st.sampled_from(["route", "neighbour", "nothing"]))
    def somebody_else_is_there(self, address: str, what: str) -> None:
        self.node.kernel.forget_foreign()
        packed = parse_ip(address)
        if what == "route":
            metric = 1024 if ":" in address else 0
            self.node.kernel.add_foreign_route(MAIN, packed, metric)
            self.node.reconciler.route_removed(packed, MAIN, metric)
        elif what == "neighbour":
            self.node.kernel.add_foreign_neighbour(1, packed)
            self.node.reconciler.neighbour_removed(1, packed)

    @rule(address=st.sampled_from(ADDRESSES))
    def somebody_deletes_a_route(self, address: str) -> None:
        for route in sorted(self.node.kernel.read_entries()[0]):
            if show_ip(route.address) == address:
                self.node.kernel._remove_route(route.table, route.address, route.metric)
                self.node.reconciler.route_removed(route.address, route.table, route.metric)

    def home(self, guest: int) -> int:
        """Return the usual port of a guest, plugged in."""
        return self.plugged(PORTS[guest % 2])

    def plugged(self, port: int) -> int:
        names = {name for name, _ in self.node.model.ports.values()}
        if port not in self.node.model.ports:
            self.port_up(port, next(name for name in NAMES if name not in names), BRIDGE)
        return port

    def passes(self) -> None:
        """Let some time pass, in which the token buckets refill."""
        self.node.now += 0.001

    @invariant()
    def kernel_agrees(self) -> None:
        if hasattr(self, "node"):
            self.node.reconciles()

    @invariant()
    def model_agrees(self) -> None:
        """1, 2, 5: the routes are those of the model, over the right port, and permitted."""
        if not hasattr(self, "node"):
            return
        node = self.node
        routes = {
            (key.table, show_ip(key.address)): (host.device, show_mac(host.mac or ZERO_MAC))
            for key, host in node.wanted.items()
        }
        assert routes == node.model.routes()
        if not node.engine._transitions.metrics._to_review:
            metrics = {(key.table, show_ip(key.address)): host.metric for key, host in node.wanted.items()}
            assert metrics == {
                (entry.table, entry.address): node.model.stamps.metric(node.now, entry)
                for entry in node.model.entries
                if entry.state in ROUTED and entry.unwelcome != "damped"
            }
        assert node.engine._transitions.timers.next_deadline() == node.model.next_due()
        assert node.noted == node.model.handed_on.notes
        if node.model.unable:
            node.disturbed = node.now  # nobody is probed meanwhile
        assert {
            name: until for until, name in node.engine._damping._ends._entries.values()
        } == node.model.damping.held
        views = node.engine.snapshot()
        assert [(show_ip(view.address), show_mac(view.mac), view.state.value) for view in views] == [
            (entry.address, entry.mac, entry.state) for entry in node.model.entries
        ]
        for view, entry in zip(views, node.model.entries, strict=True):
            if view.state.value in ROUTED and view.port is not None:
                assert view.port in {name for name, _ in node.model.ports.values()}
                permitted = node.model.law(entry.address, view.port, entry.mac, entry.card)
                assert permitted[0] is None
                assert node.model.own(show_ip(view.address)) is None
            asked = view.unsent is None and show_ip(view.address) not in node.model.statics
            if view.state.value in ROUTED and asked:
                assert node.now - max(view.last_seen, node.disturbed) < LONGEST_SILENCE

    @invariant()
    def nothing_grows(self) -> None:
        """8: tables, indexes and the heap have no stale entries; each frame counts once."""
        if not hasattr(self, "node"):
            return
        node = self.node
        bindings = node.engine._table
        assert len(bindings) <= MOST
        assert sum(map(len, bindings._on_port.values())) == len(bindings)
        assert sum(map(len, bindings._of_mac.values())) == len(bindings)
        static = [binding for binding in bindings if binding.state == "static"]
        assert len(node.engine._transitions.timers._queue) == len(bindings) - len(static)
        assert len(node.engine._transitions.timers._queue._heap) <= 4 * MOST + 64
        assert sum(map(len, bindings._challenged_from.values())) == sum(
            binding.challenger is not None for binding in bindings
        )
        limits = node.engine._policy.limits
        assert set(limits._policies) == set(limits._probes) == set(node.engine.ports)
        assert set(node.engine._transitions.timers._prober._port_buckets) <= {*node.engine.ports, None}
        # At most each address of the allowlist on each port.
        services = node.engine._services
        assert set(services._discovery._searches) <= set(node.engine.ports)
        assert len(services._discovery._timers) == len(node.model.inquiries) <= 9 * len(PORTS)
        assert set(services._announcer._arrived) <= set(node.engine.ports)
        assert set(services._snooping._windows) == set(node.model.windows) <= set(node.engine.ports)
        assert set(node.engine._transitions._departed) == {
            binding.key for binding in bindings if binding.state == "departed"
        }
        assert sum(node.engine.counters.values()) == node.frames
        names = {name for name, _ in node.model.ports.values()}
        assert {name for name, _ in node.engine.counters} <= names | {"-"}

    def teardown(self) -> None:
        if not hasattr(self, "node"):
            return
        node = self.node
        # 7: once the kernel stops failing, it has the desired entries within the longest retry.
        node.kernel.failing = False
        node.kernel.forget_foreign()
        node.now += 60
        node.reconciles()
        routes, neighbours = node.kernel.read_entries()
        assert routes == {host.route for host in node.wanted.values()}
        assert neighbours == {host.neighbour for host in node.wanted.values()} - {None}
        # 6: the same events give the same decisions.
        again = Engine(SETTINGS, None)
        outputs = [
            output
            for call in node.calls
            for output in getattr(again, call.method)(*call.arguments, **call.options) or ()
        ]
        assert repr(outputs) == repr(node.outputs)


WALKS = settings.default.max_examples * 6 // 5

EngineAndModel.TestCase.settings = settings(
    max_examples=WALKS,
    stateful_step_count=100,
    deadline=None,
    # Enough to know whether a mutation makes it fail.
    phases=[Phase.generate] if "RDNBR_QUICK" in os.environ else list(Phase),
    suppress_health_check=list(HealthCheck),
)
test_engine_and_model = EngineAndModel.TestCase
test_engine_and_model.pytestmark = [pytest.mark.timeout(max(300, WALKS * 5))]
