"""Which netlink events reach the monitor at all: a classic BPF program."""

import sys

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.linux.netlink.next_hops import ORIGINS
from rdnbr.linux.packet.bpf import (
    any_bit,
    assemble,
    byte,
    byte_at_x,
    constant,
    equal,
    extension,
    half,
    index,
    index_from_a,
    take,
)


def _host16(value: int) -> int:
    """Write a 16-bit number as BPF, which is big-endian, loads it from netlink, which is host order."""
    return int.from_bytes(value.to_bytes(2, sys.byteorder), "big")


_NLATTR = 12  # SKF_AD_NLATTR: A := offset of the attribute of type X, searched from offset A on; 0 if absent
_NDA_PROTOCOL = 12

EVENTS = assemble(
    half(4),  # nlmsghdr.nlmsg_type
    equal(_host16(24), "new route"),  # RTM_NEWROUTE
    equal(_host16(25), "route"),  # RTM_DELROUTE
    equal(_host16(28), "neighbour", "accept"),  # RTM_NEWNEIGH; gone neighbours, links and addresses: all
    # A foreign route that replaced another may have replaced ours, and nothing else will tell of that.
    "new route",
    half(6),  # nlmsghdr.nlmsg_flags
    any_bit(_host16(0x100), None, "route"),  # NLM_F_REPLACE
    byte(17),  # rtmsg.rtm_dst_len
    equal(32, "accept"),
    equal(128, "accept"),
    "route",
    byte(21),  # rtmsg.rtm_protocol
    equal(PROTOCOL, "accept"),
    *(equal(origin, "accept") for origin in ORIGINS),
    equal(0, "reject", "reject"),
    "neighbour",
    half(24),  # ndmsg.ndm_state
    any_bit(_host16(0x80), "accept"),  # NUD_PERMANENT: somebody's will, perhaps in the place of ours
    index(_NDA_PROTOCOL),
    constant(28),  # behind nlmsghdr and ndmsg
    extension(_NLATTR),
    equal(0, "reject"),
    index_from_a(),
    byte_at_x(4),
    equal(PROTOCOL, "accept"),
    "reject",
    take(0),
    "accept",
    take(0xFFFFFFFF),
)
"""For the netlink monitor: links, addresses, routes of our protocol and those that people and DHCP make, permanent
neighbours and those of our protocol, and all that go, for they may make room for ours. A routing daemon's million
routes stay in the kernel, and so does the life of the neighbours that the kernel learns itself."""
