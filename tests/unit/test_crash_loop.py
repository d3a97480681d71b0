"""A daemon that is killed again and again: who left goes, who is there stays, and what the next run has to know."""

import pytest
from dialogue import BRIDGE, MAIN, World

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.settings import Settings, Timers

ALLOW = "2.57.57.0/24\n2001:678:3a4:100::/64"
V4, V6 = "2.57.57.30", "2001:678:3a4:100::80"
GONE4, GONE6 = "2.57.57.31", "2001:678:3a4:100::81"
GRACE = 60.0


def node(allow: str | None, answer_time: float = 0.001) -> World:
    """Return a node with alice, who stays, and bob, both with an address of each family."""
    world = World(allow, answer_time=answer_time)
    alice = world.guest("alice", "tap1i0", V4, V6)
    bob = world.guest("bob", "tap2i0", GONE4, GONE6)
    for guest in (alice, bob):
        for address in guest.addresses:
            guest.asks_gateway(address)
    world.runs(30)
    assert len(world.routes()) == 4
    return world


def asks(lines: list[str], address: str) -> list[str]:
    return [line for line in lines if f" for {address}" in line and " ask " in f" {line}"]


@pytest.mark.parametrize("allow", [None, ALLOW])
@pytest.mark.parametrize("life", [3.0, 5.0, 11.0, 20.0, 40.0, 50.0])
@pytest.mark.parametrize("known", ["all", "none"])
def test_who_left_goes_within_twice_the_grace(allow: str | None, life: float, known: str):
    """However often the daemon is killed, bob's routes go within twice the grace, and alice keeps hers throughout."""
    world = node(allow)
    world.guests[1].awake = False
    left, said = world.now, []
    while world.now < left + 2 * GRACE - life:
        said += world.crashes(known=known)
        said += world.runs(life)
    assert world.routes() == [f"{V4} alice", f"{V6} alice"]
    assert not [line for line in said if "no route" in line and (V4 in line or V6 in line)]
    assert not {Key(MAIN, parse_ip(GONE4)), Key(MAIN, parse_ip(GONE6))} & world.notes.keys()


@pytest.mark.parametrize("life", [5.0, 11.0])
def test_guest_that_answers_slowly_stays(life: float):
    """A guest that takes 0.9 s for each answer is never withdrawn."""
    world = node(ALLOW, answer_time=0.9)
    said = [line for _ in range(12) for line in (*world.crashes(known="none"), *world.runs(life))]
    assert not [line for line in said if "no route" in line]


def test_one_answer_clears_the_note():
    """What earlier runs asked in vain does not count any more after an answer, nor after a frame of the guest."""
    world = node(ALLOW)
    alice, bob = world.guests
    alice.awake = bob.awake = False
    world.crashes()
    world.runs(5)
    assert {note.probes_sent for note in world.notes.values()} == {3}
    world.crashes()
    alice.asks_gateway(V4)
    assert Key(MAIN, parse_ip(V4)) not in world.notes
    alice.awake = bob.awake = True
    world.runs(5)
    assert world.notes == {}


def test_who_left_while_the_daemon_was_down_goes_within_15_seconds():
    """A guest without a forwarding entry is probed first. So is one whose neighbour is missing, too."""
    world = node(ALLOW)
    world.guests[1].awake = False
    world.crashes(down=3600)
    asked = world.runs(0.5)
    assert len(asks(asked, GONE4)) == len(asks(asked, GONE6)) == 2
    world.runs(14.5)
    assert world.routes() == [f"{V4} alice", f"{V6} alice"]


def test_many_without_a_forwarding_entry_are_probed_one_after_the_other():
    """Twenty more of them are probed each second, beside those whose turn it is anyhow."""
    world = World("10.0.0.0/8")
    bob = world.guest("bob", "tap2i0", awake=False)
    addresses = [f"10.0.0.{number}" for number in range(1, 161)]
    for address in addresses:
        world.adopts(address, bob)
    first: dict[str, float] = {}
    for line in world.runs(8.5):
        time, *words = line.replace(",", "").split()
        if words[0] == "ask":
            first.setdefault(words[words.index("for") + 1], float(time))
    assert first.keys() == set(addresses)
    begun = [sum(int(at) == second for at in first.values()) for second in range(8)]
    assert max(begun) < 40


def test_probe_counts_once_its_answer_was_awaited():
    """A probe that is sent less than a second before the kill is sent again."""
    world = node(ALLOW)
    world.guests[1].awake = False
    world.crashes()
    world.runs(0.9)
    note = world.notes[Key(MAIN, parse_ip(GONE4))]
    assert (note.probes_sent, note.probing_since) == (0, None)
    world.runs(0.2)
    note = world.notes[Key(MAIN, parse_ip(GONE4))]
    assert note.probes_sent == 1
    assert note.since == note.probing_since


def test_probe_whose_answer_may_be_unread_or_lost_does_not_count():
    """Frames that are unread, and a loop that stood still, may hide the answer."""
    for unread in (True, False):
        world = node(ALLOW)
        world.guests[1].awake = False
        world.crashes()
        world.runs(0.5)
        world.now += 0.6 if unread else 5.0
        world.ticks(unread=unread)
        assert {note.probes_sent for note in world.notes.values()} <= {0}


def noted(world: World, mac: str, since: float, probes_sent: int, probing_since: float | None) -> None:
    key = Key(MAIN, parse_ip(V4))
    world.notes[key] = AdoptionNote(key, parse_mac(mac), since, probes_sent, probing_since)


def test_note_that_is_wrong_withdraws_nobody_who_answers():
    """A note that counts more probes than there are still has the guest asked, and wait a second for its answer."""
    world = World(ALLOW, answer_time=0.9, now=100.0)
    alice = world.guest("alice", "tap1i0", V4)
    noted(world, alice.mac, 0.0, 99, 50.0)
    world.adopts(V4, alice)
    said = world.runs(60)
    assert not [line for line in said if "no route" in line]
    assert world.state(V4) == "valid alice@tap1i0"


def test_last_probe_is_sent_again_and_awaited_for_a_second():
    """A note of all probes leads to one more, to every port, and to the verdict a second later."""
    world = World(ALLOW, now=100.0)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    world.plugs("tap2i0")
    noted(world, alice.mac, 50.0, 5, 70.0)
    world.adopts(V4, alice, fdb_port="tap1i0")
    assert world.runs(1.5) == [
        f"100.00 ask all of alice@tap1i0 for {V4}",
        f"100.00 ask all of alice@tap2i0 for {V4}",
        f"101.00 no route {V4}",
        f"101.00 withdrawn {V4} alice@? departed: silent",
    ]


def test_probes_of_long_ago_do_not_count():
    """An hour later the sequence begins again, though early, for the grace is over."""
    world = World(ALLOW, now=5000.0)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    noted(world, alice.mac, 50.0, 4, 70.0)
    world.adopts(V4, alice)
    assert len(asks(world.runs(13), V4)) == 5
    assert world.state(V4) == "adopted alice@?"
    world.runs(1)
    assert world.state(V4) == "departed alice@?"


@pytest.mark.parametrize(
    ("mac", "since", "probing_since"),
    [("52:02:45:99:99:99", 50.0, 70.0), (None, 500.0, 500.0), (None, 80.0, 70.0), (None, -1.0, 70.0)],
)
def test_note_about_somebody_or_some_time_else_counts_as_none(
    mac: str | None, since: float, probing_since: float
):
    """A note with another MAC, or with times that cannot be, changes nothing: the binding has its whole grace."""
    world, fresh = World(ALLOW, now=100.0), World(ALLOW, now=100.0)
    for one in (world, fresh):
        alice = one.guest("alice", "tap1i0", V4, awake=False)
        if one is world:
            noted(world, mac or alice.mac, since, 4, probing_since)
        one.adopts(V4, alice, fdb_port="tap1i0")
    assert world.runs(60) == fresh.runs(60)


def test_shorter_grace_and_fewer_probes_after_a_crash():
    """Fewer probes in the configuration of the next run end the sequence earlier, and one is enough."""
    for count in (1, 2, 3):
        world = World(ALLOW, Settings(Timers(adopt_grace=5.0, probe_count=count)), now=100.0)
        alice = world.guest("alice", "tap1i0", V4, awake=False)
        noted(world, alice.mac, 90.0, 4, 97.0)
        world.adopts(V4, alice)
        assert len(asks(world.runs(10), V4)) == 1
        assert world.state(V4) == "departed alice@?"


def test_challenger_in_each_run_does_not_keep_the_address_of_who_left():
    """A liar challenges the address at each start, and answers nothing: the route goes all the same."""
    world = node(ALLOW)
    world.guests[1].awake = False
    liar = world.guest("liar", "tap3i0", awake=False)
    left, said = world.now, []
    while world.now < left + 2 * GRACE - 20:
        said += world.crashes(known="none")
        said += liar.asks_gateway(GONE4)
        said += world.runs(20)
    assert f"{GONE4} bob" not in world.routes()


def test_removed_route_has_no_note():
    """An address that the operator flushes, or that the allowlist refuses, is not noted any more."""
    world = node(ALLOW)
    world.guests[1].awake = False
    world.crashes()
    assert len(world.notes) == 4
    world.flushes(GONE4)
    assert len(world.notes) == 3
    world.carries_out(world.engine.segment_gone(world.now, BRIDGE.index))
    assert world.notes == {}
