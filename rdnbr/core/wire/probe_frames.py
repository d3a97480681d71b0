"""Probe frames to guests, and how to recognize the answers.

A probe is sent from the segment's gateway address, so that the guest has a route for its answer. A probe is never sent
from 0.0.0.0 or `::`. The guest would take it for duplicate address detection, and might give up its address.
"""

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.wire import arp, ndp
from rdnbr.core.wire.decode import decode


def probe_frame(segment: Segment, address: IP, mac: MAC, *, broadcast: bool = False) -> bytes | None:
    """Write the frame that probes whether `address` is still at `mac` (RFC 1122 §2.3.2.1, RFC 4861 §7.3).

    With `broadcast` the frame goes to all hosts on the port: broadcast for ARP, multicast for NDP. Return None if the
    segment has no gateway address of that family to send from.
    """
    if len(address) == 4:
        if segment.gateway4 is None:
            return None
        if broadcast:
            return arp.request(segment.mac, segment.gateway4, address)
        return arp.request(segment.mac, segment.gateway4, address, to=mac)
    if segment.gateway6 is None:
        return None
    return ndp.solicitation(segment.mac, segment.gateway6, address, to=None if broadcast else mac)


def answer_frame(frame: bytes, mac: MAC) -> bytes | None:
    """Write the answer of a host at `mac` that has the solicited address. None if `frame` solicits nothing."""
    match decode(frame):
        case Claim(Source.ARP_REQUEST, address=bytes(sender), mac=to, target=bytes(target)):
            return arp.reply(mac, IP(target), to, IP(sender))
        case Claim(Source.NS, address=bytes(sender), mac=to, target=bytes(target)):
            return ndp.advertisement(mac, IP(target), to, IP(sender))
        case _:
            return None


def is_probe_answer(claim: Claim, segment: Segment) -> bool:
    """Return whether `claim` comes from a solicited answer to the segment's gateway (rule V2)."""
    if claim.source is Source.ARP_REPLY:
        return claim.target == segment.gateway4
    return claim.source is Source.NA and claim.target == segment.gateway6
