"""The kernels of the contract suite: the fake one, and Linux in a network namespace."""

from typing import Protocol

from rdnbr.core.fib.backend import FibBackend
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import IP, show_ip
from rdnbr.linux.netlink.kernel_fib import KernelFib
from tests.netns.namespace import Namespace


class World(Protocol):
    """A kernel with the devices vmbr1 and vmbr2, and with another program that changes entries."""

    kernel: FibBackend
    vmbr1: int
    vmbr2: int
    missing: int

    def foreign_route(self, address: IP, metric: int, table: int = 254) -> None:
        """Put a route of another program over vmbr2, in place of the existing one."""

    def no_foreign_route(self, address: IP, metric: int) -> None:
        """Remove that route."""

    def foreign_neighbour(self, address: IP) -> None:
        """Put a permanent neighbour of another program on vmbr1, in place of the existing one."""

    def no_foreign_neighbour(self, address: IP) -> None:
        """Remove that neighbour."""

    def lose_vmbr2(self) -> None:
        """Remove the device vmbr2, and with it the routes over it."""

    def foreign_state(self) -> object:
        """Return all entries that are not ours, to compare before and after."""


class Pretended:
    def __init__(self) -> None:
        self.vmbr1, self.vmbr2, self.missing = 3, 4, 99
        self.kernel = FakeKernel({3: "vmbr1", 4: "vmbr2"})

    def foreign_route(self, address: IP, metric: int, table: int = 254) -> None:
        self.kernel.add_foreign_route(table, address, metric)

    def no_foreign_route(self, address: IP, metric: int) -> None:
        self.kernel.remove_foreign_route(254, address, metric)

    def foreign_neighbour(self, address: IP) -> None:
        self.kernel.add_foreign_neighbour(self.vmbr1, address)

    def no_foreign_neighbour(self, address: IP) -> None:
        self.kernel.remove_foreign_neighbour(self.vmbr1, address)

    def lose_vmbr2(self) -> None:
        self.kernel.remove_device(self.vmbr2)

    def foreign_state(self) -> object:
        return set(self.kernel._foreign_routes), set(self.kernel._foreign_neighbours)


class Real:
    def __init__(self, namespace: Namespace) -> None:
        self.run = namespace
        for name in ("vmbr1", "vmbr2"):
            namespace(f"ip link add {name} type bridge")
            namespace(f"ip link set {name} up")
        self.vmbr1, self.vmbr2, self.missing = namespace.index("vmbr1"), namespace.index("vmbr2"), 999
        with namespace.entered():
            self.kernel = KernelFib()

    def foreign_route(self, address: IP, metric: int, table: int = 254) -> None:
        self.run(f"ip route replace {show_ip(address)} dev vmbr2 proto static metric {metric} table {table}")

    def no_foreign_route(self, address: IP, metric: int) -> None:
        self.run(f"ip route del {show_ip(address)} dev vmbr2 proto static metric {metric}")

    def foreign_neighbour(self, address: IP) -> None:
        entry = f"{show_ip(address)} lladdr 02:aa:aa:aa:aa:aa dev vmbr1 nud permanent protocol static"
        self.run(f"ip neigh replace {entry}")

    def no_foreign_neighbour(self, address: IP) -> None:
        self.run(f"ip neigh del {show_ip(address)} dev vmbr1")

    def lose_vmbr2(self) -> None:
        self.run("ip link del vmbr2")

    def foreign_state(self) -> object:
        """Return everything that `ip` prints without our protocol, except entries of the device itself."""
        shown = self.run("ip route show table all") + self.run("ip -6 route show table all")
        shown += self.run("ip -N neigh show nud permanent")
        return sorted(line for line in shown.splitlines() if "proto static" in line or "lladdr 02:aa" in line)
