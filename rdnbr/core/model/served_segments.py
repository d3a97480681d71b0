"""Which bridges of the node are served: the segments."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Segment
from rdnbr.core.model.vrf_tables import segment_table, vrf_tables


def served_segments(
    links: Sequence[Link], addresses: Sequence[InterfaceAddress], globs: Sequence[str] = ()
) -> list[Segment]:
    """Return a segment for each bridge that is served.

    Without `globs` a bridge is served if it has a gateway address: an IPv4 link-local /32, or fe80::1. With `globs` a
    bridge is served if its name matches one of them, whatever addresses it has.
    """
    tables = vrf_tables(links)
    found = []
    for link in links:
        if link.kind != "bridge":
            continue
        own = [entry for entry in addresses if entry.index == link.index]
        by_name = any(fnmatchcase(link.name, glob) for glob in globs)
        if not by_name and (globs or not any(_is_gateway(entry) for entry in own)):
            continue
        table = segment_table(link, tables)
        found.append(
            Segment(link.index, link.name, link.mac, table, _gateway4(own), _gateway6(own), up=link.up)
        )
    return found


def _is_gateway(entry: InterfaceAddress) -> bool:
    if len(entry.address) == 4:
        return entry.length == 32 and entry.address.startswith(b"\xa9\xfe")  # 169.254/16, RFC 3927
    return entry.address == b"\xfe\x80" + bytes(13) + b"\x01"


def _gateway4(own: Sequence[InterfaceAddress]) -> IP | None:
    """Return the IPv4 link-local /32 of a bridge if it has one, else any IPv4 address."""
    mine = [entry for entry in own if len(entry.address) == 4]
    return next((entry.address for entry in sorted(mine, key=lambda entry: not _is_gateway(entry))), None)


def _gateway6(own: Sequence[InterfaceAddress]) -> IP | None:
    """Return fe80::1 if a bridge has it, else any link-local address.

    A router's neighbour discovery messages come from a link-local address (RFC 4861, 4.2 and 6.1.2).
    """
    mine = [entry for entry in own if len(entry.address) == 16 and entry.address[:2] == b"\xfe\x80"]
    return next((entry.address for entry in sorted(mine, key=lambda entry: not _is_gateway(entry))), None)
