"""The cable of a guest that can move: it has an end on several nodes, and connects the guest to at most one of them.

In a migration, the hypervisor creates the port on the target long before the guest arrives there, and the port on the
source remains for some time. Each of these ports is a veth with carrier. Its peer, the end of the cable, is in a
separate namespace, where a bridge connects the guest with one of the ends. To move the guest, another end becomes the
member of that bridge. The guest's own link does not change.
"""

from rdnbr.lab.namespace import LabError, Namespace


class CableNamespace(Namespace):
    """The namespace of the cables of all guests."""

    def build(self) -> None:
        """Disable IPv6, so that the kernel sends no frames of its own on the cables."""
        self.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)


class Cable:
    """The cable of the guest with number `vm`."""

    def __init__(self, space: CableNamespace, vm: int) -> None:
        self.space = space
        self._bridge = f"cable{vm}"
        self._guest = f"guest{vm}"
        self._vm = vm
        self._ends: set[int] = set()
        self._at: int | None = None

    @property
    def at(self) -> int | None:
        """Number of the node that the guest is connected to. None: it is connected to no node."""
        return self._at

    def build(self, guest: Namespace, mac: str) -> None:
        """Create the guest's eth0 and the bridge it ends on. From now on eth0 has carrier."""
        # With an ageing time of 0 the bridge learns no MACs, and forwards every frame to the other side.
        self.space.ip(
            f"link add {self._bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 ageing_time 0",
            f"link add {self._guest} type veth peer name eth0 address {mac} netns {guest.name}",
            f"link set {self._guest} master {self._bridge} up",
            f"link set {self._bridge} up",
        )
        guest.ip("link set lo up", "link set eth0 up")

    def end_name(self, node: int) -> str:
        """Return the device name of the end for a node."""
        return f"node{node}-{self._vm}"

    def attach(self, node: int) -> None:
        """Add the end for a node's new port. If the guest is connected to no node, it is connected to this one."""
        self.space.ip(f"link set {self.end_name(node)} up")
        self._ends.add(node)
        if self._at is None:
            self.connect(node)

    def detach(self, node: int) -> None:
        """Remove the end for a port that is gone."""
        self._ends.discard(node)
        if self._at == node:
            self._at = None

    def connect(self, node: int | None) -> None:
        """Connect the guest to this node and to no other. None: to no node.

        Raises:
            LabError: the node has no port for the guest.
        """
        if node is not None and node not in self._ends:
            raise LabError(f"guest {self._vm} has no port on node {node}: plug it in there first")
        lines = []
        if self._at is not None:
            lines.append(f"link set {self.end_name(self._at)} nomaster")
        if node is not None:
            lines.append(f"link set {self.end_name(node)} master {self._bridge}")
        self._at = node
        self.space.ip(*lines)
