"""A claim: what a valid frame says, "this address is at this MAC"."""

from enum import StrEnum
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC


class Source(StrEnum):
    """The kind of frame, or other source, that a binding was learned from."""

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
    RULE = "rule"
    """A `static` rule, and no frame that names the address."""
    PRESENCE = "presence"
    """A router solicitation or a multicast listener report. No binding is learned from it."""


ANNOUNCEMENTS = frozenset({Source.RARP, Source.ARP_ANNOUNCEMENT, Source.NA_UNSOLICITED})
"""Frames that a guest or its hypervisor sends unasked to announce where the guest is now."""


class Proof(StrEnum):
    """How much a claim proves."""

    PRESENCE = "presence"
    """The MAC is on the port (RARP, RS, MLD). The frame names no address."""
    INTENT = "intent"
    """The sender intends to use the address (ARP probe, DAD), or its use is unconfirmed (rule S5, an IP packet)."""
    USE = "use"
    """The sender uses the address."""


class Claim(NamedTuple):
    """What one valid frame claims."""

    source: Source
    proof: Proof
    address: IP | None
    """The address claimed. None for RARP and PRESENCE, which name only a MAC."""
    mac: MAC
    """The MAC that the frame claims the address for (ARP sender, link-layer option)."""
    ether: MAC
    """The Ethernet source of the frame. It may differ from a `mac` of a virtual router; of other MACs `mac_check`
    decides (rules A5, S4, V5)."""
    vlan: int | None
    """The VLAN ID of the frame's tag. None when untagged or priority-tagged (VID 0)."""
    target: IP | None = None
    """The target of an ARP request or an NS; the receiver of an ARP reply or an NA."""
    override: bool = True
    """False for an NA without the Override flag. Such an NA must not displace a binding (rule V3)."""
    nonce: bytes = b""
    """The nonce of a DAD solicitation (RFC 7527). It identifies a solicitation that is looped back."""

    @property
    def physical_mac(self) -> MAC | None:
        """The MAC of the card, where the frame claims the address for another MAC; else None."""
        return None if self.ether == self.mac else self.ether
