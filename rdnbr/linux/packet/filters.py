"""The classic BPF programs that select the frames for rdnbr.

Guests send gigabits a second. Frames that rdnbr does not need are dropped in the kernel, where they cost the least.
"""

from collections.abc import Collection, Iterable, Iterator

from rdnbr.core.model.address import IP
from rdnbr.linux.packet.bpf import (
    Step,
    above,
    any_bit,
    assemble,
    at_least,
    byte,
    byte_at_x,
    deliver,
    equal,
    extension,
    half,
    half_at_x,
    index,
    word,
)

FRAME_SNAPLEN = 256
"""Bytes delivered of a frame. ARP has 42 bytes; an advertisement with the usual options has less than 100."""

_VLAN_TAG = 44  # SKF_AD_VLAN_TAG
_ETHERNET = 14
_IPV6 = 40

_FRAMES = (
    # The outer VLAN tag is not in the data but in PACKET_AUXDATA, which `PortSocket.receive` reads. So a tagged ARP
    # frame looks like an untagged one here. A tag in the data is the inner one of two.
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
    # ND behind an extension header is always refused (RFC 6980 for fragments). It is delivered because its sender
    # tries to evade filters, and such frames are counted. The shortest header of each kind has eight bytes. The
    # program reads the ICMPv6 type behind such a header. Multicast listener reports are there too: a guest that sends
    # one is alive.
    "extension",
    byte_at_x(_ETHERNET + _IPV6),
    equal(58, None, "reject"),
    byte_at_x(_ETHERNET + _IPV6 + 8),
    equal(131, "accept"),  # report
    equal(132, "accept"),  # done
    equal(143, "accept"),  # report, version 2
    at_least(133, "nd", "reject"),
    "icmpv6",
    byte_at_x(_ETHERNET + _IPV6),  # type
    at_least(133, None, "reject"),  # router solicitation
    "nd",
    above(137, "reject", "accept"),  # redirect
    "reject",
    deliver(0),
    "accept",
    deliver(FRAME_SNAPLEN),
)


def _is_answer(yes: str, no: str) -> tuple[Step | str, ...]:
    """Jump to `yes` for a unicast answer: an ARP reply, or a solicited advertisement of an address that is routed."""
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
        any_bit(0x40, None, no),
        # A neighbour that solicits link-local addresses of the guest must not fill the socket with the answers.
        half(_ETHERNET + _IPV6 + 8),  # first half of the target
        equal(0xFE80, no, yes),
        "arp",
        half(_ETHERNET + 6),  # operation
        equal(2, yes, no),
    )


FRAMES = assemble(*_FRAMES)
"""Delivers ARP, RARP, neighbour discovery and multicast listener reports, tagged or not."""

ANSWERS = assemble(*_is_answer("accept", "reject"), "reject", deliver(0), "accept", deliver(FRAME_SNAPLEN))
"""Delivers the unicast answers among them."""

CLAIMS = assemble(*_is_answer("reject", "others"), "others", *_FRAMES)
"""Delivers all of them but the unicast answers."""


PACKET_SNAPLEN = 64
"""Bytes delivered of an IP packet: the headers with its source, and with its ICMPv6 type."""


def packets(
    without: Iterable[IP], families: Collection[int] = (4, 16), awaited: Collection[IP] = ()
) -> bytes:
    """Return a program that delivers IPv4 and IPv6 packets, but neither ARP nor neighbour discovery.

    Delivered are packets from a source in `awaited`, and all others of the `families` (bytes of an address). Dropped
    are packets from a source in `without`, from a source that no guest can have, with a VLAN tag, and with extension
    headers.
    """
    sources = list(without)
    sizes = {*families, *map(len, awaited)}
    return assemble(
        half(12),
        *([equal(0x0800, None, "reject")] if 16 not in sizes else []),
        *([equal(0x86DD, None, "reject")] if 4 not in sizes else []),
        extension(_VLAN_TAG),
        any_bit(0xFFF, "reject"),  # VID; 0 for a priority tag, and for a frame without a tag
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
        *_from([source for source in awaited if len(source) == 16], _ETHERNET + 8, PACKET_SNAPLEN),
        *_from([source for source in sources if len(source) == 16], _ETHERNET + 8, 0),
        deliver(PACKET_SNAPLEN if 16 in families else 0),
        "reject",
        deliver(0),
        "ipv4",
        byte(_ETHERNET + 12),  # first byte of the source
        equal(0, "impossible"),
        equal(127, "impossible"),
        at_least(224, "impossible"),
        half(_ETHERNET + 12),
        equal(0xA9FE, "impossible"),  # 169.254.0.0/16
        *_from([source for source in awaited if len(source) == 4], _ETHERNET + 12, PACKET_SNAPLEN),
        *_from([source for source in sources if len(source) == 4], _ETHERNET + 12, 0),
        deliver(PACKET_SNAPLEN if 4 in families else 0),
        "impossible",
        deliver(0),
    )


def _from(sources: Iterable[IP], offset: int, length: int) -> Iterator[Step | str]:
    """Deliver `length` bytes of packets from one of `sources`, all of one family; other packets continue."""
    for number, source in enumerate(sources):
        other = f"not from {number} at {offset}, {length}"
        for at in range(0, len(source), 4):
            yield word(offset + at)
            yield equal(int.from_bytes(source[at : at + 4], "big"), None, other)
        yield deliver(length)
        yield other
