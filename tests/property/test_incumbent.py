"""While a guest answers, no other guest gets its address, whatever other guests send, in any order."""

import guest_frames
from dialogue import GATEWAY4, GATEWAY6, World
from hypothesis import given, settings
from hypothesis import strategies as st

V4, V6 = "2.57.57.30", "2001:678::80"
ALICE = "52:02:45:00:00:01"

attacks = st.tuples(
    st.sampled_from(["tap2i0", "tap3i0"]),
    st.sampled_from(["use", "answer", "announcement", "intent", "unconfirmed", "rarp"]),
    st.sampled_from([ALICE, "52:02:45:00:00:02", "52:02:45:00:00:03", "52:02:45:00:00:04"]),
    st.sampled_from([V4, V6]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.001, 0.3, 0.5, 0.6, 1.1, 1.6, 4.0, 45.0]),
)


def frame(kind: str, mac: str, address: str, *, override: bool) -> bytes:
    gateway = GATEWAY6 if ":" in address else GATEWAY4
    match kind:
        case "answer":
            return guest_frames.reply(mac, address, gateway, override=override)
        case "announcement":
            return guest_frames.announcement(mac, address, override=override)
        case "intent":
            return guest_frames.intent(mac, address)
        case "unconfirmed" if ":" in address:
            return guest_frames.unconfirmed(mac, address, gateway)
        case "rarp":
            return guest_frames.rarp(mac)
        case _:
            return guest_frames.request(mac, address, gateway)


@settings(deadline=None)
@given(
    allow=st.sampled_from([None, "2.57.57.0/24\n2001:678::/64"]),
    attacked=st.lists(attacks, max_size=30),
    mallory_is_awake=st.booleans(),
    answer_time=st.sampled_from([0.001, 0.4, 1.2]),
)
def test_no_guest_gets_the_address_of_a_guest_that_answers(allow, attacked, mallory_is_awake, answer_time):
    """Alice's routes are hers all the time, although she only answers probes, and slowly."""
    world = World(allow, answer_time=answer_time)
    alice = world.guest("alice", "tap1i0", V4, V6, mac=ALICE)
    for number, port in enumerate(["tap2i0", "tap3i0"]):
        for mac in (ALICE, f"52:02:45:00:00:0{number + 2}", f"52:02:45:00:00:0{number + 3}"):
            world.guest("mallory", port, V4, V6, mac=mac, awake=mallory_is_awake)
    for address in (V4, V6):
        alice.asks_gateway(address)
        world.runs(1.5)
    mine = {key: host.mac for key, host in world.wanted.items()}
    assert len(mine) == 2
    for port, kind, mac, address, override, unasked, wait in attacked:
        world.hears(port, frame(kind, mac, address, override=override))
        if unasked:
            world.hears(port, frame("answer", mac, address, override=override))
        world.runs(wait)
        assert {key: host.mac for key, host in world.wanted.items()} == mine
        assert {view.port for view in world.engine.snapshot()} == {"tap1i0"}
