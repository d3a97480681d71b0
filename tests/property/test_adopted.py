"""After a restart no guest that answers loses its route, whatever other guests send before and after it."""

import guest_frames
from dialogue import BRIDGE, GATEWAY4, MAIN, World
from hypothesis import given, settings
from hypothesis import strategies as st

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import Key

V4 = "2.57.57.30"
ALICE, MALLORY = "52:02:45:00:00:01", "52:02:45:00:00:02"
PORTS = ("tap1i0", "tap2i0", "tap3i0")

attacks = st.tuples(
    st.sampled_from(PORTS[1:]),
    st.sampled_from(["use", "answer", "announcement", "intent", "rarp", "sleep", "wake"]),
    st.sampled_from([ALICE, MALLORY]),
    st.sampled_from([0.0, 0.001, 0.3, 0.6, 1.1, 4.0, 20.0, 70.0]),
)


def frame(kind: str, mac: str) -> bytes:
    match kind:
        case "answer":
            return guest_frames.reply(mac, V4, GATEWAY4)
        case "announcement":
            return guest_frames.announcement(mac, V4)
        case "intent":
            return guest_frames.intent(mac, V4)
        case "rarp":
            return guest_frames.rarp(mac)
        case _:
            return guest_frames.request(mac, V4, GATEWAY4)


@settings(deadline=None)
@given(
    allow=st.sampled_from([None, "2.57.57.0/24"]),
    heard_on=st.sampled_from([None, *PORTS]),
    attacked=st.lists(attacks, max_size=20),
    awake=st.booleans(),
    answer_time=st.sampled_from([0.001, 0.4]),
)
def test_no_guest_that_answers_loses_an_adopted_route(allow, heard_on, attacked, awake, answer_time):
    """Alice answers each probe, on her port alone. Her route is always there, and leads to her MAC."""
    world = World(allow, answer_time=answer_time)
    world.guest("alice", "tap1i0", V4, mac=ALICE)
    others = [
        world.guest("mallory", port, V4, mac=mac, awake=awake)
        for port in PORTS[1:]
        for mac in (ALICE, MALLORY)
    ]
    key = Key(MAIN, parse_ip(V4))
    port = world.indexes[heard_on] if heard_on else None
    world.carries_out(world.engine.adopt(0.0, key, parse_mac(ALICE), BRIDGE.index, port))
    for where, kind, mac, wait in [*attacked, ("tap2i0", "sleep", ALICE, 200.0)]:
        if kind in ("sleep", "wake"):
            for guest in others:
                guest.awake = kind == "wake" if guest.mac == mac else guest.awake
        else:
            world.hears(where, frame(kind, mac))
        said = world.runs(wait)
        assert [line for line in said if "no route" in line] == []
        assert world.wanted[key].mac == parse_mac(ALICE)
