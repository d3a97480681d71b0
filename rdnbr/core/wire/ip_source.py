"""The source address of an IP packet. It is only a hint that the address is in use, never a proof (RFC 6620 §3.2)."""

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.special_purpose import special_purpose_of

_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"


def claim_from_packet(frame: bytes) -> Claim | None:
    """Return the claim for the source of an untagged packet. None if no guest can have that address or that MAC."""
    kind = frame[12:14]
    if kind == _IPV4 and len(frame) >= 34 and frame[14] >> 4 == 4:
        address = IP(frame[26:30])
    elif kind == _IPV6 and len(frame) >= 54 and frame[14] >> 4 == 6:
        address = IP(frame[22:38])
    else:
        return None
    mac = MAC(frame[6:12])
    if mac[0] & 1 or mac == ZERO_MAC or special_purpose_of(address) is not None:
        return None
    return Claim(Source.DATA, Proof.INTENT, address, mac, mac, None)
