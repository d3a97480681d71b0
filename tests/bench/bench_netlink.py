"""How fast hosts get into the kernel: our messages, `ip -batch`, and pyroute2, in a namespace of their own.

Run as root: python tests/bench/bench_netlink.py [HOSTS]
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pyroute2 import IPRoute
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from rdnbr.core.fib.diff import plan
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import IP, parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.fib_entries import Host, Operation, host
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.rtnetlink import get_neighbour
from tests.netns.namespace import Namespace

GUEST = parse_mac("52:02:45:76:d2:35")
ROUNDS = 3


def fastest(measured: Callable[[], object], undo: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some rounds; each is undone, off the clock."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        measured()
        seconds.append(time.perf_counter() - start)
        undo()
    return min(seconds)


def hosts(count: int, device: int) -> list[Host]:
    four, six = parse_ip("100.64.0.0"), parse_ip("2001:db8::")
    addresses = [IP(four[:2] + number.to_bytes(2, "big")) for number in range(count // 2)]
    addresses += [IP(six[:14] + number.to_bytes(2, "big")) for number in range(count - count // 2)]
    return [host(254, address, device, GUEST) for address in addresses]


def by_pyroute2(route: IPRoute, items: Sequence[Host]) -> None:
    for item in items:
        address = show_ip(item.key.address)
        route.neigh("replace", dst=address, lladdr=show_mac(item.mac), ifindex=item.device, state=0x80)
        route.route(
            "add", dst=f"{address}/{8 * len(item.key.address)}", oif=item.device, proto=171, scope="link"
        )


def by_ip(lines: Sequence[str]) -> None:
    batch = "\n".join(line.split(maxsplit=2)[2] for line in lines)  # without "ip -4"
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    namespace = Namespace()
    namespace("ip link add vmbr1 type bridge")
    namespace("ip link set vmbr1 up")
    items = hosts(count, namespace.index("vmbr1"))
    operations: list[Operation] = plan(items, (), ())
    pretended = FakeKernel({items[0].device: "vmbr1"})
    pretended.apply(operations)
    table = Table(
        "what", "seconds", "messages a second", title=f"{count:,} hosts, a neighbour and a route each"
    )

    def row(what: str, seconds: float, messages: int) -> None:
        table.add_row(what, f"{seconds:.4f}", f"{messages / seconds:,.0f}")

    with namespace.entered():
        fib = KernelFib()

        def clear() -> None:
            routes, neighbours = fib.read_entries()
            fib.apply(plan((), routes, neighbours))

        row("Fib.apply", fastest(lambda: fib.apply(operations), clear), 2 * count)
        questions = [get_neighbour(item.neighbour) for item in items]
        fib.apply(operations)
        row(
            "… of it, asking for neighbours",
            fastest(lambda: fib._netlink.request(questions), lambda: None),
            count,
        )
        row(
            "Fib.apply of what is there already",
            fastest(lambda: fib.apply(operations), lambda: None),
            2 * count,
        )
        row("Fib.read_entries", fastest(fib.read_entries, lambda: None), 2 * count)
        clear()
        one = [plan([item], (), ()) for item in items[:500]]
        row(
            "Fib.apply, host by host", fastest(lambda: [fib.apply(each) for each in one], clear), 2 * len(one)
        )
        row("ip -batch", fastest(lambda: by_ip(pretended.lines()), clear), 2 * count)
        few = items[:200]
        with IPRoute() as route:
            row(
                "pyroute2",
                fastest(lambda: by_pyroute2(route, few), lambda: clear_unmarked(fib, route, few)),
                2 * len(few),
            )
        fib.close()
    namespace.close()
    Console().print(table)


def clear_unmarked(fib: KernelFib, route: IPRoute, items: Sequence[Host]) -> None:
    """Remove also the neighbours pyroute2 made, which do not carry our protocol."""
    routes, _ = fib.read_entries()
    fib.apply(plan((), routes, ()))
    for item in items:
        route.neigh("del", dst=show_ip(item.key.address), ifindex=item.device)


if __name__ == "__main__":
    main()
