"""What guests of the lab say is what scapy would have them say."""

import guest_frames
import pytest

from rdnbr.lab import said

MAC = "52:02:45:76:d2:35"


@pytest.mark.parametrize("target", ["169.254.0.1", "2.57.57.30"])
def test_arp_request_is_scapys(target):
    """A question, and the question for oneself that is an announcement."""
    assert said.arp_request(MAC, "2.57.57.30", target) == guest_frames.request(MAC, "2.57.57.30", target)


@pytest.mark.parametrize("address", ["2001:678:3a4:100::80", "2001:678:3a4:ffff:ffff:ffff:ffff:ffff"])
def test_advertisement_is_scapys(address):
    """An unsolicited neighbour advertisement, with its checksum."""
    assert said.advertisement(MAC, address) == guest_frames.announcement(MAC, address)


def test_rarp_is_scapys():
    """The frame by which QEMU names a MAC."""
    assert said.rarp(MAC) == guest_frames.rarp(MAC)
