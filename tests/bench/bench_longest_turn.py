"""The longest turn of the daemon's loop, with 1,000 ports and 50,000 bindings, and beside it with 10 and 500.

Run: python tests/bench/bench_longest_turn.py [--json] [--profile ROW] [--only ROW]

No root, no sockets: the kernel is the fake one (`tests/large_node.py`). A turn that takes no longer with a hundred
times the bindings has a ratio of about 1. The goal is 50 ms for each; frames wait unread for as long as a turn takes.
"""

import argparse
import cProfile
import gc
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.large_node import LargeNode

PORTS, REFERENCE = 1000, 10
GOAL = 0.050
"""Seconds."""

Turn = Callable[[], object]
Rows = dict[str, Callable[[LargeNode], Iterator[Turn]]]
"""What is measured: each yields turns, of which the longest counts. What it does between them does not count."""


def frame(node: LargeNode) -> Iterator[Turn]:
    """A guest uses an address that it has."""
    for guest in node.guests[:200]:
        frames = [(guest.port, node.answer_of(guest, guest.addresses[0]))]
        yield lambda frames=frames: node.turn(frames=frames)


def probe_round(node: LargeNode) -> Iterator[Turn]:
    """A loop that wakes up each second finds the timers of that second due; every guest is quiet."""
    for _ in range(40):
        node.now += 1.0
        yield node.turn
    # What was sent is answered, so that the next row begins with bindings that are valid.
    node.answer_probes()


def show(node: LargeNode) -> Iterator[Turn]:
    """`show --json` is asked for and written."""
    for _ in range(3):
        yield node.show


def reload(node: LargeNode) -> Iterator[Turn]:
    """Rules change, and the files are read again."""
    for attempt in range(3):
        node.write_allowlist(20_000, comment=str(attempt))
        yield lambda: node.command("reload")
        yield node.turn


def port_gone(node: LargeNode) -> Iterator[Turn]:
    """The guest of one port is stopped."""
    for number in range(5):
        yield lambda number=number: node.port_goes(number)


def comparison(node: LargeNode) -> Iterator[Turn]:
    """All that should be in the kernel is compared with all that is, and nothing differs."""
    for _ in range(3):
        node.now = max(node.now, node.watcher._next_comparison)
        yield node.turn


def watchdog(node: LargeNode) -> Iterator[Turn]:
    """The service manager is told the status."""
    for _ in range(3):
        yield node.actuator.status


def bridge_gone(node: LargeNode) -> Iterator[Turn]:
    """The bridge is removed, with everything that leads over it."""
    yield node.bridge_goes
    for _ in range(20):
        yield node.turn


ROWS: Rows = {
    "frame": frame,
    "probe round": probe_round,
    "comparison": comparison,
    "show": show,
    "reload": reload,
    "watchdog": watchdog,
    "port gone": port_gone,
    "bridge gone": bridge_gone,
}
"""In this order, on one node; the last leaves nothing of it."""


def longest(node: LargeNode, turns: Callable[[LargeNode], Iterator[Turn]]) -> float:
    """Return the seconds of the longest turn."""
    most = 0.0
    for turn in turns(node):
        begin = time.perf_counter()
        turn()
        most = max(most, time.perf_counter() - begin)
    return most


def profile(node: LargeNode, turns: Callable[[LargeNode], Iterator[Turn]]) -> None:
    """Print what the turns of a row spend their time on."""
    profiler = cProfile.Profile()
    for turn in turns(node):
        profiler.runcall(turn)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(25)


@contextmanager
def node_of(ports: int) -> Iterator[LargeNode]:
    with tempfile.TemporaryDirectory(prefix="rdnbr-bench-") as directory:
        node = LargeNode(ports, Path(directory))
        gc.collect()
        try:
            yield node
        finally:
            node.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--only", action="append", choices=[*ROWS], help="measure this row; may be repeated")
    parser.add_argument("--profile", action="store_true", help="print what the time is spent on, too")
    parser.add_argument(
        "--ports", type=int, default=PORTS, help="how many ports the node has; each has 50 bindings"
    )
    given = parser.parse_args()
    rows = {name: turns for name, turns in ROWS.items() if given.only is None or name in given.only}
    measured: dict[int, dict[str, float]] = {}
    for ports in (REFERENCE, given.ports):
        with node_of(ports) as node:
            measured[ports] = {}
            for name, turns in rows.items():
                if given.profile and ports == given.ports:
                    profile(node, turns)
                else:
                    measured[ports][name] = longest(node, turns)
    if given.profile:
        return 0
    large, small = measured[given.ports], measured[REFERENCE]
    if given.json:
        print(json.dumps({name: {"seconds": large[name], "reference": small[name]} for name in rows}))
        return 0
    table = Table(title=f"longest turn, milliseconds; {50 * given.ports:,} bindings beside {50 * REFERENCE}")
    for head in ("turn", f"{50 * given.ports:,}", f"{50 * REFERENCE}", "ratio", "under 50 ms"):
        table.add_column(head, justify="left" if head == "turn" else "right")
    for name in rows:
        table.add_row(
            name,
            f"{1000 * large[name]:.2f}",
            f"{1000 * small[name]:.2f}",
            f"{large[name] / small[name]:.1f}",
            "yes" if large[name] < GOAL else "no",
        )
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
