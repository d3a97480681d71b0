"""What FRR does with the route of one host: zebra's routes to it, and the BGP peers that it is advertised to."""

from typing import NamedTuple


class ZebraRoute(NamedTuple):
    """One of zebra's routes to the host."""

    protocol: str
    """FRR's name of the protocol; `kernel` for a route that another program, such as rdnbr, put into the kernel."""
    device: str | None
    selected: bool


class Advertisement(NamedTuple):
    """All that FRR shows of the host."""

    zebra: tuple[ZebraRoute, ...]
    in_bgp: bool
    """Whether bgpd has a path of this node's own (`redistribute kernel`)."""
    peers: tuple[str, ...]
    """The peers that bgpd advertises the best path to."""
    elsewhere: tuple[str, ...] = ()
    """The next hops of valid paths that other nodes announce."""
