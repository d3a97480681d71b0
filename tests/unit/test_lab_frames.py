"""The frames of the lab's guests, byte for byte: whatever scapy's defaults become, guests send what Linux sends."""

import subprocess
import sys

import pytest

from rdnbr.lab import frames

MAC = "52:02:45:76:d2:35"


@pytest.mark.parametrize(
    ("target", "hexadecimal"),
    [
        ("169.254.0.1", "000000000000 a9fe0001"),
        ("2.57.57.30", "000000000000 0239391e"),
    ],
)
def test_arp_request(target, hexadecimal):
    """A broadcast request, padded to 60 bytes; for the sender's own address it is an announcement."""
    assert frames.arp_request(MAC, "2.57.57.30", target) == bytes.fromhex(
        f"ffffffffffff 52024576d235 0806 0001 0800 06 04 0001 52024576d235 0239391e {hexadecimal}"
    ) + bytes(18)


@pytest.mark.parametrize(
    ("address", "packed", "checksum"),
    [
        ("2001:678:3a4:100::80", "20010678 03a40100 00000000 00000080", "95b7"),
        ("2001:678:3a4:ffff:ffff:ffff:ffff:ffff", "20010678 03a4ffff ffffffff ffffffff", "98b7"),
    ],
)
def test_unsolicited_advertisement(address, packed, checksum):
    """To all nodes, with the Override flag only, the target link-layer address, and the right checksum."""
    assert frames.unsolicited_advertisement(MAC, address) == bytes.fromhex(
        f"333300000001 52024576d235 86dd 60000000 0020 3a ff {packed} ff020000 00000000 00000000 00000001"
        f"88 00 {checksum} 20000000 {packed} 02 01 52024576d235"
    )


def test_rarp():
    """A reverse request with the MAC as sender and target, and no address, as QEMU sends it."""
    assert frames.rarp(MAC) == bytes.fromhex(
        "ffffffffffff 52024576d235 8035 0001 0800 06 04 0003 52024576d235 00000000 52024576d235 00000000"
    ) + bytes(18)


def test_lab_does_not_import_scapy_before_a_guest_sends():
    """`import rdnbr.lab` stays fast: scapy is imported with the first frame."""
    code = "import rdnbr.lab, sys; raise SystemExit('scapy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
