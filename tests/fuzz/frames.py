"""The frame decoder, and the answers to what it decodes.

The first byte of an input stands for what the kernel reports beside the frame. Two bits choose the VLAN of a removed
tag, and two the length on the wire. With a fifth bit the ICMPv6 checksum is corrected, because no mutation would ever
find the right one. The frame follows.
"""

from collections.abc import Iterator
from contextlib import suppress

from rdnbr.core.model.address import MAC, ZERO_MAC
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire.decode import decode
from rdnbr.core.wire.probe_frames import answer_frame
from rdnbr.replay.pcap import CaptureError, read
from tests.fuzz import ROOT
from tests.scapy_reads import LostError, scapy_reads, with_checksum

VLANS = (None, 0, 1, 4094)
LONGER = (None, 0, 1, 1500)
"""Bytes on the wire beyond the captured ones."""
MEND = 0x10

GUEST = MAC(b"\x52\x02\x45\x76\xd2\x35")


def seeds() -> Iterator[bytes]:
    """Return the frames of all captures."""
    for path in sorted((ROOT / "pcaps").glob("*.pcap*")):
        try:
            for frame in read(path):
                yield b"\0" + frame.data
        except CaptureError:
            continue  # malformed on purpose


def try_one(content: bytes) -> None:
    """Decode a frame, compare a claim with scapy, and answer a probe."""
    how, data = content[:1] or b"\0", content[1:]
    if how[0] & MEND:
        data = with_checksum(bytearray(data))
    vlan = VLANS[how[0] & 3]
    more = LONGER[how[0] >> 2 & 3]
    told = decode(data, vlan, None if more is None else len(data) + more)
    alone = decode(data)
    assert isinstance(told, Claim | Reason)
    if vlan and len(data) >= 14:
        assert told is Reason.TAGGED
    elif more:
        assert isinstance(told, Reason) or told.source is Source.PRESENCE
    else:
        assert told == alone
    if isinstance(alone, Claim):
        check_claim(data, alone)


def check_claim(data: bytes, claim: Claim) -> None:
    """Check that a claim is sound, that scapy reads the same, and that padding changes nothing."""
    for mac in (claim.mac, claim.ether):
        assert len(mac) == 6
        assert not mac[0] & 1
        assert mac != ZERO_MAC
    assert (claim.address is None) == (claim.source in (Source.RARP, Source.PRESENCE))
    assert claim.address is None or len(claim.address) in (4, 16)
    assert decode(data + b"\0\xff\0") == claim
    with suppress(LostError):
        assert scapy_reads(data) == claim
    said = answer_frame(data, GUEST)
    assert (said is not None) == (claim.source in (Source.ARP_REQUEST, Source.ARP_PROBE, Source.NS))
    if said is not None:
        check_answer(claim, said)


def check_answer(asked: Claim, said: bytes) -> None:
    """Check that an answer has the address that was asked for, and goes to the sender."""
    assert asked.target is not None
    assert said[:6] == asked.mac
    told = decode(said)
    if asked.target == bytes(4):
        assert told is Reason.ARP_REPLY_FROM_ZERO
        return
    assert isinstance(told, Claim)
    sender = bytes(4) if asked.source is Source.ARP_PROBE else asked.address
    assert (told.address, told.mac, told.target) == (asked.target, GUEST, sender)
    assert scapy_reads(said) == told
