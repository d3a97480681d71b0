"""The longest turn of the daemon's loop with 1,000 ports and 50,000 bindings, and beside it with 10 ports and 500.

Run: python tests/bench/bench_longest_turn.py [--json] [--only TURN]… [--profile] [--ports N]

No root, no packet sockets: the kernel is the fake one (`tests/large_node.py`). Frames wait unread for as long as a turn
takes, and the goal is 50 ms. A turn that does not grow with the number of bindings has a ratio of about 1.

Times are of the processor, since nothing in such a turn waits: they are the same on a machine that is busy. Work in
other threads, such as parsing the allowlist, is not part of them.
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

from tests.large_node import FIRST_PORT, GUESTS, Guest, LargeNode, LinkGone

PORTS, REFERENCE = 1000, 10
GOAL = 0.050
"""Seconds."""

Turn = Callable[[], object]
Turns = Callable[[LargeNode], Iterator[Turn]]
"""Yields turns, of which the longest counts. What it does between two turns does not count."""


def frame(node: LargeNode) -> Iterator[Turn]:
    """A guest uses an address that is bound to it."""
    for guest in node.guests[:200]:
        frames = [(guest.port, guest.answer(guest.addresses[0]))]
        yield lambda frames=frames: node.turn(frames=frames)


def probe_round(node: LargeNode) -> Iterator[Turn]:
    """All guests are quiet, and the loop wakes up once a second, for 40 seconds."""
    for _ in range(40):
        node.clock.now += 1.0
        yield node.turn
        node.answer_probes()
    yield from _until_idle(node)


def comparison(node: LargeNode) -> Iterator[Turn]:
    """The minute is over, and nothing differs between the kernel and what is desired."""
    for _ in range(3):
        node.make_due(node.daemon._kernel_watcher, "_next_comparison")
        yield node.turn


def show(node: LargeNode) -> Iterator[Turn]:
    """`show --json` lists all bindings."""
    yield from _reply(node, "bindings")


def show_ports(node: LargeNode) -> Iterator[Turn]:
    """`show ports --json` lists all ports."""
    yield from _reply(node, "ports")


def metrics(node: LargeNode) -> Iterator[Turn]:
    """`metrics` counts all bindings."""
    yield from _reply(node, "metrics")


def reload(node: LargeNode) -> Iterator[Turn]:
    """The files are read again: an allowlist of 20,000 rules, or as many as there are bindings."""
    node.write_allowlist(20_000, comment="changed")
    yield from _reply(node, "reload")
    yield from _until_idle(node)


def flush(node: LargeNode) -> Iterator[Turn]:
    """All bindings are flushed."""
    yield from _reply(node, "flush")
    yield from _until_idle(node)


def watchdog(node: LargeNode) -> Iterator[Turn]:
    """The service manager gets the daemon's status."""
    for _ in range(3):
        node.make_due(node.daemon, "_next_watchdog")
        yield node.turn


def port_gone(node: LargeNode) -> Iterator[Turn]:
    """A guest is stopped, and its port goes with 50 bindings."""
    for number in range(5):
        yield lambda number=number: node.turn(LinkGone(FIRST_PORT + number))
        yield from _until_idle(node)


def bridge_gone(node: LargeNode) -> Iterator[Turn]:
    """The bridge is removed, with all ports."""
    events = node.remove_bridge()
    yield lambda: node.turn(*events)
    yield from _until_idle(node)


def new_binding(node: LargeNode) -> Iterator[Turn]:
    """A guest claims one address more."""
    port = node.guests[-1].port - FIRST_PORT
    for number in range(GUESTS, GUESTS + 5):
        guest = Guest(port, number)
        frames = [(guest.port, guest.answer(guest.addresses[0]))]
        yield lambda frames=frames: node.turn(frames=frames)
        yield from _until_idle(node)


def _reply(node: LargeNode, command: str) -> Iterator[Turn]:
    request = node.request(command)
    while not request.complete:
        node.await_news()
        yield node.turn
        request.read()
    request.close()


def _until_idle(node: LargeNode) -> Iterator[Turn]:
    for _ in range(2000):
        if node.wait() > 0:
            return
        yield node.turn


TURNS: dict[str, Turns] = {
    "frame": frame,
    "probe round": probe_round,
    "comparison": comparison,
    "watchdog": watchdog,
    "show": show,
    "show ports": show_ports,
    "metrics": metrics,
    "reload": reload,
    "port gone": port_gone,
    "bridge gone": bridge_gone,
}
"""In this order, on one node: the last one leaves no binding."""

ENFORCE: dict[str, Turns] = {
    "enforce: one binding more": new_binding,
    "enforce: port gone": port_gone,
    "enforce: flush": flush,
}
"""On a node with the packet filter."""


def longest(node: LargeNode, turns: Turns) -> tuple[float, int]:
    """Return the seconds of the longest turn, and how many turns there were."""
    most, count = 0.0, 0
    for turn in turns(node):
        begin = time.thread_time()
        turn()
        most = max(most, time.thread_time() - begin)
        count += 1
    return most, count


def profile(node: LargeNode, name: str, turns: Turns) -> None:
    """Print what the turns spend their time on."""
    profiler = cProfile.Profile()
    for turn in turns(node):
        profiler.runcall(turn)
    print(f"== {name}")
    pstats.Stats(profiler).strip_dirs().sort_stats("cumulative").print_stats(25)


@contextmanager
def node_of(ports: int, *, enforce: bool) -> Iterator[LargeNode]:
    with tempfile.TemporaryDirectory(prefix="rdnbr-bench-") as directory:
        node = LargeNode(ports, Path(directory), enforce=enforce)
        gc.collect()
        try:
            yield node
        finally:
            node.close()


def main() -> int:
    """Measure, and print the table."""
    names = [*TURNS, *ENFORCE]
    parser = argparse.ArgumentParser(description="the longest turn of the loop with many bindings")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", action="append", choices=names, help="measure this turn; may be repeated")
    parser.add_argument("--profile", action="store_true", help="print what the time is spent on instead")
    parser.add_argument(
        "--ports", type=int, default=PORTS, help="ports of the large node; each has 50 bindings"
    )
    given = parser.parse_args()
    chosen = given.only or names
    found: dict[str, dict[int, tuple[float, int]]] = {name: {} for name in chosen}
    for enforce, table in ((False, TURNS), (True, ENFORCE)):
        wanted = {name: turns for name, turns in table.items() if name in chosen}
        for ports in (REFERENCE, given.ports) if wanted else ():
            if given.profile and ports == REFERENCE:
                continue
            with node_of(ports, enforce=enforce) as node:
                for name, turns in wanted.items():
                    if given.profile:
                        profile(node, name, turns)
                    else:
                        found[name][ports] = longest(node, turns)
    if not given.profile:
        write(found, given.ports, as_json=given.json)
    return 0


def write(found: dict[str, dict[int, tuple[float, int]]], ports: int, *, as_json: bool) -> None:
    """Print what was found."""
    if as_json:
        rows = {
            name: {"seconds": of[ports][0], "turns": of[ports][1], "reference": of[REFERENCE][0]}
            for name, of in found.items()
        }
        print(json.dumps(rows, indent=2))
        return
    many, few = f"{2 * GUESTS * ports:,}", f"{2 * GUESTS * REFERENCE}"
    table = Table(title=f"longest turn in ms of the processor, with {many} bindings and with {few}")
    for head in ("turn", many, few, "ratio", "turns", "under 50 ms"):
        table.add_column(head, justify="left" if head == "turn" else "right")
    for name, of in found.items():
        (most, turns), (reference, _) = of[ports], of[REFERENCE]
        goal = "yes" if most < GOAL else "NO"
        ratio = f"{most / reference:.1f}"
        table.add_row(name, f"{1000 * most:.1f}", f"{1000 * reference:.1f}", ratio, str(turns), goal)
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
