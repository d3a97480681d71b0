"""How long a guest that moves is away: from its first frame on the target to the upstream's route, and echoes lost.

Run as root, with FRR installed: python tests/bench/bench_migration.py [ROUNDS]

A guest goes to and fro between two nodes while the upstream pings it in both families, and its port on the source goes
as soon as it runs on the target. `by hand` is the least there can be: no daemon, and `ip` run at that moment.
"""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from rdnbr.lab import Lab, TooLate, wait_for
from tests.e2e.timed_move import MoveTimes, TimedMoves, route_by_hand, undo_by_hand

ROUNDS = 5
Round = Callable[[], dict[int, MoveTimes]]


def milliseconds(values: list[float]) -> str:
    return f"{1000 * statistics.median(values):.1f} ({1000 * min(values):.1f} … {1000 * max(values):.1f})"


def measure(table: Table, what: str, rounds: int, one: Round) -> None:
    results: dict[int, list[MoveTimes]] = {4: [], 6: []}
    for _ in range(rounds):
        try:
            found = one()
        except TooLate as late:
            table.add_row(what, "", "not learned", "", "", "")
            print(f"{what}: {late}")
            return
        for family, result in found.items():
            results[family].append(result)
    for family, of_it in results.items():
        table.add_row(
            what,
            f"IPv{family}",
            milliseconds([result.kernel for result in of_it]),
            milliseconds([result.bgp for result in of_it]),
            milliseconds([result.upstream for result in of_it]),
            f"{statistics.median(result.lost for result in of_it):g}",
        )


class Nodes:
    """Two nodes, their daemons, and the guest on its way between them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.guest = lab.guest(0)
        self.moves = TimedMoves(lab, self.guest)

    def start(self, allowlist: str | None = None) -> None:
        """Run the daemon on both nodes, open or with an allowlist, and wait until the guest is back in the fabric."""
        for node in self.lab.nodes:
            if node.daemon is not None:
                node.stop_daemon()
            if allowlist is not None:
                node.write("/etc/rdnbr/allowlist", allowlist)
            node.start_daemon()
        self.guest.announce()
        self.wait_for_guest()

    def wait_for_guest(self) -> None:
        here = {self.moves.here.number}
        for address in self.guest.addresses:
            wait_for(lambda one=address: self.lab.upstream.via(one) == here, 10, f"a route to {address}")
            wait_for(lambda one=address: self.lab.upstream.ping(one), 10, f"an echo of {address}")

    def announced(self) -> dict[int, MoveTimes]:
        return self.moves.move(self.guest.announce)

    def announced_by_mac(self) -> dict[int, MoveTimes]:
        return self.moves.move(self.guest.announce_mac)

    def forgotten(self, arrival: Callable[[], object]) -> dict[int, MoveTimes]:
        """Go to a node that does not remember the guest."""
        self.moves.restart_target()
        return self.moves.move(arrival)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    table = Table(title=f"{rounds} moves each; milliseconds to the kernel's route, median (least … most)")
    columns = ("", "", "frame → target", "→ upstream", "together", "echoes lost")
    for column in columns:
        table.add_column(column)
    with Lab(guests=1, nodes=2, frr=True) as lab:
        nodes = Nodes(lab)
        nodes.guest.configure()
        nodes.guest.wait_for_dad()
        route_by_hand(lab.node, nodes.guest)
        nodes.wait_for_guest()
        measure(table, "by hand", rounds, nodes.moves.move_by_hand)
        undo_by_hand(nodes.moves.here, nodes.guest)
        nodes.start()
        measure(table, "announcement, open", rounds, nodes.announced)
        measure(table, "RARP, remembered", rounds, nodes.announced_by_mac)
        mac = nodes.guest.mac
        nodes.start("".join(f"{address} mac={mac}\n" for address in nodes.guest.addresses))
        measure(table, "announcement, allowlisted", rounds, nodes.announced)
        measure(table, "RARP, allowlisted", rounds, lambda: nodes.forgotten(nodes.guest.announce_mac))
        nodes.start()
        with nodes.moves.pinging():
            measure(table, "traffic only", rounds, lambda: nodes.forgotten(lambda: None))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
