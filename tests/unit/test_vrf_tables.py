"""The routing tables of VRFs and of the segments in them."""

from rdnbr.core.model.address import parse_mac
from rdnbr.core.model.interfaces import Link
from rdnbr.core.model.vrf_tables import MAIN_TABLE, segment_table, vrf_tables

MAC = parse_mac("02:00:00:00:00:01")


def link(index: int, kind: str, *, master: int | None = None, table: int | None = None) -> Link:
    return Link(index, f"link{index}", kind, MAC, master, up=True, carrier=True, table=table)


def test_tables_of_vrfs_only():
    """A VRF has a table by its ifindex; a VRF whose table netlink did not report, and other devices, have none."""
    links = [link(7, "vrf", table=100), link(8, "vrf", table=1001), link(9, "vrf"), link(1, "bridge")]
    assert vrf_tables(links) == {7: 100, 8: 1001}


def test_table_of_a_segment():
    """A bridge in a VRF uses the VRF's table; any other bridge uses the main table."""
    tables = {7: 100}
    assert segment_table(link(1, "bridge", master=7), tables) == 100
    assert segment_table(link(1, "bridge", master=8), tables) == MAIN_TABLE
    assert segment_table(link(1, "bridge"), tables) == MAIN_TABLE
