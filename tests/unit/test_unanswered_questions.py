"""What guests ask for, and nobody on their bridge answers."""

import guest_frames
import pytest
from dialogue import World

from rdnbr.core.bindings.unanswered_questions import FRESH, MOST
from rdnbr.core.model.address import parse_ip, show_ip
from rdnbr.operator.findings.diagnosis import Facts, diagnose
from rdnbr.operator.findings.questions import check_questions

V4, V6 = "2.57.57.30", "2001:678:3a4:100::80"
MAC = "52:02:45:00:00:01"


def ask(world: World, *targets: str, times: int = 3, port: str = "tap1i0", sender: str = V4) -> None:
    """Ask for addresses, as a host does: each second, until somebody answers."""
    for _ in range(times):
        for target in targets:
            world.hears(port, guest_frames.request(MAC, sender, target))
        world.runs(1)


def index(world: World, name: str = "tap1i0") -> int:
    return next(port.index for port in world.engine.ports.values() if port.name == name)


def asked(world: World) -> list[tuple[str, int]]:
    found = world.engine.unanswered_questions(world.now, index(world))
    return [(show_ip(one.target), one.repeated) for one in found]


@pytest.mark.parametrize(("sender", "gateway"), [(V4, "2.57.57.1"), (V6, "fe80::2")])
def test_gateway_that_nobody_is(sender, gateway):
    """A question that is repeated three times is counted from then on, in both families; the bridge's are not."""
    world = World(f"{V4}\n{V6}")
    world.plugs("tap1i0")
    ask(world, gateway, "169.254.0.1" if "." in sender else "fe80::1", times=2, sender=sender)
    assert asked(world) == []
    ask(world, gateway, times=3, sender=sender)
    assert asked(world) == [(gateway, 5)]
    world.runs(FRESH)
    assert asked(world) == []


def test_question_that_is_answered():
    """A question that is asked once now and then was answered, and one for a guest of the bridge is."""
    world = World("2.57.57.0/24")
    world.plugs("tap1i0")
    for _ in range(5):
        ask(world, "2.57.57.9", times=1)
        world.runs(10)
    assert asked(world) == []
    world.guest("bob", "tap2i0", "2.57.57.31").asks_gateway()
    ask(world, "2.57.57.31")
    assert asked(world) == []


def test_questions_are_bounded_and_go_with_their_port():
    """A port keeps its latest questions, and a port that is gone none."""
    world = World("2.57.57.0/24")
    world.plugs("tap1i0")
    ask(world, *(f"2.57.57.{last}" for last in range(100, 100 + 4 * MOST)))
    assert len(world.engine._questions._by_port[index(world)]) == MOST
    ask(world, "2.57.57.1")
    assert asked(world) == [("2.57.57.1", 3)]
    world.unplugs("tap1i0")
    assert world.engine._questions._by_port == {}


def test_finding_has_the_guests_commands():
    """Doctor names the guest, what it asks for, and the commands for it; explain has them for its address."""
    world = World(f"{V4}\n")
    world.plugs("tap1i0")
    ask(world, "2.57.57.1")
    questions = world.engine.explain(world.now, parse_ip(V4)).questions
    (finding,) = check_questions(questions)
    assert finding in diagnose(Facts((), {}, questions=questions))
    assert f"{V4} ({MAC} on tap1i0) asks for 2.57.57.1, and nobody" in finding.message
    assert "its gateway is wrong" in finding.message
    assert finding.cure.in_guest
    assert finding.cure.commands[1].startswith(f"ip address add {V4}/32 dev $(ip -o link")
    assert world.engine.explain(world.now, parse_ip("2.57.57.1")).questions == ()
    ask(world, "2.57.57.2")
    (finding,) = check_questions(world.engine.explain(world.now, parse_ip(V4)).questions)
    assert (
        "asks for 2.57.57.1, 2.57.57.2, and nobody" in finding.message or "2.57.57.1 and" in finding.message
    )
