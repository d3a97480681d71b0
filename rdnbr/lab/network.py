"""A whole lab: nodes, their guests, and the upstream; made on entry, removed whatever happens."""

import os
import signal
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

from rdnbr.lab import frr as routing
from rdnbr.lab.guest import MOST, Guest
from rdnbr.lab.link import Link
from rdnbr.lab.namespace import LabError, Namespace, existing, ip, leftovers, own_prefix, remove
from rdnbr.lab.node import Node
from rdnbr.lab.upstream import Upstream

_LABS = count()
_Space = TypeVar("_Space", bound=Namespace)


class Lab:
    """A network for a with-block.

    The guests are plugged into the first node and have no addresses yet. `frr` tells whether nodes and upstream
    speak BGP: None means if FRR is installed. Without it the upstream sends all guests' traffic to the first node.

    Raises:
        LabError: it cannot be built; nothing of it remains.
    """

    node: Node
    """The first node."""
    nodes: list[Node]
    guests: list[Guest]
    upstream: Upstream

    def __init__(self, guests: int = 2, *, nodes: int = 1, frr: bool | None = None) -> None:
        if not 0 <= guests <= MOST:
            raise LabError(f"a lab has 0 to {MOST} guests, not {guests}")
        if frr and not routing.installed():
            raise LabError("FRR is not installed (Debian: apt-get install frr)")
        self.bgp = routing.installed() if frr is None else frr
        self._prefix = f"{own_prefix()}{next(_LABS)}-"
        self._counts = guests, nodes
        self._spaces: list[Namespace] = []

    def guest(self, number: int) -> Guest:
        """Return guest `number`, counted from 0."""
        return self.guests[number]

    def plug(self, guest: Guest, node: Node | None = None) -> None:
        """Plug the guest into a node, by default the first one. It comes up without addresses."""
        (node or self.node).plug(guest)

    def unplug(self, guest: Guest, node: Node | None = None) -> None:
        """Remove the guest's port from a node, by default the first one."""
        (node or self.node).unplug(guest)

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces and needs root: run it with sudo")
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
        Path("/run/netns").mkdir(exist_ok=True)
        ip(*(f"netns add {self._prefix}{name}" for name in names))
        self.upstream = self._keep(Upstream(f"{self._prefix}upstream"))
        self.nodes = [self._keep(Node(f"{self._prefix}node{number}", number)) for number in range(nodes)]
        self.node = self.nodes[0]
        self.guests = [self._keep(Guest(f"{self._prefix}guest{number}", number)) for number in range(guests)]
        for node in self.nodes:
            node.build()
        links = [Link(node.number) for node in self.nodes]
        for node, link in zip(self.nodes, links, strict=True):
            node.ip(f"link add uplink type veth peer name {link.device} netns {self.upstream.name}")
        self.upstream.connect(links, bgp=self.bgp)
        for node, link in zip(self.nodes, links, strict=True):
            node.connect(link, bgp=self.bgp)
        for guest in self.guests:
            self.plug(guest)
        self.upstream.wait_for_sessions()

    def _keep(self, space: _Space) -> _Space:
        self._spaces.append(space)
        return space

    def close(self) -> None:
        """Stop what runs in the lab, and remove it. A signal that arrives meanwhile waits until it is gone."""
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            for space in reversed(self._spaces):
                space.close()
            self._spaces.clear()
            remove(existing(self._prefix))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
