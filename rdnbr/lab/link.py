"""The links between the nodes and the upstream, and their addresses."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_FIRST4 = IPv4Address("198.51.100.0")
_FIRST6 = IPv6Address("2001:db8:ffff::")


@dataclass(frozen=True, slots=True)
class Link:
    """The point-to-point link of node `number` (counted from 0): a /31 and a /127, the upstream's address first."""

    number: int

    @property
    def device(self) -> str:
        """The link's device on the upstream. On the node the device is `uplink`."""
        return f"node{self.number}"

    @property
    def upstream4(self) -> str:
        """IPv4 address of the upstream."""
        return str(_FIRST4 + 2 * self.number)

    @property
    def node4(self) -> str:
        """IPv4 address of the node."""
        return str(_FIRST4 + 2 * self.number + 1)

    @property
    def upstream6(self) -> str:
        """IPv6 address of the upstream."""
        return str(_FIRST6 + 2 * self.number)

    @property
    def node6(self) -> str:
        """IPv6 address of the node."""
        return str(_FIRST6 + 2 * self.number + 1)
