"""The wire of a guest that moves: it ends on several nodes, and carries frames to one of them at most.

A hypervisor makes the port on the target long before the guest arrives there, and the one on the source lingers after
it has left. So each node has a port with carrier, and behind it a loose end, in a namespace that nobody else sees; a
bridge there joins the guest with one of these ends. To move is to join it with another: the guest notices nothing.
"""

from rdnbr.lab.namespace import LabError, Namespace


class Wires(Namespace):
    """Where the wires of all guests are."""

    def build(self) -> None:
        """Keep the kernel here from speaking on the wires itself."""
        self.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)


class Wire:
    """The wire of the guest with number `vm`."""

    def __init__(self, space: Wires, vm: int) -> None:
        self.space = space
        self._bridge = f"wire{vm}"
        self._guest = f"guest{vm}"
        self._vm = vm
        self._ends: set[int] = set()
        self._at: int | None = None

    @property
    def at(self) -> int | None:
        """Number of the node that the guest's frames reach; None: of none."""
        return self._at

    def lay(self, guest: Namespace, mac: str) -> None:
        """Make the guest's eth0 and what it is plugged into; it has carrier from now on."""
        # Without ageing time nothing is learned: what comes in goes out at the other end, whatever it is.
        self.space.ip(
            f"link add {self._bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 ageing_time 0",
            f"link add {self._guest} type veth peer name eth0 address {mac} netns {guest.name}",
            f"link set {self._guest} master {self._bridge} up",
            f"link set {self._bridge} up",
        )
        guest.ip("link set lo up", "link set eth0 up")

    def end(self, node: int) -> str:
        """Return the name of the end that leads to a node."""
        return f"node{node}-{self._vm}"

    def attach(self, node: int) -> None:
        """Take up the end that leads to a node's new port. It is where the guest is, if it was nowhere."""
        self.space.ip(f"link set {self.end(node)} up")
        self._ends.add(node)
        if self._at is None:
            self.join(node)

    def detach(self, node: int) -> None:
        """Let go of an end whose port is gone."""
        self._ends.discard(node)
        if self._at == node:
            self._at = None

    def join(self, node: int | None) -> None:
        """Carry the guest's frames to this node from now on and to no other, or to none.

        Raises:
            LabError: the node has no port for the guest.
        """
        if node is not None and node not in self._ends:
            raise LabError(f"guest {self._vm} has no port on node {node}: plug it in there first")
        lines = []
        if self._at is not None:
            lines.append(f"link set {self.end(self._at)} nomaster")
        if node is not None:
            lines.append(f"link set {self.end(node)} master {self._bridge}")
        self._at = node
        self.space.ip(*lines)
