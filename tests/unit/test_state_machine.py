"""Every row of the machine's table, brought about by frames, time and the operator: nothing reaches into it."""

from collections.abc import Callable

import pytest
from dialogue import Guest, World

from rdnbr.core.bindings.state_machine import TABLE, BindingEvent, ImpossibleTransitionError, transition
from rdnbr.core.model.binding_state import State

ADDRESS = "2001:678::80"


class Scene:
    """Alice has the address or claims it first; Bob wants it too. The rule says vip, so that announcements count."""

    def __init__(self) -> None:
        self.world = World("2001:678::/32 vip")
        self.alice = self.world.guest("alice", "tap1i0", ADDRESS)
        self.bob = self.world.guest("bob", "tap2i0", ADDRESS)

    def nothing(self) -> None:
        pass

    def tentative(self) -> None:
        self.alice.does_dad()

    def valid(self) -> None:
        self.settled(self.alice)

    def probing(self) -> None:
        self.valid()
        self.alice.awake = self.bob.awake = False
        self.asked()

    def challenged(self) -> None:
        self.valid()
        self.alice.awake = self.bob.awake = False
        self.bob.asks_gateway()

    def frozen(self) -> None:
        self.settled(self.bob)
        for guest in (self.alice, self.bob, self.alice, self.bob):
            self.world.runs(1.5)
            guest.announces()
        self.world.runs(1.5)
        self.alice.announces()
        self.alice.awake = self.bob.awake = False

    def adopted(self) -> None:
        self.world.adopts(ADDRESS, self.alice)

    def static(self) -> None:
        self.world.reloads(f"2001:678::/32 vip\n{ADDRESS} static vip")
        self.settled(self.alice)

    def departed(self) -> None:
        self.valid()
        self.alice.awake = self.bob.awake = False
        self.world.runs(60)

    def settled(self, guest: Guest) -> None:
        guest.asks_gateway()
        self.world.runs(0.1)

    def proof(self) -> list[str]:
        return self.alice.asks_gateway()

    def claim(self) -> list[str]:
        return self.alice.asks_unconfirmed()

    def dad(self) -> list[str]:
        return self.alice.does_dad()

    def answer(self) -> list[str]:
        self.alice.awake = False
        said = []
        while f"alice@tap1i0 for {ADDRESS}" not in " ".join(said):
            said = self.world.runs(0.1)
        return self.alice.answers()

    def arrival(self) -> list[str]:
        if (
            self.world.state(ADDRESS) is None
        ):  # nobody knows its MAC, but for a kernel that has it from before
            return self.world.recalls(ADDRESS, self.alice, "tap1i0")
        return self.alice.shows_up()

    def challenger_claim(self) -> list[str]:
        return self.bob.asks_gateway()

    def challenger_answer(self) -> list[str]:
        self.alice.awake, self.bob.awake = False, True
        said = self.bob.asks_gateway() + self.world.runs(2.1)
        return [line for line in said if "bob@" in line and "ask" not in line]

    def announcement(self) -> list[str]:
        self.world.now += 2
        return self.bob.announces()

    def silence(self) -> list[str]:
        self.alice.awake = self.bob.awake = False
        return self.world.runs(61 if "frozen" not in str(self.world.state(ADDRESS)) else 59)

    def not_returned(self) -> list[str]:
        self.world.runs(3)
        self.departed()
        self.alice.shows_up()
        return self.world.runs(4)

    def becomes_static(self) -> list[str]:
        if self.world.state(ADDRESS) is None:
            self.world.reloads(f"2001:678::/32 vip\n{ADDRESS} static")
            return self.alice.does_dad()
        if self.world.state(ADDRESS).startswith("departed"):
            self.world.reloads(f"2001:678::/32 vip\n{ADDRESS} static")
            return self.alice.asks_gateway()
        said = self.world.reloads(f"2001:678::/32 vip\n{ADDRESS} static vip")
        return said if any("static" in line for line in said) else self.alice.asks_gateway()

    def not_static(self) -> list[str]:
        return self.world.reloads("2001:678::/32 vip")

    def challenger_gone(self) -> list[str]:
        return self.world.unplugs("tap2i0")

    def abandoned(self) -> list[str]:
        said: list[str] = []
        for number in range(100):
            clone = self.world.guest(f"clone{number}", "tap2i0", ADDRESS, awake=False)
            clone.asks_gateway()
            said += self.world.runs(3.5)
        return [line for line in said if "withdrawn" in line]

    def due(self) -> list[str]:
        return self.world.runs(40)

    def moved_too_often(self) -> list[str]:
        for guest in (self.bob, self.alice, self.bob, self.alice):
            self.world.runs(1.5)
            guest.announces()
        self.world.runs(1.5)
        return self.bob.announces()

    def freeze_over(self) -> list[str]:
        self.alice.awake = True
        return self.world.runs(61)

    def retention_over(self) -> list[str]:
        self.world.unplugs("tap1i0")
        return self.world.runs(301)

    def found_in_kernel(self) -> list[str]:
        return self.world.adopts(ADDRESS, self.alice)

    def found_not_permitted(self) -> list[str]:
        self.world.reloads("2001:db8::/32")
        return self.world.adopts(ADDRESS, self.alice)

    def third_claim(self) -> list[str]:
        carol = self.world.guest("carol", "tap3i0", ADDRESS, awake=False)
        if self.world.state(ADDRESS).startswith("tentative"):
            self.bob.asks_gateway()
        return carol.asks_gateway()

    def port_gone(self) -> list[str]:
        if str(self.world.state(ADDRESS)).startswith("adopted"):  # the port is known by a pin
            self.world.flushes(ADDRESS)
            self.world.adopts(ADDRESS, self.alice, pinned_port="tap1i0")
        return self.world.unplugs("tap1i0")

    def challenger_inherits(self) -> list[str]:
        self.alice.asks_gateway()
        self.alice.awake = False
        self.bob.asks_gateway()
        return self.world.unplugs("tap1i0")

    def segment_gone(self) -> list[str]:
        return self.world.loses_segment()

    def not_permitted(self) -> list[str]:
        return self.world.reloads("2001:db8::/32")

    def flushed(self) -> list[str]:
        return self.world.flushes()

    def asked(self) -> list[str]:
        return self.world.asks(ADDRESS)


ROWS: dict[tuple[str, str], str] = {
    ("nothing", "proof"): "learned X alice@tap1i0 valid: first-claim",
    ("nothing", "claim"): "learned X alice@tap1i0 tentative: awaiting-answer",
    ("nothing", "dad"): "learned X alice@tap1i0 tentative: awaiting-dad",
    ("nothing", "arrival"): "learned X alice@tap1i0 tentative: arrived",
    ("nothing", "found_in_kernel"): "adopted X alice@? adopted: found-in-kernel",
    ("nothing", "found_not_permitted"): "withdrawn X alice@?: not-permitted",
    ("tentative", "proof"): "installed X alice@tap1i0 valid: evidence",
    ("tentative", "claim"): "refreshed X alice@tap1i0 tentative: awaiting-answer",
    ("tentative", "dad"): "refreshed X alice@tap1i0 tentative: awaiting-dad",
    ("tentative", "arrival"): "refreshed X alice@tap1i0 tentative: awaiting-answer",
    ("tentative", "answer"): "installed X alice@tap1i0 valid: answered",
    ("tentative", "challenger_claim"): "challenged X alice@tap1i0 tentative: rival-claim",
    ("tentative", "third_claim"): "refused X carol@tap3i0: being-decided",
    ("tentative", "challenger_answer"): "installed X bob@tap2i0 valid: answered",
    ("tentative", "announcement"): "installed X bob@tap2i0 valid: announced",
    ("tentative", "silence"): "expired X alice@tap1i0: silent",
    ("tentative", "not_returned"): "expired X alice@tap1i0 departed: silent",
    ("tentative", "port_gone"): "expired X alice@tap1i0: port-gone",
    ("tentative", "segment_gone"): "expired X alice@tap1i0: segment-gone",
    ("tentative", "not_permitted"): "expired X alice@tap1i0: no-longer-permitted",
    ("tentative", "flushed"): "expired X alice@tap1i0: flushed",
    ("valid", "proof"): "refreshed X alice@tap1i0 valid: evidence",
    ("valid", "claim"): "refreshed X alice@tap1i0 valid: evidence",
    ("valid", "dad"): "refreshed X alice@tap1i0 probing: awaiting-dad",
    ("valid", "arrival"): "refreshed X alice@tap1i0 probing: arrived",
    ("valid", "challenger_claim"): "challenged X alice@tap1i0 challenged: rival-claim",
    ("valid", "announcement"): "moved X bob@tap2i0 valid: announced",
    ("valid", "due"): "ask alice@tap1i0 for X",
    ("valid", "moved_too_often"): "frozen X bob@tap2i0 frozen: moved-too-often",
    ("valid", "port_gone"): "withdrawn X alice@tap1i0 departed: port-gone",
    ("valid", "segment_gone"): "withdrawn X alice@tap1i0 departed: segment-gone",
    ("valid", "not_permitted"): "withdrawn X alice@tap1i0: no-longer-permitted",
    ("valid", "flushed"): "withdrawn X alice@tap1i0: flushed",
    ("probing", "proof"): "refreshed X alice@tap1i0 valid: evidence",
    ("probing", "claim"): "refreshed X alice@tap1i0 valid: evidence",
    ("probing", "dad"): "refreshed X alice@tap1i0 probing: awaiting-dad",
    ("probing", "arrival"): "refreshed X alice@tap1i0 probing: arrived",
    ("probing", "answer"): "refreshed X alice@tap1i0 valid: answered",
    ("probing", "challenger_claim"): "challenged X alice@tap1i0 challenged: rival-claim",
    ("probing", "announcement"): "moved X bob@tap2i0 valid: announced",
    ("probing", "silence"): "withdrawn X alice@tap1i0 departed: silent",
    ("probing", "port_gone"): "withdrawn X alice@tap1i0 departed: port-gone",
    ("probing", "segment_gone"): "withdrawn X alice@tap1i0 departed: segment-gone",
    ("probing", "not_permitted"): "withdrawn X alice@tap1i0: no-longer-permitted",
    ("probing", "flushed"): "withdrawn X alice@tap1i0: flushed",
    ("challenged", "proof"): "kept X alice@tap1i0 valid: incumbent-answered",
    ("challenged", "claim"): "kept X alice@tap1i0 valid: incumbent-answered",
    ("challenged", "answer"): "kept X alice@tap1i0 valid: incumbent-answered",
    ("challenged", "dad"): "refreshed X alice@tap1i0 challenged: awaiting-answer",
    ("challenged", "arrival"): "refreshed X alice@tap1i0 challenged: awaiting-answer",
    ("challenged", "third_claim"): "refused X carol@tap3i0: being-decided",
    ("challenged", "challenger_answer"): "moved X bob@tap2i0 valid: incumbent-silent",
    ("challenged", "announcement"): "moved X bob@tap2i0 valid: announced",
    ("challenged", "silence"): "kept X alice@tap1i0 probing: rival-silent",
    ("challenged", "challenger_gone"): "kept X alice@tap1i0 probing: port-gone",
    ("challenged", "abandoned"): "withdrawn X alice@tap1i0 departed: silent",
    ("challenged", "port_gone"): "withdrawn X alice@tap1i0 departed: port-gone",
    ("challenged", "segment_gone"): "withdrawn X alice@tap1i0 departed: segment-gone",
    ("challenged", "not_permitted"): "withdrawn X alice@tap1i0: no-longer-permitted",
    ("challenged", "flushed"): "withdrawn X alice@tap1i0: flushed",
    ("frozen", "proof"): "refreshed X alice@tap1i0 frozen: evidence",
    ("frozen", "claim"): "refreshed X alice@tap1i0 frozen: evidence",
    ("frozen", "dad"): "refreshed X alice@tap1i0 frozen: awaiting-dad",
    ("frozen", "arrival"): "refreshed X alice@tap1i0 frozen: arrived",
    ("frozen", "answer"): "refreshed X alice@tap1i0 frozen: answered",
    ("frozen", "challenger_claim"): "refused X bob@tap2i0: moved-too-often",
    ("frozen", "announcement"): "refused X bob@tap2i0: moved-too-often",
    ("frozen", "freeze_over"): "kept X alice@tap1i0 probing: thawed",
    ("frozen", "silence"): "withdrawn X alice@tap1i0 departed: silent",
    ("frozen", "port_gone"): "withdrawn X alice@tap1i0 departed: port-gone",
    ("frozen", "segment_gone"): "withdrawn X alice@tap1i0 departed: segment-gone",
    ("frozen", "not_permitted"): "withdrawn X alice@tap1i0: no-longer-permitted",
    ("frozen", "flushed"): "withdrawn X alice@tap1i0: flushed",
    ("adopted", "proof"): "refreshed X alice@tap1i0 valid: evidence",
    ("adopted", "claim"): "refreshed X alice@tap1i0 valid: evidence",
    ("adopted", "dad"): "refreshed X alice@? adopted: awaiting-dad",
    ("adopted", "arrival"): "refreshed X alice@? adopted: arrived",
    ("adopted", "answer"): "refreshed X alice@tap1i0 valid: answered",
    ("adopted", "challenger_claim"): "challenged X alice@? challenged: rival-claim",
    ("adopted", "announcement"): "moved X bob@tap2i0 valid: announced",
    ("adopted", "silence"): "withdrawn X alice@? departed: silent",
    ("adopted", "port_gone"): "withdrawn X alice@tap1i0 departed: port-gone",
    ("adopted", "segment_gone"): "withdrawn X alice@? departed: segment-gone",
    ("adopted", "not_permitted"): "withdrawn X alice@?: no-longer-permitted",
    ("adopted", "flushed"): "withdrawn X alice@?: flushed",
    ("nothing", "becomes_static"): "learned X alice@tap1i0 static: static",
    ("tentative", "becomes_static"): "installed X alice@tap1i0 static: static",
    ("valid", "becomes_static"): "refreshed X alice@tap1i0 static: static",
    ("probing", "becomes_static"): "refreshed X alice@tap1i0 static: static",
    ("challenged", "becomes_static"): "refreshed X alice@tap1i0 static: static",
    ("frozen", "becomes_static"): "refreshed X alice@tap1i0 static: static",
    ("adopted", "becomes_static"): "refreshed X alice@tap1i0 static: static",
    ("departed", "becomes_static"): "learned X alice@tap1i0 static: static",
    ("static", "proof"): "refreshed X alice@tap1i0 static: evidence",
    ("static", "claim"): "refreshed X alice@tap1i0 static: evidence",
    ("static", "dad"): "refreshed X alice@tap1i0 static: evidence",
    ("static", "arrival"): "refreshed X alice@tap1i0 static: arrived",
    ("static", "challenger_claim"): "refused X bob@tap2i0: static",
    ("static", "announcement"): "moved X bob@tap2i0 valid: announced",
    ("static", "moved_too_often"): "frozen X bob@tap2i0 frozen: moved-too-often",
    ("static", "not_static"): "refreshed X alice@tap1i0 probing: awaiting-answer",
    ("static", "port_gone"): "withdrawn X alice@tap1i0 departed: port-gone",
    ("static", "segment_gone"): "withdrawn X alice@tap1i0 departed: segment-gone",
    ("static", "not_permitted"): "withdrawn X alice@tap1i0: no-longer-permitted",
    ("static", "flushed"): "withdrawn X alice@tap1i0: flushed",
    ("departed", "proof"): "learned X alice@tap1i0 valid: first-claim",
    ("departed", "claim"): "learned X alice@tap1i0 tentative: awaiting-answer",
    ("departed", "dad"): "learned X alice@tap1i0 tentative: awaiting-dad",
    ("departed", "arrival"): "learned X alice@tap1i0 tentative: arrived",
    ("departed", "answer"): "learned X alice@tap1i0 valid: answered",
    ("departed", "retention_over"): "expired X alice@?: forgotten",
    ("departed", "flushed"): "expired X alice@tap1i0: flushed",
    ("departed", "challenger_inherits"): "learned X bob@tap2i0 tentative: arrived",
}


@pytest.mark.parametrize(("state", "stimulus"), ROWS)
def test_row(state: str, stimulus: str):
    """In this state, this stimulus leads to that decision, and nothing is decided of the address before it."""
    scene = Scene()
    reach: Callable[[], None] = getattr(scene, state)
    reach()
    reached = scene.world.state(ADDRESS)
    assert (reached or "nothing").split()[0] == state
    bring: Callable[[], list[str]] = getattr(scene, stimulus)
    said = [line.lstrip("0123456789. ") for line in bring()]
    expected = ROWS[state, stimulus].replace("X", ADDRESS)
    assert expected in said
    if stimulus not in {
        "abandoned",
        "moved_too_often",
        "challenger_answer",
        "freeze_over",
        "challenger_inherits",
    }:
        about = [line for line in said if ADDRESS in line and line.split()[0] not in {"ask", "route", "no"}]
        assert expected.startswith("ask") or about[0] == expected


def test_no_row_is_left_out():
    """The rows above are the whole table."""
    names = {"nothing": None}
    events = {"becomes_static": "static"}
    here = {(names.get(s, s), events.get(e, e.replace("_", "-"))) for s, e in ROWS}
    assert here == {(state, stimulus) for state, stimulus in TABLE}


@pytest.mark.parametrize("state", [None, *State])
def test_what_is_not_in_the_table_does_not_happen(state: State | None):
    """A stimulus without a row raises, and says what is impossible in which state."""
    missing = [stimulus for stimulus in BindingEvent if (state, stimulus) not in TABLE]
    assert missing
    for stimulus in missing:
        with pytest.raises(ImpossibleTransitionError, match=f"{stimulus} cannot happen in state {state}"):
            transition(state, stimulus)
