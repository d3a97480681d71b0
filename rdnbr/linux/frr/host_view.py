"""What FRR makes of one host: zebra's routes to it, and to whom bgpd advertises it."""

from typing import NamedTuple


class ZebraRoute(NamedTuple):
    """A route to the host, as zebra knows it."""

    protocol: str
    """`kernel` for what others than FRR put there, such as rdnbr."""
    device: str | None
    selected: bool


class Advertisement(NamedTuple):
    """All that FRR says of the host."""

    zebra: tuple[ZebraRoute, ...]
    in_bgp: bool
    """Whether bgpd has it from this node (`redistribute kernel`)."""
    peers: tuple[str, ...]
    """To whom bgpd advertises it."""
