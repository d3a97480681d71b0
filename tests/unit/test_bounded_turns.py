"""No turn of the loop makes more calls than it must when there are more bindings.

The turns are those of `bench/bench_longest_turn.py`; here calls are counted instead of time, which are the same on
every machine.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rdnbr.core.model.fib_entries import DropNeighbour, DropRoute
from tests.bench.bench_longest_turn import ENFORCE, TURNS, Turns
from tests.large_node import FIRST_PORT, GUESTS, LargeNode, LinkGone

FEW, MANY = 10, 40
"""Ports, with 50 bindings each."""

pytestmark = pytest.mark.slow  # two large nodes are built

SAME = {
    name: turns
    for name, turns in (TURNS | ENFORCE).items()
    if name in ("frame", "watchdog", "show", "reload", "port gone", "enforce: one binding more")
}
"""Turns that do not depend on the number of bindings."""

MOST_CALLS = 150_000
"""Calls of one turn with 50,000 bindings: some 50 ms."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LargeNode]:
    yield from node(FEW, tmp_path_factory)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LargeNode]:
    yield from node(MANY, tmp_path_factory)


def node(ports: int, directories: pytest.TempPathFactory) -> Iterator[LargeNode]:
    made = LargeNode(ports, directories.mktemp("node"), enforce=True)
    yield made
    made.close()


def calls(action: Callable[[], object]) -> int:
    """Return how many functions are called, Python's and C's."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def most_calls(node: LargeNode, turns: Turns) -> int:
    return max(calls(turn) for turn in turns(node))


@pytest.mark.parametrize("name", SAME)
def test_turn_does_not_grow_with_the_bindings(few: LargeNode, many: LargeNode, name: str):
    """With four times the bindings the turn makes hardly more calls; ports whose names are new cost a few."""
    assert most_calls(many, SAME[name]) <= 1.2 * most_calls(few, SAME[name])


def test_comparison_without_a_difference_applies_nothing(many: LargeNode):
    """The comparison of each minute finds everything in place, and gives the kernel no operation."""
    many.kernel.applied.clear()
    for turn in TURNS["comparison"](many):
        turn()
    assert many.kernel.applied == []


def test_port_gone_removes_its_own_entries_only(many: LargeNode):
    """A port that goes takes the routes and neighbours of its own bindings with it, in one turn."""
    many.kernel.applied.clear()
    many.turn(LinkGone(FIRST_PORT + 7))
    operations = many.kernel.applied
    assert len(operations) == 4 * GUESTS
    assert {type(operation) for operation in operations} == {DropRoute, DropNeighbour}


def test_probe_round_is_a_bounded_part_of_what_is_due(many: LargeNode):
    """However many timers and rounds of slow discovery are due in one second, a turn handles some of them."""
    assert most_calls(many, TURNS["probe round"]) <= 15_000


def test_flush_does_not_grow_with_the_bindings(few: LargeNode, many: LargeNode):
    """A flush of all bindings goes in slices, and its reply follows the last of them."""
    flush = ENFORCE["enforce: flush"]
    assert most_calls(many, flush) <= 1.1 * most_calls(few, flush)
    assert few.reply("bindings")["result"]["bindings"] == []
    assert many.reply("bindings")["result"]["bindings"] == []


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("table", "enforce"), [(TURNS, False), (ENFORCE, True)], ids=["plain", "enforce"])
def test_no_turn_is_long_with_fifty_thousand_bindings(tmp_path: Path, table: dict[str, Turns], enforce: bool):
    """With 1,000 ports and 50,000 bindings no turn makes more calls than 50 ms have time for."""
    large = LargeNode(1000, tmp_path, enforce=enforce)
    try:
        found = {name: most_calls(large, turns) for name, turns in table.items()}
    finally:
        large.close()
    assert {name: count for name, count in found.items() if count > MOST_CALLS} == {}
