"""The classic BPF program that selects the netlink events for the monitor."""

import sys

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.linux.netlink.next_hops import ORIGINS
from rdnbr.linux.packet.bpf import (
    any_bit,
    assemble,
    byte,
    byte_at_x,
    constant,
    deliver,
    equal,
    extension,
    half,
    index,
    index_from_a,
)


def _host16(value: int) -> int:
    """Return a 16-bit number as BPF loads it: netlink uses the host's byte order, and BPF loads big-endian."""
    return int.from_bytes(value.to_bytes(2, sys.byteorder), "big")


_NLATTR = 12  # SKF_AD_NLATTR: A := offset of the attribute of type X, searched from offset A on; 0 if absent
_NDA_PROTOCOL = 12

EVENTS = assemble(
    half(4),  # nlmsghdr.nlmsg_type
    equal(_host16(24), "new route"),  # RTM_NEWROUTE
    equal(_host16(25), "route"),  # RTM_DELROUTE
    equal(_host16(28), "neighbour", "accept"),  # RTM_NEWNEIGH; all events of other types pass
    # A foreign route may have replaced one of ours, and no other event reports that.
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
    any_bit(_host16(0x80), "accept"),  # NUD_PERMANENT: configured, perhaps in the place of ours
    index(_NDA_PROTOCOL),
    constant(28),  # behind nlmsghdr and ndmsg
    extension(_NLATTR),
    equal(0, "reject"),
    index_from_a(),
    byte_at_x(4),
    equal(PROTOCOL, "accept"),
    "reject",
    deliver(0),
    "accept",
    deliver(0xFFFFFFFF),
)
"""Passes these events: all changes of links and addresses; routes of our protocol, and routes that people, DHCP and
router advertisements add (`ORIGINS`); foreign host routes that replace a route; permanent neighbours and neighbours of
our protocol; all removals of neighbours, since a removal may free the place of one of ours.

A million routes of a routing daemon do not leave the kernel, nor do the state changes of neighbours that the kernel
learns itself."""
