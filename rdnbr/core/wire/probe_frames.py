"""The questions asked of guests, and what an answer to them looks like (section 6 of `wire-rules`).

A question comes from the segment's gateway address, so that the guest has a route for its answer. Never from
0.0.0.0 or `::`: a guest would see duplicate address detection in that, and might give its address up.
"""

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.wire import arp, ndp
from rdnbr.core.wire.decode import decode


def question(segment: Segment, address: IP, mac: MAC, *, broadcast: bool = False) -> bytes | None:
    """Write the frame that asks whether `address` is still at `mac` (RFC 1122 §2.3.2.1, RFC 4861 §7.3).

    With `broadcast` everybody on the port is asked. None when the segment has no gateway address of that
    family to ask from.
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


def answer(frame: bytes, mac: MAC) -> bytes | None:
    """Write what the host at `mac` answers when it has the address asked for; None if nothing is asked."""
    match decode(frame):
        case Claim(Source.ARP_REQUEST, address=bytes(asker), mac=to, target=bytes(asked)):
            return arp.reply(mac, IP(asked), to, IP(asker))
        case Claim(Source.NS, address=bytes(asker), mac=to, target=bytes(asked)):
            return ndp.advertisement(mac, IP(asked), to, IP(asker))
        case _:
            return None


def is_answer(claim: Claim, segment: Segment) -> bool:
    """Tell whether `claim` is said to the segment's gateway by somebody it asked (rule V2)."""
    if claim.source is Source.ARP_REPLY:
        return claim.target == segment.gateway4
    return claim.source is Source.NA and claim.target == segment.gateway6
