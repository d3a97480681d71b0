"""What the kernel held when the daemon started: who is asked, where, how fast; and what liars gain."""

from collections import Counter

import guest_frames
from dialogue import BRIDGE, GATEWAY4, MAIN, NODE, World, rules

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import parse_ip, parse_mac, show_ip
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Decision, Probe, Verb
from rdnbr.core.model.settings import Limits, PortPolicy, Settings, Timers
from rdnbr.core.wire.probe_frames import answer_frame

ALLOW = "2.57.57.0/24"
V4 = "2.57.57.30"
ANOTHER = Segment(2, "vmbr2", BRIDGE.mac, MAIN, None, None)
QUICK = Settings(Timers(adopt_grace=0.01))
"""What is adopted is asked at once."""


def words(lines: list[str]) -> list[str]:
    """Return lines without their times."""
    return [line.split(maxsplit=1)[1] for line in lines]


def world_of_three(fdb_port: str | None, allow: str | None = ALLOW, *, awake: bool = True) -> World:
    world = World(allow, QUICK)
    alice = world.guest("alice", "tap1i0", V4, awake=awake)
    world.plugs("tap2i0")
    world.plugs("tap3i0")
    world.adopts(V4, alice, fdb_port=fdb_port)
    return world


def test_the_port_that_the_bridge_knows_is_asked_first():
    """Where the bridge's table has the MAC, the first question goes to that port alone, and the answer settles it."""
    world = world_of_three("tap1i0")
    assert words(world.runs(1)) == [
        f"ask alice@tap1i0 for {V4}",
        f"refreshed {V4} alice@tap1i0 valid: answered",
    ]


def test_who_keeps_silent_there_is_asked_everywhere():
    """After the first question all others go to every port, so that a table which is wrong or old costs a second."""
    world = world_of_three("tap2i0")
    assert words(world.runs(2)) == [
        f"ask alice@tap2i0 for {V4}",
        f"ask alice@tap1i0 for {V4}",
        f"ask alice@tap2i0 for {V4}",
        f"ask alice@tap3i0 for {V4}",
        f"refreshed {V4} alice@tap1i0 valid: answered",
    ]


def test_hints_that_cannot_be():
    """A port that may not have the address, of another bridge, gone or moved, is no place to begin."""
    everywhere = [f"ask alice@tap{number}i0 for {V4}" for number in (1, 2, 3)]
    pinned = world_of_three("tap2i0", f"{V4} port=tap1i0")
    assert words(pinned.runs(0.1))[:3] == everywhere
    gone = world_of_three("tap3i0")
    gone.unplugs("tap3i0")
    assert words(gone.runs(0.1))[:2] == everywhere[:2]
    moved = world_of_three("tap3i0")
    moved.engine.segment_changed(ANOTHER)
    moved.plugs("tap3i0", moved.indexes["tap3i0"], ANOTHER.index)
    assert words(moved.runs(0.1))[:2] == everywhere[:2]
    abroad = World(ALLOW, QUICK)
    alice = abroad.guest("alice", "tap1i0", V4)
    abroad.engine.segment_changed(ANOTHER)
    abroad.plugs("tap2i0", segment=ANOTHER.index)
    abroad.adopts(V4, alice, fdb_port="tap2i0")
    assert words(abroad.runs(0.1))[0] == everywhere[0]


def test_liar_who_answers_first_and_then_keeps_silent_costs_nothing():
    """Who speaks with an adopted guest's MAC is believed; when it is silent the guest is asked, wherever that is."""
    world = world_of_three("tap2i0")
    liar = world.guest("liar", "tap2i0", V4, mac=world.guests[0].mac)
    world.runs(1)
    assert world.state(V4) == "valid alice@tap2i0"
    liar.awake = False
    said = world.runs(60)
    assert "no route" not in " ".join(said)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == [f"{V4} alice"]


def test_liar_who_answers_is_no_reason_to_withdraw():
    """While a liar and the guest both answer, and quarrel, the route stays as it is."""
    world = world_of_three("tap2i0")
    world.guest("liar", "tap2i0", V4, mac=world.guests[0].mac)
    world.runs(1)
    said = [line for _ in range(30) for line in (*world.guests[0].announces(), *world.runs(10))]
    assert not [line for line in said if "route" in line.split()]
    assert world.routes() == [f"{V4} alice"]


def test_liar_who_keeps_silent_gains_nothing_for_itself():
    """Who speaks with an adopted guest's MAC, keeps silent and has another MAC claim the address, does not get it."""
    world = world_of_three(None)
    liar = world.guest("liar", "tap2i0", V4)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    assert world.state(V4) == "valid alice@tap2i0"
    liar.asks_gateway()
    world.runs(10)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == [f"{V4} alice"]


def test_liar_who_only_means_to_use_an_address_does_not_draw_the_questions_to_itself():
    """DAD tells nothing of where an adopted guest is, not even while its address is contested."""
    world = world_of_three(None)
    liar = world.guest("liar", "tap2i0", V4)
    liar.asks_gateway()
    world.hears("tap2i0", guest_frames.intent(world.guests[0].mac, V4))
    world.runs(10)
    assert world.state(V4) == "valid alice@tap1i0"
    assert world.routes() == [f"{V4} alice"]


def test_liar_who_has_it_contested_for_ever_costs_nothing():
    """Contests without end are no reason to withdraw what was adopted: the guest was asked in each of them."""
    world = world_of_three(None)
    world.guest("liar", "tap2i0", V4, awake=False)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    said = []
    for number in range(600):
        mac = f"52:02:45:99:{number >> 8:02x}:{number & 255:02x}"
        said += world.hears("tap2i0", guest_frames.request(mac, V4, GATEWAY4))
        said += world.runs(0.2)
    assert not [line for line in said if "no route" in line]


def test_liar_who_takes_its_link_down_costs_a_moment():
    """What goes with a port that was only surmised is asked for on all others at once, and is back with the answer."""
    world = world_of_three(None)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    assert world.unplugs("tap2i0") == [
        f"no route {V4}",
        f"withdrawn {V4} alice@tap2i0 departed: port-gone",
        f"ask alice@tap1i0 for {V4}",
        f"ask alice@tap3i0 for {V4}",
    ]
    world.runs(0.01)
    assert world.routes() == [f"{V4} alice"]


def test_liar_whose_link_returns_is_a_liar_still():
    """Who is asked first because its port is back has the address no more than before, and keeps nobody out."""
    world = world_of_three(None)
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


def test_second_liar_does_not_get_what_the_first_had_withdrawn():
    """While the owner is being asked, nobody with another MAC gets the address, however slow its answer."""
    world = world_of_three(None)
    world.answer_time = 0.4
    liar = world.guest("liar", "tap3i0", V4)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    world.unplugs("tap2i0")
    assert liar.asks_gateway() == [f"refused {V4} liar@tap3i0: being-decided"]
    world.runs(1)
    assert world.routes() == [f"{V4} alice"]


def test_what_went_with_a_surmised_port_is_asked_for_three_times_and_then_remembered():
    """Who does not answer anywhere is gone, and is remembered as any other."""
    world = world_of_three(None, awake=False)
    world.hears("tap2i0", guest_frames.request(world.guests[0].mac, V4, GATEWAY4))
    world.unplugs("tap2i0")
    asked = [line for line in words(world.runs(299)) if line.startswith("ask")]
    assert len(asked) == 2 * 2
    assert world.state(V4) == "departed alice@?"
    world.runs(2)
    assert world.state(V4) is None


def test_liar_is_surmised_to_have_no_more_than_its_port_may():
    """Who speaks with the MACs of everybody who was adopted is believed for as many addresses as a port may have."""
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


class Node:
    """Many guests on many ports, each with one adopted address; every guest answers at once where it is asked."""

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
        """Questions by the second in which they were put, each with all its copies counted once."""
        self.copies: Counter[int] = Counter()
        self.withdrawn: dict[str, float] = {}
        self.proved_at = 0.0
        self.engine.segment_changed(BRIDGE)
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


def test_five_thousand_prove_themselves_within_the_grace():
    """5,000 adopted addresses on 1,000 ports are asked in 60 s, never more than 250 in one second, and all stay."""
    node = Node(5000, 1000, hints=True)
    node.runs(60)
    assert max(node.asked.values()) <= 250
    assert 40 < node.proved_at <= 60
    assert node.withdrawn == {}
    assert State.ADOPTED not in node.states()
    assert len(node.engine.snapshot()) == 5000


def test_those_that_left_go_within_the_grace():
    """Of 5,000 those 20 that do not answer are withdrawn within 60 s, and nobody else."""
    node = Node(5000, 50, hints=True, asleep=20)
    node.runs(60)
    assert set(node.withdrawn) == {f"10.0.0.{number}" for number in range(20)}


def test_nobody_is_withdrawn_for_want_of_a_question():
    """5,000 at 50 questions a second take 100 s to ask: the grace is exceeded, and all who answer stay."""
    node = Node(5000, 100, hints=True, rate=50)
    node.runs(60)
    assert State.ADOPTED in node.states()
    node.runs(130)
    assert State.ADOPTED not in node.states()
    assert node.withdrawn == {}


def test_who_is_there_does_not_wait_behind_who_is_not():
    """1,000 that left, and are asked for on 200 ports each, delay none of the 1,000 that stayed."""
    node = Node(2000, 200, hints=True, asleep=1000, grace=1.0)
    node.runs(12)
    assert node.proved_at < 11
    assert {view.state for view in node.engine.snapshot()[1000:]} == {State.VALID}
    node.runs(120)
    assert len(node.withdrawn) == 1000


def test_questions_to_all_ports_are_put_more_slowly():
    """Where no port is known, each question goes to 400; 20,000 frames a second leave, after a rest 5,000 more."""
    node = Node(300, 400, hints=False, grace=1.0)
    node.runs(60)
    assert 15_000 < max(node.copies.values()) <= 25_000
    assert node.withdrawn == {}
    assert State.ADOPTED not in node.states()
