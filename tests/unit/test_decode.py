"""Rules F: what a frame must be before anybody looks for ARP or NDP in it."""

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_RA, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from rdnbr.core.model.claim import Claim
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire.decode import decode

GUEST = "52:02:45:76:d2:35"
ETHER = Ether(src=GUEST, dst="ff:ff:ff:ff:ff:ff")
REQUEST = ARP(op=1, hwsrc=GUEST, psrc="2.57.57.30", pdst="169.254.0.1")
ADVERTISEMENT = IPv6(src="2001:db8::80", dst="fe80::1", hlim=255) / ICMPv6ND_NA(tgt="2001:db8::80", S=1)


@pytest.mark.parametrize("length", range(14))
def test_frame_without_a_whole_header_is_short(length):
    """F3: fewer than the 14 bytes of an Ethernet header are a short frame."""
    assert decode(bytes(ETHER / REQUEST)[:length]) is Reason.SHORT_FRAME


def test_ipv4_is_not_for_us():
    """F3: a frame of another ethertype is neither ARP nor NDP."""
    assert decode(bytes(ETHER / IP(src="2.57.57.30") / UDP())) is Reason.NOT_ARP_OR_NDP


def test_length_field_in_place_of_the_ethertype_is_not_for_us():
    """F3: an IEEE 802.3 frame, as spanning tree sends it, is neither ARP nor NDP."""
    assert (
        decode(bytes.fromhex("0180c2000000 520245 76d235 0026 424203") + bytes(35)) is Reason.NOT_ARP_OR_NDP
    )


def test_stripped_tag_is_refused():
    """F4: a VLAN the kernel took the tag of is not ours, however untagged the bytes look."""
    assert decode(bytes(ETHER / REQUEST), vlan=100) is Reason.TAGGED


@pytest.mark.parametrize("tag", [Dot1Q(vlan=100), Dot1AD(vlan=256), Dot1Q(vlan=0) / Dot1Q(vlan=7)])
def test_tag_in_the_frame_is_refused(tag):
    """F4: a VLAN whose tag is still in the frame is not ours."""
    assert decode(bytes(ETHER / tag / REQUEST)) is Reason.TAGGED


@pytest.mark.parametrize("tag", [Dot1Q(vlan=0, prio=5), Dot1AD(vlan=0), Dot1Q(vlan=0) / Dot1Q(vlan=0)])
def test_priority_tag_is_as_none(tag):
    """F4: a tag of VLAN 0 carries a priority only, and the frame counts as untagged."""
    assert decode(bytes(ETHER / tag / REQUEST)) == decode(bytes(ETHER / REQUEST))


def test_stripped_priority_tag_is_as_none():
    """F4: a tag of VLAN 0 that the kernel took off leaves an untagged frame."""
    assert decode(bytes(ETHER / REQUEST), vlan=0) == decode(bytes(ETHER / REQUEST))


@pytest.mark.parametrize("length", range(14, 18))
def test_frame_that_ends_in_its_tag_is_short(length):
    """F3: a tag without the ethertype that belongs behind it makes a short frame."""
    assert decode(bytes(ETHER / Dot1Q(vlan=0) / REQUEST)[:length]) is Reason.SHORT_FRAME


def test_priority_tag_ends_with_the_ethertype():
    """F3: a tag with its ethertype and nothing more is whole; what is short is the packet."""
    assert decode(bytes(ETHER / Dot1Q(vlan=0) / REQUEST)[:18]) is Reason.ARP_SHORT


@pytest.mark.parametrize("source", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
@pytest.mark.parametrize("packet", [REQUEST, ADVERTISEMENT])
def test_source_that_no_interface_has_is_refused(source, packet):
    """F5: nobody sends from the zero, the broadcast or a multicast MAC."""
    assert decode(bytes(Ether(src=source, dst=GUEST) / packet)) is Reason.BAD_SOURCE_MAC


@pytest.mark.parametrize("packet", [REQUEST, ADVERTISEMENT])
def test_cut_frame_is_refused(packet):
    """F7: of ARP and NDP nothing is believed that was not captured whole."""
    data = bytes(ETHER / packet)
    assert decode(data, length=len(data) + 1) is Reason.TRUNCATED


@pytest.mark.parametrize("length", [13, 16, 41, 53, 54, 77])
@pytest.mark.parametrize("packet", [REQUEST, ADVERTISEMENT, Dot1Q(vlan=0) / REQUEST])
def test_cut_frame_is_never_called_short(packet, length):
    """F7: what the capture left out is not the sender's fault, wherever the cut is."""
    data = bytes(ETHER / packet)
    assert decode(data[:length], length=len(data) + 40) is Reason.TRUNCATED


def test_whole_frame_may_be_told_its_length():
    """F7: a frame as long as it was on the wire is whole."""
    data = bytes(ETHER / REQUEST)
    assert isinstance(decode(data, length=len(data)), Claim)


def test_cut_of_what_is_not_ndp_is_no_loss():
    """F7: a long ping that the capture cut is still only a ping."""
    data = bytes(ETHER / IPv6(src="2001:db8::80") / ICMPv6EchoRequest() / Raw(bytes(1000)))
    assert decode(data[:96], length=len(data)) is Reason.NOT_NDP


def test_cut_does_not_hide_a_rogue_router():
    """F7: a router advertisement is known by its first bytes."""
    data = bytes(ETHER / IPv6(src="fe80::80", dst="ff02::1", hlim=255) / ICMPv6ND_RA() / Raw(bytes(64)))
    assert decode(data[:60], length=len(data)) is Reason.ROGUE_RA
