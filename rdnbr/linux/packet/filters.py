"""Which frames and which kernel events reach us at all: classic BPF programs.

Guests move gigabits and the kernel's routing table may hold the Internet; what is not ours must cost nothing
here.
"""

from collections.abc import Iterable, Iterator

from rdnbr.core.model.address import IP
from rdnbr.linux.packet.bpf import (
    Step,
    above,
    any_bit,
    assemble,
    at_least,
    byte,
    byte_at_x,
    equal,
    extension,
    half,
    half_at_x,
    index,
    take,
    word,
)

SNAP = 256
"""Bytes delivered of a frame. ARP takes 42; an advertisement with the options anybody uses, less than 100."""

_VLAN_TAG = 44  # SKF_AD_VLAN_TAG
_ETHERNET = 14
_IPV6 = 40

_FRAMES = (
    # The outer VLAN tag is not in the data: it travels in PACKET_AUXDATA, so a tagged ARP frame looks like
    # any other here, and it is `receive` that tells. A tag that does show is the inner one of two.
    index(0),
    half(12),
    equal(0x8100, "tag"),
    equal(0x88A8, "tag", "type"),
    "tag",
    index(4),
    "type",
    half_at_x(12),
    equal(0x0806, "accept"),  # ARP
    equal(0x8035, "accept"),  # RARP
    equal(0x86DD, None, "reject"),  # IPv6
    byte_at_x(_ETHERNET + 6),  # next header
    equal(58, "icmpv6"),
    equal(0, "extension"),  # hop-by-hop options
    equal(43, "extension"),  # routing
    equal(44, "extension"),  # fragment
    equal(60, "extension", "reject"),  # destination options
    # ND behind an extension header is never believed (RFC 6980 for fragments), but whoever sends it is
    # evading filters and wants counting. The shortest header of each kind is eight bytes: looking there
    # catches the usual trick and leaves MLD reports, whose type is another, in the kernel.
    "extension",
    byte_at_x(_ETHERNET + _IPV6),
    equal(58, None, "reject"),
    byte_at_x(_ETHERNET + _IPV6 + 8),
    at_least(133, "nd", "reject"),
    "icmpv6",
    byte_at_x(_ETHERNET + _IPV6),  # type
    at_least(133, None, "reject"),  # router solicitation
    "nd",
    above(137, "reject", "accept"),  # redirect
    "reject",
    take(0),
    "accept",
    take(SNAP),
)


def _is_answer(yes: str, no: str) -> tuple[Step | str, ...]:
    """Go to `yes` with what is said to one MAC alone, in answer: ARP replies and solicited advertisements."""
    return (
        byte(0),
        any_bit(1, no),
        half(12),
        equal(0x0806, "arp"),
        equal(0x86DD, None, no),
        byte(_ETHERNET + 6),  # next header
        equal(58, None, no),
        byte(_ETHERNET + _IPV6),  # type
        equal(136, None, no),
        byte(_ETHERNET + _IPV6 + 4),  # flags
        any_bit(0x40, yes, no),
        "arp",
        half(_ETHERNET + 6),  # operation
        equal(2, yes, no),
    )


FRAMES = assemble(*_FRAMES)
"""For a port: ARP, RARP and neighbour discovery, tagged or not."""

ANSWERS = assemble(*_is_answer("accept", "reject"), "reject", take(0), "accept", take(SNAP))
"""Of these, the answers."""

CLAIMS = assemble(*_is_answer("reject", "others"), "others", *_FRAMES)
"""Of these, all but the answers."""


HEAD = 64
"""Bytes delivered of an IP packet: the headers that tell whose it is, and that it is no neighbour discovery."""


def packets(without: Iterable[IP]) -> bytes:
    """Return a program for a port's IPv4 and IPv6 packets, but for ARP, neighbour discovery and those `without`.

    Sources that nobody can have are left out, and so is what has a tag or extension headers.
    """
    sources = list(without)
    return assemble(
        extension(_VLAN_TAG),
        any_bit(0xFFF, "reject"),  # VID; 0 is a priority tag, and what there is without any
        half(12),
        equal(0x0800, "ipv4"),
        equal(0x86DD, None, "reject"),
        byte(_ETHERNET + 6),  # next header
        *(equal(extending, "reject") for extending in (0, 43, 44, 60)),
        equal(58, None, "ipv6"),
        byte(_ETHERNET + _IPV6),  # type
        at_least(133, None, "ipv6"),  # router solicitation
        above(137, None, "reject"),  # redirect
        "ipv6",
        byte(_ETHERNET + 8),  # first byte of the source
        equal(0, "reject"),  # unspecified, loopback, IPv4-mapped
        at_least(0xFE, "reject"),  # link-local, multicast
        *_not_from([source for source in sources if len(source) == 16], _ETHERNET + 8),
        take(HEAD),
        "reject",
        take(0),
        "ipv4",
        byte(_ETHERNET + 12),  # first byte of the source
        equal(0, "nobody"),
        equal(127, "nobody"),
        at_least(224, "nobody"),
        half(_ETHERNET + 12),
        equal(0xA9FE, "nobody"),  # 169.254.0.0/16
        *_not_from([source for source in sources if len(source) == 4], _ETHERNET + 12),
        take(HEAD),
        "nobody",
        take(0),
    )


def _not_from(sources: Iterable[IP], offset: int) -> Iterator[Step | str]:
    """End with 0 for packets that come from one of `sources`, of one family; the others go on."""
    for number, source in enumerate(sources):
        other = f"not from {number} at {offset}"
        for at in range(0, len(source), 4):
            yield word(offset + at)
            yield equal(int.from_bytes(source[at : at + 4], "big"), None, other)
        yield take(0)
        yield other
