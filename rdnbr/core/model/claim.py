"""A claim: a valid frame that says "this address is at this MAC"."""

from enum import StrEnum
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC


class Source(StrEnum):
    """What a binding was learned from."""

    ARP_REQUEST = "arp-request"
    ARP_REPLY = "arp-reply"
    ARP_ANNOUNCEMENT = "arp-announcement"
    ARP_PROBE = "arp-probe"
    RARP = "rarp"
    NS = "ns"
    NS_DAD = "ns-dad"
    NA = "na"
    NA_UNSOLICITED = "na-unsolicited"
    ADOPTED = "adopted"
    DATA = "data"


ANNOUNCEMENTS = frozenset({Source.RARP, Source.ARP_ANNOUNCEMENT, Source.NA_UNSOLICITED})
"""By these a guest, or its hypervisor, tells everybody that it is here now."""


class Proof(StrEnum):
    """How much a claim proves."""

    PRESENCE = "presence"
    """A MAC is there (RARP); of no address is anything said."""
    INTENT = "intent"
    """Somebody means to use the address (ARP probe, DAD), or speaks with it unconfirmed (rule S5, an IP packet)."""
    USE = "use"
    """The address is in use by the sender."""


class Claim(NamedTuple):
    """One valid frame, boiled down."""

    source: Source
    proof: Proof
    address: IP | None
    """The address claimed; None for RARP, which names only a MAC."""
    mac: MAC
    """The MAC the frame claims the address for (ARP sender, link-layer option)."""
    ether: MAC
    """The Ethernet source of the frame; differing from `mac` is a matter of policy (rules A5, S4, V5)."""
    vlan: int | None
    """The VLAN the frame was tagged with; None when untagged or priority-tagged (VID 0)."""
    target: IP | None = None
    """Who was asked (ARP request, NS) or told (ARP reply, destination of an NA)."""
    override: bool = True
    """False for an NA without the Override flag, which must not displace a binding (rule V3)."""
    nonce: bytes = b""
    """The nonce of a DAD solicitation (RFC 7527), to know it again when it is looped back."""
