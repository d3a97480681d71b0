"""The fabric: the BGP configuration of nodes and upstream, in the syntax of FRR."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rdnbr.lab.guest import PREFIX4, PREFIX6
from rdnbr.lab.link import Link

AS_NODES = 65001
"""The AS of all nodes. With one AS for each node: the AS of the first node."""
AS_UPSTREAM = 65000


class Peering(StrEnum):
    """The assignment of autonomous systems."""

    ONE_AS = "one-as"
    """All nodes share one AS. A node's own AS is in the path of the other nodes' routes, so it drops them."""
    AS_PER_NODE = "as-per-node"
    """Each node has an AS of its own, and receives the routes of the other nodes from the upstream."""
    REFLECTED = "reflected"
    """Nodes and upstream share one AS. The upstream reflects routes from node to node (RFC 4456)."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """A fabric, by default the one of the documentation.

    With `med`, nodes advertise the metric of a kernel route as MED; otherwise the MED is 0. BGP then also compares the
    MEDs of neighbours in different AS (`bgp always-compare-med`).
    """

    peering: Peering = Peering.ONE_AS
    med: bool = False

    def node_as(self, link: Link) -> int:
        """Return the AS of the node on this link."""
        return AS_NODES + link.number if self.peering is Peering.AS_PER_NODE else AS_NODES

    @property
    def upstream_as(self) -> int:
        """The AS of the upstream."""
        return AS_NODES if self.peering is Peering.REFLECTED else AS_UPSTREAM

    @property
    def _compare(self) -> str:
        return " bgp always-compare-med\n" if self.med and self.peering is Peering.AS_PER_NODE else ""

    def node_config(self, link: Link, bridge: str) -> str:
        """Return the frr.conf of a node whose guests are behind `bridge`."""
        return f"""\
ip nht resolve-via-default
ipv6 nht resolve-via-default
{self._permitted(4, bridge)}\
{self._permitted(6, bridge)}\
router bgp {self.node_as(link)}
 bgp router-id {link.node4}
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
{self._compare}\
 timers bgp 1 3
 neighbor {link.upstream4} remote-as {self.upstream_as}
 neighbor {link.upstream4} timers connect 1
 neighbor {link.upstream6} remote-as {self.upstream_as}
 neighbor {link.upstream6} timers connect 1
 address-family ipv4 unicast
  redistribute kernel route-map RDNBR4
  neighbor {link.upstream4} activate
  neighbor {link.upstream4} prefix-list RDNBR4 out
 exit-address-family
 address-family ipv6 unicast
  redistribute kernel route-map RDNBR6
  neighbor {link.upstream6} activate
  neighbor {link.upstream6} prefix-list RDNBR6 out
 exit-address-family
"""

    def _permitted(self, family: int, bridge: str) -> str:
        ip, prefix, length = ("ip", PREFIX4, 32) if family == 4 else ("ipv6", PREFIX6, 128)
        metric = "" if self.med else " set metric 0\n"
        return f"""\
{ip} prefix-list RDNBR{family} seq 5 permit {prefix} ge {length} le {length}
route-map RDNBR{family} permit 10
 match interface {bridge}
 match {ip} address prefix-list RDNBR{family}
{metric}\
 set community {AS_NODES}:171
"""

    def upstream_config(self, links: Sequence[Link]) -> str:
        """Return the frr.conf of the upstream."""
        reflect = self.peering is Peering.REFLECTED
        families = ""
        for family in (4, 6):
            families += f" address-family ipv{family} unicast\n"
            for link in links:
                peer = link.node4 if family == 4 else link.node6
                families += f"  neighbor {peer} activate\n"
                families += f"  neighbor {peer} route-reflector-client\n" if reflect else ""
            families += " exit-address-family\n"
        peers = "".join(
            f" neighbor {peer} remote-as {self.node_as(link)}\n"
            for link in links
            for peer in (link.node4, link.node6)
        )
        return f"""\
router bgp {self.upstream_as}
 bgp router-id 198.51.100.254
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
{self._compare}\
 timers bgp 1 3
{peers}\
{families}"""
