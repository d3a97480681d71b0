"""Frames that tell guests at which MAC an address of their segment is."""

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.wire import arp, ndp


def announcement_frame(segment: Segment, address: IP, to: MAC | None = None) -> bytes:
    """Write "`address` is at the segment's MAC", as a frame to one guest, or to all guests of a port."""
    if len(address) == 16:
        return ndp.router_announcement(segment.mac, address, to=to)
    if to is None:
        return arp.announcement(segment.mac, address)
    # A gratuitous reply: Linux accepts it at once. Any other reply does not replace an entry that is younger than
    # `locktime`, one second (net/ipv4/arp.c, arp_process and arp_is_garp).
    return arp.gratuitous_reply(segment.mac, address, to)
