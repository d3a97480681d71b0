"""What the kernel held when the daemon started: which port is probed, at what rate, and what forged frames achieve."""

from collections import Counter

import guest_frames
import pytest
from dialogue import BRIDGE, GATEWAY4, MAIN, NODE, World, rules

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import parse_ip, parse_mac, show_ip
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Decision, Probe, Verb
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.settings import Limits, PortPolicy, Settings, Timers
from rdnbr.core.wire.probe_frames import answer_frame

ALLOW = "2.57.57.0/24"
V4 = "2.57.57.30"
ANOTHER = Segment(2, "vmbr2", BRIDGE.mac, MAIN, None, None)
QUICK = Settings(Timers(adopt_grace=0.01))
"""What is adopted is probed at once."""


def without_times(lines: list[str]) -> list[str]:
    """Return decisions without their times."""
    return [line.split(maxsplit=1)[1] for line in lines]


def three_ports(fdb_port: str | None, allow: str | None = ALLOW, *, awake: bool = True) -> World:
    world = World(allow, QUICK)
    alice = world.guest("alice", "tap1i0", V4, awake=awake)
    world.plugs("tap2i0")
    world.plugs("tap3i0")
    world.adopts(V4, alice, fdb_port=fdb_port)
    return world


def test_the_port_of_the_bridge_fdb_is_probed_first():
    """If the bridge's table has the MAC, the first probe goes to that port alone, and the answer settles it."""
    world = three_ports("tap1i0")
    assert without_times(world.runs(1)) == [
        f"ask alice@tap1i0 for {V4}",
        f"refreshed {V4} alice@tap1i0 valid: answered",
    ]


def test_silence_on_the_fdb_port_probes_all_ports():
    """After the first probe all others go to every port, so a wrong or old table costs one second."""
    world = three_ports("tap2i0")
    assert without_times(world.runs(2)) == [
        f"ask alice@tap2i0 for {V4}",
        f"ask alice@tap1i0 for {V4}",
        f"ask alice@tap2i0 for {V4}",
        f"ask alice@tap3i0 for {V4}",
        f"refreshed {V4} alice@tap1i0 valid: answered",
    ]


def test_an_fdb_port_that_cannot_be_right_is_ignored():
    """The fdb port is ignored if the allowlist refuses it, or if it is on another bridge, gone or moved."""
    everywhere = [f"ask alice@tap{number}i0 for {V4}" for number in (1, 2, 3)]
    pinned = three_ports("tap2i0", f"{V4} port=tap1i0")
    assert without_times(pinned.runs(0.1))[:3] == everywhere
    gone = three_ports("tap3i0")
    gone.unplugs("tap3i0")
    assert without_times(gone.runs(0.1))[:2] == everywhere[:2]
    moved = three_ports("tap3i0")
    moved.engine.segment_changed(moved.now, ANOTHER)
    moved.plugs("tap3i0", moved.indexes["tap3i0"], ANOTHER.index)
    assert without_times(moved.runs(0.1))[:2] == everywhere[:2]
    abroad = World(ALLOW, QUICK)
    alice = abroad.guest("alice", "tap1i0", V4)
    abroad.engine.segment_changed(abroad.now, ANOTHER)
    abroad.plugs("tap2i0", segment=ANOTHER.index)
    abroad.adopts(V4, alice, fdb_port="tap2i0")
    assert without_times(abroad.runs(0.1))[0] == everywhere[0]


def test_forger_that_answers_first_and_then_stays_silent_changes_nothing():
    """A forger answers with an adopted guest's MAC and then stays silent: the guest is then probed on all ports."""
    world = three_ports("tap2i0")
    liar = world.guest("liar", "tap2i0", V4, mac=world.guests[0].mac)
    world.runs(1)
    assert world.state(V4) == "valid alice@tap2i0"
    liar.awake = False
    said = world.runs(60)
    assert "no route" not in " ".join(said)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == [f"{V4} alice"]


def test_forger_that_answers_does_not_cause_a_withdrawal():
    """A forger and the guest both answer, again and again: the route stays as it is."""
    world = three_ports("tap2i0")
    world.guest("liar", "tap2i0", V4, mac=world.guests[0].mac)
    world.runs(1)
    said = [line for _ in range(30) for line in (*world.guests[0].announces(), *world.runs(10))]
    assert not [line for line in said if "route" in line.split()]
    assert world.routes() == [f"{V4} alice"]


def test_forger_that_stays_silent_does_not_get_the_address():
    """A forger that uses an adopted guest's MAC and then claims the address with another MAC does not get it."""
    world = three_ports(None)
    liar = world.guest("liar", "tap2i0", V4)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    assert world.state(V4) == "valid alice@tap2i0"
    liar.asks_gateway()
    world.runs(10)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == [f"{V4} alice"]


def test_forged_dad_does_not_redirect_the_probes():
    """DAD says nothing about the port of an adopted guest, not even during a conflict."""
    world = three_ports(None)
    liar = world.guest("liar", "tap2i0", V4)
    liar.asks_gateway()
    world.hears("tap2i0", guest_frames.intent(world.guests[0].mac, V4))
    world.runs(10)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == [f"{V4} alice"]


@pytest.mark.slow
def test_endless_conflicts_do_not_withdraw_an_adopted_binding():
    """Conflicts without end do not withdraw an adopted binding: the guest was probed in each of them."""
    world = three_ports(None)
    world.guest("liar", "tap2i0", V4, awake=False)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    said = []
    for number in range(600):
        mac = f"52:02:45:99:{number >> 8:02x}:{number & 255:02x}"
        said += world.hears("tap2i0", guest_frames.request(mac, V4, GATEWAY4))
        said += world.runs(0.2)
    assert not [line for line in said if "no route" in line]


def test_forger_that_takes_its_link_down_interrupts_the_guest_for_a_moment():
    """A binding that departs with an inferred port is probed on all other ports, and returns with the answer."""
    world = three_ports(None)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    assert world.unplugs("tap2i0") == [
        f"no route {V4}",
        f"withdrawn {V4} alice@tap2i0 departed: port-gone",
        f"ask alice@tap1i0 for {V4}",
        f"ask alice@tap3i0 for {V4}",
    ]
    world.runs(0.01)
    assert world.routes() == [f"{V4} alice"]


def test_forger_whose_link_returns_gains_nothing():
    """A forger that is probed first because its port is back does not have the address, and keeps no guest out."""
    world = three_ports(None)
    liar = world.guest("liar", "tap2i0", V4, mac=world.guests[0].mac)
    liar.asks_gateway()
    port = world.indexes["tap2i0"]
    world.unplugs("tap2i0")
    world.plugs("tap2i0", port)
    world.runs(1)
    assert world.routes() == [f"{V4} alice"]
    liar.awake = False
    liar.says(guest_frames.request("52:02:45:99:00:01", V4, GATEWAY4))
    world.unplugs("tap2i0")
    world.plugs("tap2i0", port)
    world.runs(0.01)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == [f"{V4} alice"]


def test_second_forger_does_not_get_what_the_first_had_withdrawn():
    """While the owner is probed, no other MAC gets the address, however late the owner answers."""
    world = three_ports(None)
    world.answer_time = 0.4
    liar = world.guest("liar", "tap3i0", V4)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    world.unplugs("tap2i0")
    assert liar.asks_gateway() == [f"refused {V4} liar@tap3i0: being-decided"]
    world.runs(1)
    assert world.routes() == [f"{V4} alice"]


def test_binding_of_an_inferred_port_that_goes_is_probed_three_times_and_then_remembered():
    """A binding that departs with an inferred port is probed three times; without an answer it stays departed."""
    world = three_ports(None, awake=False)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    world.unplugs("tap2i0")
    asked = [line for line in without_times(world.runs(299)) if line.startswith("ask")]
    assert len(asked) == 2 * 2
    assert world.state(V4) == "departed alice@?"
    world.runs(2)
    assert world.state(V4) is None


def test_forger_gets_no_more_inferred_bindings_than_its_port_may_have():
    """A port that forges the MACs of all adopted guests gets as many inferred bindings as a port may have addresses."""
    world = World(ALLOW, Settings(port=PortPolicy(addresses_ipv4=2)))
    world.plugs("tap9i0")
    others = [world.guest(f"g{n}", f"tap{n}i0", f"2.57.57.{n}") for n in range(4)]
    for guest in others:
        world.adopts(guest.addresses[0], guest)
    said = [
        world.hears("tap9i0", guest_frames.request(one.mac, one.addresses[0], GATEWAY4)) for one in others
    ]
    assert [lines[0].split(":")[-1] for lines in said] == [
        " evidence",
        " evidence",
        " port-full",
        " port-full",
    ]
    world.unplugs("tap9i0")
    assert world.routes() == ["2.57.57.2 g2", "2.57.57.3 g3"]


def pinned(allow: str | None, *, awake: bool = True) -> World:
    """Return a world in which alice's MAC is pinned to her port, and nobody has spoken since the start."""
    world = World(allow)
    alice = world.guest("alice", "tap1i0", V4, awake=awake)
    world.plugs("tap2i0")
    world.plugs("tap3i0")
    world.adopts(V4, alice, fdb_port="tap2i0", pinned_port="tap1i0")
    return world


@pytest.mark.parametrize("allow", [None, ALLOW, f"{V4} mac=52:02:45:00:00:01"])
@pytest.mark.parametrize("kind", ["request", "reply", "announcement"])
def test_forged_frame_moves_no_port_that_a_pin_names(allow: str | None, kind: str):
    """A frame with her MAC from another port is the claim of a challenger: she is asked on her port, and keeps it."""
    world = pinned(allow)
    mac = world.guests[0].mac
    liar = world.guest("liar", "tap2i0", V4, mac=mac)
    frames = {
        "request": guest_frames.request(mac, V4, GATEWAY4),
        "reply": guest_frames.reply(mac, V4, GATEWAY4),
        "announcement": guest_frames.announcement(mac, V4),
    }
    assert liar.says(frames[kind])[0] == f"challenged {V4} alice@tap1i0 challenged: rival-claim"
    said = world.runs(5)
    assert world.state(V4) == "valid alice@tap1i0"
    assert not [line for line in said if "no route" in line or "moved" in line]


def test_pinned_guest_that_was_moved_is_found():
    """If her port does not answer, the guest on the other port gets the address, as at any other time."""
    world = pinned(ALLOW, awake=False)
    alice = world.guest("alice", "tap2i0", V4, mac=world.guests[0].mac)
    alice.asks_gateway()
    world.runs(5)
    assert world.state(V4) == "valid alice@tap2i0"
    assert world.routes() == [f"{V4} alice"]


def test_silent_guest_whose_mac_is_pinned_elsewhere_is_probed_on_all_ports():
    """A pin is of a MAC, and may be that of another address: the last probes go everywhere, and the route stays."""
    world = pinned(ALLOW, awake=False)
    world.guest("alice", "tap3i0", V4, mac=world.guests[0].mac)
    said = world.runs(61)
    assert not [line for line in said if "no route" in line]
    assert world.state(V4) == "valid alice@tap3i0"


def test_pinned_guest_goes_with_its_port_and_within_the_grace():
    """Her route goes with her port at once, and within a minute when she is silent."""
    world = pinned(ALLOW)
    assert world.unplugs("tap1i0")[:2] == [
        f"no route {V4}",
        f"withdrawn {V4} alice@tap1i0 departed: port-gone",
    ]
    world = pinned(ALLOW, awake=False)
    world.runs(60)
    assert world.routes() == []


def test_pin_that_the_allowlist_does_not_permit_withdraws():
    """A port is known, so the rules of today decide about it."""
    world = pinned(f"{V4} port=tap3i0")
    assert world.routes() == []


def test_pin_on_a_port_that_is_not_there_counts_as_none():
    """A pin to a port that is down, or on another bridge, says nothing."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    world.plugs("tap2i0")
    world.engine.segment_changed(world.now, ANOTHER)
    world.plugs("tap9i0", segment=ANOTHER.index)
    assert (
        world.adopts(V4, alice, pinned_port="tap9i0")[0] == f"adopted {V4} alice@? adopted: found-in-kernel"
    )


class Node:
    """Many guests on many ports, each with one adopted address. Each guest answers a probe on its port at once."""

    def __init__(
        self,
        addresses: int,
        ports: int,
        *,
        hints: bool,
        asleep: int = 0,
        grace: float = 60.0,
        rate: int = 200,
    ) -> None:
        policy = PortPolicy(addresses_ipv4=addresses)
        settings = Settings(Timers(adopt_grace=grace), Limits(probes_per_second=rate), policy)
        self.engine = Engine(settings, rules("10.0.0.0/8"))
        self.asked: Counter[int] = Counter()
        """Probes sent, by second; all copies of one probe count once."""
        self.copies: Counter[int] = Counter()
        self.withdrawn: dict[str, float] = {}
        self.proved_at = 0.0
        self.engine.segment_changed(0.0, BRIDGE)
        self.engine.local_addresses_changed(0.0, NODE)
        for number in range(ports):
            self.engine.port_changed(0.0, Port(10 + number, f"tap{number}i0", BRIDGE.index))
        self.homes = {parse_ip(f"10.0.{n >> 8}.{n & 255}"): 10 + n % ports for n in range(addresses)}
        self.asleep = set(list(self.homes)[:asleep])
        for address, port in self.homes.items():
            mac = parse_mac(f"52:02:45:00:{port >> 8:02x}:{port & 255:02x}")
            self.engine.adopt(0.0, Key(MAIN, address), mac, BRIDGE.index, port if hints else None)

    def runs(self, until: float) -> None:
        while (now := self.engine.next_deadline()) is not None and now <= until:
            outputs = self.engine.expire_timers(now)
            self.asked[int(now)] += len({one.address for one in outputs if isinstance(one, Probe)})
            for one in outputs:
                match one:
                    case Probe(port, address, mac, frame):
                        self.copies[int(now)] += 1
                        if self.homes[address] == port and address not in self.asleep:
                            reply = answer_frame(frame, mac)
                            assert reply is not None
                            self.engine.handle_frame(now, port, reply)
                            self.proved_at = now
                    case Decision(verb=Verb.WITHDRAWN, address=address) if address is not None:
                        self.withdrawn[show_ip(address)] = now

    def states(self) -> set[State]:
        return {view.state for view in self.engine.snapshot()}


@pytest.mark.slow
def test_five_thousand_are_verified_within_the_grace():
    """5,000 adopted addresses on 1,000 ports are probed in 60 s, never more than 250 in one second, and all stay."""
    node = Node(5000, 1000, hints=True)
    node.runs(60)
    assert max(node.asked.values()) <= 250
    assert 40 < node.proved_at <= 60
    assert node.withdrawn == {}
    assert State.ADOPTED not in node.states()
    assert len(node.engine.snapshot()) == 5000


@pytest.mark.slow
def test_guests_that_left_are_withdrawn_within_the_grace():
    """Of 5,000 guests, the 20 that do not answer are withdrawn within 60 s, and no other guest is."""
    node = Node(5000, 50, hints=True, asleep=20)
    node.runs(60)
    assert set(node.withdrawn) == {f"10.0.0.{number}" for number in range(20)}


@pytest.mark.slow
def test_no_guest_is_withdrawn_without_being_probed():
    """5,000 guests at 50 probes a second take 100 s, longer than `adopt_grace`: all that answer stay."""
    node = Node(5000, 100, hints=True, rate=50)
    node.runs(60)
    assert State.ADOPTED in node.states()
    node.runs(130)
    assert State.ADOPTED not in node.states()
    assert node.withdrawn == {}


@pytest.mark.slow
def test_absent_guests_do_not_delay_the_probes_of_present_ones():
    """1,000 guests that left, and are probed on 200 ports each, do not delay the 1,000 guests that stayed."""
    node = Node(2000, 200, hints=True, asleep=1000, grace=1.0)
    node.runs(12)
    assert node.proved_at < 11
    assert {view.state for view in node.engine.snapshot()[1000:]} == {State.VALID}
    node.runs(120)
    assert len(node.withdrawn) == 1000


@pytest.mark.slow
def test_probes_to_all_ports_are_sent_more_slowly():
    """If no port is known, each probe goes to 400 ports: 20,000 frames a second, after a rest 5,000 more."""
    node = Node(300, 400, hints=False, grace=1.0)
    node.runs(60)
    assert 15_000 < max(node.copies.values()) <= 25_000
    assert node.withdrawn == {}
    assert State.ADOPTED not in node.states()
