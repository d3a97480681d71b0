"""A complete lab: nodes, guests and the upstream. It is built on entry, and removed on exit in every case."""

import os
import signal
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

from rdnbr.lab import frr as routing
from rdnbr.lab.cable import Cable, CableNamespace
from rdnbr.lab.fabric import Fabric
from rdnbr.lab.guest import MOST_GUESTS, Guest
from rdnbr.lab.link import Link
from rdnbr.lab.namespace import LabError, Namespace, existing, ip, leftovers, own_prefix, remove
from rdnbr.lab.node import BRIDGE_MAC, Node
from rdnbr.lab.upstream import Upstream

_LABS = count()
_Space = TypeVar("_Space", bound=Namespace)


class Lab:
    """A network for a with-block.

    The guests are plugged into the first node and have no addresses yet. With more than one node, guests can move.

    Args:
        guests: number of guests.
        nodes: number of nodes.
        frr: whether nodes and upstream run BGP. None: if FRR is installed. Without BGP the upstream sends the traffic
            of all guests to the first node.
        fabric: the BGP configuration.
        one_mac: whether the bridges of all nodes have the same MAC.

    Raises:
        LabError: the lab cannot be built. Nothing of it remains.
    """

    node: Node
    """The first node."""
    nodes: list[Node]
    guests: list[Guest]
    upstream: Upstream

    def __init__(
        self,
        guests: int = 2,
        *,
        nodes: int = 1,
        frr: bool | None = None,
        fabric: Fabric = Fabric(),  # noqa: B008 frozen
        one_mac: bool = True,
    ) -> None:
        if not 0 <= guests <= MOST_GUESTS:
            raise LabError(f"a lab has 0 to {MOST_GUESTS} guests, not {guests}")
        if frr and not routing.installed():
            raise LabError("FRR is not installed (Debian: apt-get install frr)")
        self.bgp = routing.installed() if frr is None else frr
        self._fabric = fabric if self.bgp else None
        self._one_mac = one_mac
        self._prefix = f"{own_prefix()}{next(_LABS)}-"
        self._counts = guests, nodes
        self._spaces: list[Namespace] = []

    def guest(self, number: int) -> Guest:
        """Return guest `number`, counted from 0."""
        return self.guests[number]

    def plug(self, guest: Guest, node: Node | None = None) -> None:
        """Plug the guest into a node, by default the first. Its link is up then, and it has no addresses."""
        (node or self.node).plug(guest)

    def unplug(self, guest: Guest, node: Node | None = None) -> None:
        """Remove the guest's port from a node, by default the first."""
        (node or self.node).unplug(guest)

    def move(self, guest: Guest, target: Node) -> None:
        """Connect the guest to `target` and to no other node, as a hypervisor does when it resumes the guest there.

        The guest must have a port on `target` already. Its port on the source keeps carrier until `unplug`.

        Raises:
            LabError: the guest has no port on `target`, or the lab has only one node.
        """
        _cable_of(guest).connect(target.number)

    def pause(self, guest: Guest) -> None:
        """Disconnect the guest from all nodes, in both directions, until `move`. Its ports stay."""
        _cable_of(guest).connect(None)

    def __enter__(self) -> Self:
        require_root()
        remove(leftovers())
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _build(self) -> None:
        guests, nodes = self._counts
        names = ["upstream", *(f"node{n}" for n in range(nodes)), *(f"guest{n}" for n in range(guests))]
        names += ["cables"] if nodes > 1 else []
        Path("/run/netns").mkdir(exist_ok=True)
        ip(*(f"netns add {self._prefix}{name}" for name in names))
        self.upstream = self._keep(Upstream(f"{self._prefix}upstream"))
        self.nodes = [
            self._keep(Node(f"{self._prefix}node{number}", number, self._mac(number)))
            for number in range(nodes)
        ]
        self.node = self.nodes[0]
        self.guests = [self._keep(Guest(f"{self._prefix}guest{number}", number)) for number in range(guests)]
        for node in self.nodes:
            node.build()
        links = [Link(node.number) for node in self.nodes]
        for node, link in zip(self.nodes, links, strict=True):
            node.ip(f"link add uplink type veth peer name {link.device} netns {self.upstream.name}")
        self.upstream.connect(links, self._fabric)
        for node, link in zip(self.nodes, links, strict=True):
            node.connect(link, self._fabric)
        if nodes > 1:
            self._build_cables()
        for guest in self.guests:
            self.plug(guest)
        self.upstream.wait_for_sessions()

    def _build_cables(self) -> None:
        cables = self._keep(CableNamespace(f"{self._prefix}cables"))
        cables.build()
        for guest in self.guests:
            guest.cable = Cable(cables, guest.vm)
            guest.cable.build(guest, guest.mac)

    def _mac(self, node: int) -> str:
        return BRIDGE_MAC if self._one_mac else f"{BRIDGE_MAC[:-2]}{node:02x}"

    def _keep(self, space: _Space) -> _Space:
        self._spaces.append(space)
        return space

    def close(self) -> None:
        """Stop the lab's programs, and remove the lab. Signals are blocked meanwhile."""
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            for space in reversed(self._spaces):
                space.close()
            self._spaces.clear()
            remove(existing(self._prefix))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def require_root() -> None:
    """Check that this process may build a lab.

    Raises:
        LabError: the process does not run as root.
    """
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and needs root: run it with sudo")


def _cable_of(guest: Guest) -> Cable:
    if guest.cable is None:
        raise LabError("guests cannot move in a lab of one node: use Lab(nodes=2)")
    return guest.cable
