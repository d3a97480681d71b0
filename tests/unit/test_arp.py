"""Rules A: which ARP and RARP frames are claims, and of what."""

import pytest
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire.decode import decode

GUEST = "52:02:45:76:d2:35"
OTHER = "52:02:45:76:d2:36"
MAC = parse_mac(GUEST)
HOST = parse_ip("2.57.57.30")
GATEWAY = parse_ip("169.254.0.1")
RARP = 0x8035


def frame(op: int, ethertype: int = 0x0806, **fields: object) -> bytes:
    """A padded frame from the guest, of an ARP packet that is in order but for `fields`."""
    packet = ARP(**{"op": op, "hwsrc": GUEST, "psrc": "2.57.57.30", "pdst": "169.254.0.1"} | fields)
    return bytes(Ether(src=GUEST, dst="ff:ff:ff:ff:ff:ff", type=ethertype) / packet).ljust(60, b"\0")


@pytest.mark.parametrize("ethertype", [0x0806, RARP])
@pytest.mark.parametrize("length", [14, 20, 41])
def test_less_than_a_packet_is_short(ethertype, length):
    """A1: ARP for IPv4 on Ethernet takes 28 bytes after the Ethernet header."""
    assert decode(frame(1, ethertype)[:length]) is Reason.ARP_SHORT


@pytest.mark.parametrize("length", [42, 60, 1514])
def test_padding_is_not_looked_at(length):
    """A1: what follows the 28 bytes changes nothing."""
    assert decode(frame(1)[:42].ljust(length, b"\xaa")) == Claim(
        Source.ARP_REQUEST, Proof.USE, HOST, MAC, MAC, None, GATEWAY
    )


@pytest.mark.parametrize("wrong", [{"hwtype": 6}, {"ptype": 0x86DD}, {"hwlen": 8}, {"plen": 16}])
def test_other_format_is_refused(wrong):
    """A2: only Ethernet, IPv4, six bytes and four bytes."""
    ether = Ether(src=GUEST, dst="ff:ff:ff:ff:ff:ff")
    assert decode(bytes(ether / ARP(**wrong) / Raw(bytes(40)))) is Reason.ARP_FORMAT


@pytest.mark.parametrize("op", [0, 3, 4, 8, 9, 24, 25, 65535])
def test_other_operation_is_ignored(op):
    """A3: in ARP there are requests and replies, and nothing else of interest."""
    assert decode(frame(op)) is Reason.ARP_OPERATION


@pytest.mark.parametrize("op", [0, 1, 2, 4])
def test_other_operation_of_rarp_is_ignored(op):
    """A3: in RARP only a request tells that its sender is there."""
    assert decode(frame(op, RARP)) is Reason.ARP_OPERATION


@pytest.mark.parametrize("sha", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
@pytest.mark.parametrize(("op", "ethertype"), [(1, 0x0806), (2, 0x0806), (3, RARP)])
def test_sender_that_no_interface_has_is_refused(sha, op, ethertype):
    """A4: the sender's hardware address is that of one interface."""
    assert decode(frame(op, ethertype, hwsrc=sha)) is Reason.ARP_SENDER_MAC


@pytest.mark.parametrize(("op", "ethertype"), [(1, 0x0806), (2, 0x0806), (3, RARP)])
def test_sender_other_than_the_ethernet_source_is_told(op, ethertype):
    """A5: a claim names both MACs; whether they may differ is not the decoder's business."""
    claim = decode(frame(op, ethertype, hwsrc=OTHER))
    assert (claim.mac, claim.ether) == (parse_mac(OTHER), MAC)


def test_probe_intends_its_target():
    """A6: a request from 0.0.0.0 is an ARP probe, for the target."""
    assert decode(frame(1, psrc="0.0.0.0", pdst="2.57.57.30")) == Claim(
        Source.ARP_PROBE, Proof.INTENT, HOST, MAC, MAC, None, HOST
    )


def test_reply_from_zero_is_refused():
    """A6: a reply from 0.0.0.0 says nothing."""
    assert decode(frame(2, psrc="0.0.0.0")) is Reason.ARP_REPLY_FROM_ZERO


@pytest.mark.parametrize("address", ["127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.0.1"])
def test_special_sender_is_left_to_the_engine(address):
    """A7, A8: the decoder hands on every address, so that the node's own can be told from the merely special."""
    assert decode(frame(1, psrc=address)).address == parse_ip(address)


@pytest.mark.parametrize("op", [1, 2])
def test_announcement_comes_in_both_forms(op):
    """A9: sender and target the same is an announcement, as a request and as a reply."""
    assert decode(frame(op, pdst="2.57.57.30")) == Claim(
        Source.ARP_ANNOUNCEMENT, Proof.USE, HOST, MAC, MAC, None, HOST
    )


def test_request_claims_the_sender_only():
    """A10: a request claims its sender's address, and tells who was asked."""
    assert decode(frame(1, hwdst=OTHER)) == Claim(
        Source.ARP_REQUEST, Proof.USE, HOST, MAC, MAC, None, GATEWAY
    )


def test_reply_claims_the_sender_whoever_it_is_for():
    """A11: a reply from one guest to another claims as one to the gateway does."""
    assert decode(frame(2, pdst="2.57.57.31", hwdst=OTHER)) == Claim(
        Source.ARP_REPLY, Proof.USE, HOST, MAC, MAC, None, parse_ip("2.57.57.31")
    )


def test_rarp_says_that_a_mac_is_there():
    """A3: the frame QEMU sends for a migrated guest proves its MAC's presence, of no address anything."""
    assert decode(frame(3, RARP, hwdst=GUEST, psrc="0.0.0.0", pdst="0.0.0.0")) == Claim(
        Source.RARP, Proof.PRESENCE, None, MAC, MAC, None
    )


def test_rarp_on_anothers_behalf_proves_its_sender():
    """A3: whose address is asked for is not the one that is here."""
    assert decode(frame(3, RARP, hwdst=OTHER)).mac == MAC
