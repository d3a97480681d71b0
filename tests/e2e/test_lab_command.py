"""`rdnbr lab` on the command line."""

import subprocess
import sys

import pytest


@pytest.mark.root
def test_lab_shows_guests_learned_and_reached():
    """`rdnbr lab` ends with 0 after the upstream has reached every guest in both families, and prints each."""
    done = subprocess.run(
        [sys.executable, "-m", "rdnbr", "lab", "--guests", "2"],
        text=True,
        capture_output=True,
        timeout=90,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 addresses answer from the upstream" in done.stdout
    for address in ("2.57.57.30", "2.57.57.31", "2001:678:3a4:100::80", "2001:678:3a4:100::81"):
        assert address in done.stdout


@pytest.mark.frr
def test_lab_shows_a_guest_that_migrates():
    """`rdnbr lab --migrate` ends with 0 after the upstream has followed a guest to its second node."""
    done = subprocess.run(
        [sys.executable, "-m", "rdnbr", "lab", "--guests", "1", "--migrate"],
        text=True,
        capture_output=True,
        timeout=90,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for address in ("2.57.57.30", "2001:678:3a4:100::80"):
        assert f"{address}: no echo for " in done.stdout
    here, _, there = done.stdout.partition("on node 1:")
    assert "dev vmbr1" not in here
    assert there.count("dev vmbr1") == 2
