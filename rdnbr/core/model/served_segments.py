"""Which bridges of the node are served: the segments."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from rdnbr.core.model.address import IP
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Segment
from rdnbr.core.model.vrf_tables import segment_table, vrf_tables

_GATEWAY4, _GATEWAY6 = IP(b"\xa9\xfe\x00\x01"), IP(b"\xfe\x80" + bytes(13) + b"\x01")
_LINK_LOCAL4, _LINK_LOCAL6 = b"\xa9\xfe", b"\xfe\x80"
"""The first bytes of 169.254.0.0/16 (RFC 3927) and of the addresses in use of fe80::/10 (RFC 4291 §2.5.6)."""


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
        ordered = tuple(sorted(own, key=_order))
        found.append(
            Segment(
                link.index,
                link.name,
                link.mac,
                segment_table(link, tables),
                next((entry.address for entry in ordered if len(entry.address) == 4), None),
                next((entry.address for entry in ordered if _is_probe_source6(entry)), None),
                up=link.up,
                addresses=ordered,
            )
        )
    return found


def _is_gateway(entry: InterfaceAddress) -> bool:
    if len(entry.address) == 4:
        return entry.length == 32 and entry.address.startswith(_LINK_LOCAL4)
    return entry.address == _GATEWAY6


def _is_probe_source6(entry: InterfaceAddress) -> bool:
    """Return whether neighbour solicitations may come from an address: not if its DAD has failed (RFC 4862 §5.4.5)."""
    return entry.address.startswith(_LINK_LOCAL6) and not entry.dad_failed


def _order(entry: InterfaceAddress) -> tuple[int, int, IP, int]:
    """Sort the addresses of a bridge, in an order that does not depend on the kernel's.

    IPv4 comes first. In each family the usual gateway address comes first: 169.254.0.1, fe80::1. Then come the other
    link-local addresses that a gateway may have, then all others, and last those whose duplicate address detection has
    failed. The first IPv4 address is the source of ARP probes.
    The first link-local IPv6 address is the source of neighbour solicitations, since a router's neighbour discovery
    messages come from a link-local address (RFC 4861, 4.2 and 6.1.2).
    """
    if entry.dad_failed:
        rank = 3
    elif entry.address in (_GATEWAY4, _GATEWAY6):
        rank = 0
    elif _is_gateway(entry) or entry.address.startswith(_LINK_LOCAL6):
        rank = 1
    else:
        rank = 2
    return len(entry.address), rank, entry.address, entry.length
