"""IPv4 and IPv6 packets. Only the source counts, and as a hint that it is in use, never as a proof (RFC 6620 §3.2)."""

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.special_purpose import special

_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"


def hint(frame: bytes) -> Claim | None:
    """Return what the source of an untagged packet hints at, if somebody may have that address and that MAC."""
    kind = frame[12:14]
    if kind == _IPV4 and len(frame) >= 34 and frame[14] >> 4 == 4:
        address = IP(frame[26:30])
    elif kind == _IPV6 and len(frame) >= 54 and frame[14] >> 4 == 6:
        address = IP(frame[22:38])
    else:
        return None
    mac = MAC(frame[6:12])
    if mac[0] & 1 or mac == ZERO_MAC or special(address) is not None:
        return None
    return Claim(Source.DATA, Proof.INTENT, address, mac, mac, None)
