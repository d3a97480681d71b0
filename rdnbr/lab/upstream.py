"""The upstream: the router that receives the guests' routes from the nodes by BGP."""

import json

from rdnbr.lab.fabric import Fabric
from rdnbr.lab.frr import Frr
from rdnbr.lab.guest import PREFIX4, PREFIX6
from rdnbr.lab.host import Host
from rdnbr.lab.link import Link
from rdnbr.lab.wait import wait_for


class Upstream(Host):
    """A router with one link to each node, and routes to the guests in its kernel."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.frr: Frr | None = None

    def connect(self, links: list[Link], fabric: Fabric | None) -> None:
        """Add the addresses of the links, and start FRR. Without a fabric, route all guests to the first node."""
        self.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1, ipv6__conf__default__accept_dad=0)
        self.ip("link set lo up")
        for link in links:
            self.ip(
                f"addr add {link.upstream4}/31 dev {link.device}",
                f"addr add {link.upstream6}/127 dev {link.device}",
                f"link set {link.device} up",
            )
        if fabric is not None:
            self.frr = Frr(self, fabric.upstream_config(links))
        else:
            self.ip(f"route add {PREFIX4} via {links[0].node4}", f"route add {PREFIX6} via {links[0].node6}")

    def wait_for_sessions(self, within: float = 30.0) -> None:
        """Wait until all BGP sessions are established. Without FRR, return at once."""
        router = self.frr
        if router is not None:
            wait_for(
                lambda: (states := router.sessions()) and set(states) == {"Established"},
                within,
                "BGP sessions",
            )

    def hosts(self) -> set[str]:
        """Return the addresses, of both families, for which the upstream's kernel has a BGP host route."""
        lines = (line for family in (4, 6) for line in self.routes(family, "proto", "bgp"))
        return {line.split()[0] for line in lines if "/" not in line.split()[0]}

    def via(self, address: str) -> set[int]:
        """Return the numbers of the nodes that are next hops of the BGP route to `address`."""
        output = self.run(
            "ip", "-j", "-6" if ":" in address else "-4", "route", "show", address, "proto", "bgp"
        )
        routes = json.loads(output or "[]")
        hops = [hop for route in routes for hop in route.get("nexthops", [route])]
        return {int(hop["dev"].removeprefix("node")) for hop in hops}
