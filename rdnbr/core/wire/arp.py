"""ARP and RARP on Ethernet for IPv4 (RFC 826, RFC 903, RFC 5227): decoding and writing."""

from struct import Struct

from rdnbr.core.model.address import BROADCAST_MAC, IP, MAC, ZERO_MAC
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.reason import Reason

ETHERTYPE = b"\x08\x06"
ETHERTYPE_RARP = b"\x80\x35"

# Destination, source, ethertype; format, operation; sender MAC and address, target MAC and address.
_FRAME = Struct("!6s6s2s6sH6s4s6s4s")
_ETHERNET_IPV4 = b"\x00\x01\x08\x00\x06\x04"  # ar$hrd, ar$pro, ar$hln, ar$pln
_REQUEST, _REPLY, _REQUEST_REVERSE = 1, 2, 3
_UNSPECIFIED = bytes(4)
_MINIMUM = 60
"""Bytes of the shortest Ethernet frame, without its frame check sequence (IEEE 802.3)."""


def decode(frame: bytes) -> Claim | Reason:
    """Decode a complete frame with the ethertype of ARP or RARP. Return its claim, or the reason to refuse it."""
    if len(frame) < _FRAME.size:  # A1; bytes after the ARP packet are padding
        return Reason.ARP_SHORT
    _, ether, ethertype, form, operation, sha, spa, _, tpa = _FRAME.unpack_from(frame)
    if form != _ETHERNET_IPV4:  # A2
        return Reason.ARP_FORMAT
    reverse = ethertype == ETHERTYPE_RARP
    if operation != _REQUEST_REVERSE if reverse else operation not in (_REQUEST, _REPLY):  # A3
        return Reason.ARP_OPERATION
    if sha[0] & 1 or sha == ZERO_MAC:  # A4; the group bit covers broadcast
        return Reason.ARP_SENDER_MAC
    if reverse:
        # Hypervisors announce a migrated guest with a RARP: sha = tha, no address (QEMU, net/announce.c).
        # If sha and tha differ, the sender asks for another host (RFC 903). Only the sender is on the port.
        return Claim(Source.RARP, Proof.PRESENCE, None, sha, ether, None)
    if spa == _UNSPECIFIED:  # A6
        if operation == _REPLY:
            return Reason.ARP_REPLY_FROM_ZERO
        return Claim(Source.ARP_PROBE, Proof.INTENT, tpa, sha, ether, None, tpa)
    if spa == tpa:  # A9, as a request or as a reply
        source = Source.ARP_ANNOUNCEMENT
    elif operation == _REQUEST:  # A10: a claim for the sender only
        source = Source.ARP_REQUEST
    else:  # A11: whatever its target is
        source = Source.ARP_REPLY
    return Claim(source, Proof.USE, spa, sha, ether, None, tpa)


def request(sender: MAC, sender_ip: IP, target_ip: IP, to: MAC = BROADCAST_MAC) -> bytes:
    """Write "who has `target_ip`, tell `sender_ip`", as a frame to `to`."""
    return _write(_REQUEST, sender, sender_ip, ZERO_MAC, target_ip, to)


def reply(sender: MAC, sender_ip: IP, target: MAC, target_ip: IP) -> bytes:
    """Write "`sender_ip` is at `sender`", as a frame to `target`."""
    return _write(_REPLY, sender, sender_ip, target, target_ip, target)


def gratuitous_reply(sender: MAC, sender_ip: IP, to: MAC) -> bytes:
    """Write "`sender_ip` is at `sender`" as an unsolicited reply to one host, in the form of RFC 5944 §4.6."""
    return _write(_REPLY, sender, sender_ip, sender, sender_ip, to)


def announcement(sender: MAC, sender_ip: IP) -> bytes:
    """Write "`sender_ip` is at `sender`" as a broadcast request, the announcement of RFC 5227 §2.3."""
    return request(sender, sender_ip, sender_ip)


def _write(operation: int, sha: MAC, spa: IP, tha: MAC, tpa: IP, to: MAC) -> bytes:
    frame = _FRAME.pack(to, sha, ETHERTYPE, _ETHERNET_IPV4, operation, sha, spa, tha, tpa)
    return frame.ljust(_MINIMUM, b"\0")
