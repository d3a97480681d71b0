"""What enforcement costs: throughput between two guests without a table, with theirs alone, and with many bindings.

Run as root, where iperf3 is installed: python tests/bench/bench_enforcement.py [BINDINGS] [ROUNDS]
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from rdnbr.core.bindings.source_guard import Contents, Difference, Place, PortAddress, Sender
from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac
from rdnbr.lab import Guest, Lab, wait_for
from rdnbr.linux.nft import ruleset
from tests.netns.filtered import settle

SECONDS = 2
"""For each measurement."""


def own(guests: list[Guest]) -> list[Sender]:
    return [
        Sender(one.port, parse_mac(one.mac), parse_ip(address)) for one in guests for address in one.addresses
    ]


def others(count: int) -> list[Sender]:
    """One MAC with an address of each family on each of many ports."""
    four, six = parse_ip("100.64.0.0"), parse_ip("2001:db8::")
    return [
        Sender(
            f"tap{1000 + number}i0",
            MAC(b"\x02\0\0\0" + number.to_bytes(2)),
            IP(base[:-2] + number.to_bytes(2)),
        )
        for number in range((count + 1) // 2)
        for base in (four, six)
    ][:count]


def contents(senders: list[Sender]) -> Contents:
    return Contents(
        frozenset(sender.port for sender in senders),
        frozenset({parse_ip("fe80::1")}),
        frozenset(sender for sender in senders if len(sender.address) == 4),
        frozenset(sender for sender in senders if len(sender.address) == 16),
        frozenset(PortAddress(one.port, one.address) for one in senders if len(one.address) == 4),
        frozenset(PortAddress(one.port, one.address) for one in senders if len(one.address) == 16),
        frozenset(sender.mac for sender in senders),
        frozenset(Place(sender.port, sender.mac) for sender in senders),
    )


def changes(old: Contents, new: Contents) -> str:
    """Return the script that turns the sets of `old` into those of `new`."""
    pairs = list(zip(old, new, strict=True))
    removed, added = [before - after for before, after in pairs], [after - before for before, after in pairs]
    return ruleset.changes(Difference(Contents(*removed), Contents(*added)))


def measure(lab: Lab, family: int) -> Iterator[float]:
    """Yield Gbit/s of TCP, then thousand small packets a second of UDP that arrived."""
    one, two = lab.guests
    for flags in ([], ["-u", "-b", "0", "-l", "64"]):
        command = ("iperf3", "-J", "-t", str(SECONDS), "-c", two.address(family), *flags)

        def end(command: tuple[str, ...] = command) -> dict[str, Any]:
            """Return its result; nothing while the server is busy with the one before."""
            result: dict[str, Any] = json.loads(one.run(*command))["end"]
            return result

        result = wait_for(end, 20, "iperf3")
        if flags:
            total = result["sum"]
            yield (total["packets"] - total["lost_packets"]) / total["seconds"] / 1e3
        else:
            yield result["sum_received"]["bits_per_second"] / 1e9


def load(lab: Lab, script: str) -> float:
    """Load a script, and return how many milliseconds that took."""
    lab.node.write("/run/bench.nft", script)
    start = time.perf_counter()
    lab.node.run("nft", "-f", "/run/bench.nft")
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    bindings = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    console = Console()
    with Lab(guests=2, frr=False) as lab:
        lab.node.start_daemon()
        settle(lab)
        lab.node.stop_daemon()
        few, many = (contents(own(lab.guests) + others(more)) for more in (0, bindings - 4))
        scripts = {
            "no table": ruleset.ABSENCE,
            "4 bindings": ruleset.whole(few),
            f"{bindings} bindings": ruleset.whole(many),
        }
        server = lab.guest(1).start("iperf3", "-s", log=Path("/dev/null"))
        results: dict[str, dict[int, list[tuple[float, ...]]]] = {name: {4: [], 6: []} for name in scripts}
        try:
            wait_for(lambda: ":5201" in lab.guest(1).run("ss", "-ltn"), 5, "iperf3 to listen")
            for _ in range(rounds):
                for name, script in scripts.items():
                    load(lab, script)
                    for family in (4, 6):
                        results[name][family].append(tuple(measure(lab, family)))
        finally:
            server.terminate()
            server.wait()
        table = Table(
            "",
            *(f"{what}, IPv{family}" for family in (4, 6) for what in ("TCP Gbit/s", "UDP kpps")),
            title=f"Between two guests by way of the node: medians of {rounds}, and ratios",
        )
        base = medians(results["no table"])
        for name, measured in results.items():
            cells = [
                f"{now:.2f} ({now / before:.2f})" for now, before in zip(medians(measured), base, strict=True)
            ]
            table.add_row(name, *cells)
        console.print(table)
        whole = median(load(lab, ruleset.whole(many)) for _ in range(rounds))
        swap = changes(few, many), changes(many, few)
        load(lab, ruleset.whole(few))
        both = median(load(lab, swap[0]) + load(lab, swap[1]) for _ in range(rounds))
        single = contents(own(lab.guests)[1:])
        load(lab, ruleset.whole(single))
        one = median(load(lab, changes(single, few)) + load(lab, changes(few, single)) for _ in range(rounds))
        console.print(
            f"{bindings} bindings written whole: {whole:.1f} ms; added as changes: {both / 2:.1f} ms"
        )
        console.print(f"one binding added or removed: {one / 2:.1f} ms, most of it the start of nft")


def medians(measured: dict[int, list[tuple[float, ...]]]) -> list[float]:
    return [median(column) for family in (4, 6) for column in zip(*measured[family], strict=True)]


if __name__ == "__main__":
    main()
