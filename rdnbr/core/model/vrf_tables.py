"""The routing table that each VRF, and each segment in a VRF, uses."""

from collections.abc import Iterable, Mapping

from rdnbr.core.model.interfaces import Link

MAIN_TABLE = 254
"""RT_TABLE_MAIN (linux/rtnetlink.h)."""


def vrf_tables(links: Iterable[Link]) -> dict[int, int]:
    """Return the routing table of each VRF among `links`, by the VRF's ifindex."""
    return {link.index: link.table for link in links if link.kind == "vrf" and link.table}


def segment_table(bridge: Link, tables: Mapping[int, int]) -> int:
    """Return the routing table for a bridge's host routes: that of its VRF, or the main table without a VRF.

    Args:
        bridge: its `master` is the ifindex of the VRF, if it is in one.
        tables: as `vrf_tables` returns them.
    """
    if bridge.master is None:
        return MAIN_TABLE
    return tables.get(bridge.master, MAIN_TABLE)
