"""Probe frames to guests, and how to recognize the answers.

A probe is sent from an address of the segment, so that the guest has a route for its answer. Some guests do not answer
the gateway address: their route to it leads over another card (strict `rp_filter`), or they answer their own subnet
alone (`arp_ignore=2`). Such a guest answers an address in its subnet, and a probe from 0.0.0.0 (RFC 5227 §2.1.1), for
which Linux looks up no route (net/ipv4/arp.c, arp_process). A guest that does duplicate address detection would take
a probe from 0.0.0.0 for another guest's, and give its address up: `probing.dad_times` says when it may do so. IPv6 has
no such probe: an NS from `::` is a DAD for every host.
"""

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.wire import arp, ndp
from rdnbr.core.wire.decode import decode

UNSPECIFIED4 = IP(bytes(4))
"""0.0.0.0, the sender of an ARP probe (RFC 5227 §1.1)."""


def probe_frame(
    segment: Segment, address: IP, mac: MAC, *, broadcast: bool = False, zero_sender: bool = False
) -> bytes | None:
    """Write the frame that probes whether `address` is still at `mac` (RFC 1122 §2.3.2.1, RFC 4861 §7.3).

    Args:
        segment: has the source address. An IPv4 probe comes from the address of the bridge whose prefix contains
            `address`, if there is one, and else from the gateway address.
        address: of the guest.
        mac: of the guest.
        broadcast: the frame goes to all hosts on the port: broadcast for ARP, solicited-node multicast for NDP.
        zero_sender: an ARP request comes from 0.0.0.0. It is ignored for IPv6.

    Returns:
        None if the segment has no gateway address of that family to send from.
    """
    if len(address) == 4:
        if segment.gateway4 is None:
            return None
        sender = UNSPECIFIED4 if zero_sender else _source4(segment, segment.gateway4, address)
        if broadcast:
            return arp.request(segment.mac, sender, address)
        return arp.request(segment.mac, sender, address, to=mac)
    if segment.gateway6 is None:
        return None
    return ndp.solicitation(segment.mac, segment.gateway6, address, to=None if broadcast else mac)


def answer_frame(frame: bytes, mac: MAC) -> bytes | None:
    """Write the answer of a host at `mac` that has the solicited address. None if `frame` solicits nothing."""
    match decode(frame):
        case Claim(Source.ARP_REQUEST, address=bytes(sender), mac=to, target=bytes(target)):
            return arp.reply(mac, IP(target), to, IP(sender))
        case Claim(Source.ARP_PROBE, mac=to, target=bytes(target)):
            return arp.reply(mac, IP(target), to, UNSPECIFIED4)
        case Claim(Source.NS, address=bytes(sender), mac=to, target=bytes(target)):
            return ndp.advertisement(mac, IP(target), to, IP(sender))
        case _:
            return None


def is_probe_answer(claim: Claim, segment: Segment) -> bool:
    """Return whether `claim` comes from a solicited answer to the segment (rule V2)."""
    if claim.source is Source.ARP_REPLY:
        return claim.target == UNSPECIFIED4 or _is_own(segment, segment.gateway4, claim.target)
    return claim.source is Source.NA and _is_own(segment, segment.gateway6, claim.target)


def _source4(segment: Segment, gateway: IP, address: IP) -> IP:
    """Return the address of the bridge with the longest prefix that contains `address`; else the gateway."""
    number = int.from_bytes(address)
    found = [
        own
        for own in segment.addresses
        if len(own.address) == 4
        and own.length < 32
        and own.address != address
        and (int.from_bytes(own.address) ^ number) >> (32 - own.length) == 0
    ]
    return max(found, key=lambda own: own.length).address if found else gateway


def _is_own(segment: Segment, gateway: IP | None, address: IP | None) -> bool:
    if address is None:
        return False
    return address == gateway or any(address == own.address for own in segment.addresses)
