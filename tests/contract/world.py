"""The kernels the contract is held against: one that pretends, and Linux in a namespace of its own."""

from typing import Protocol

from rdnbr.core.fib.backend import Kernel
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import IP, show_ip
from rdnbr.linux.netlink.kernel_fib import KernelFib
from tests.netns.namespace import Namespace


class World(Protocol):
    """A kernel with the devices vmbr1 and vmbr2, and somebody else at work in it."""

    kernel: Kernel
    vmbr1: int
    vmbr2: int
    missing: int

    def foreign_route(self, address: IP, metric: int, table: int = 254) -> None:
        """Let somebody put a route over vmbr2, in the place of what is there."""

    def no_foreign_route(self, address: IP, metric: int) -> None:
        """Let it be removed."""

    def foreign_neighbour(self, address: IP) -> None:
        """Let somebody put a permanent neighbour on vmbr1, in the place of what is there."""

    def no_foreign_neighbour(self, address: IP) -> None:
        """Let it be removed."""

    def lose_vmbr2(self) -> None:
        """Let the device go, and with it what leads over it."""

    def foreign_state(self) -> object:
        """What there is that is not ours, to compare before and after."""


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
        """Everything `ip` shows that does not carry our protocol (nor belongs to the device itself)."""
        shown = self.run("ip route show table all") + self.run("ip -6 route show table all")
        shown += self.run("ip -N neigh show nud permanent")
        return sorted(line for line in shown.splitlines() if "proto static" in line or "lladdr 02:aa" in line)
