"""A frame in one line for people."""

import guest_frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdnbr.operator.text.frame_text import frame_text

MAC = "52:02:45:00:00:01"
ALL = "ff:ff:ff:ff:ff:ff"


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            guest_frames.request(MAC, "2.57.57.30", "169.254.0.1"),
            f"{MAC} > {ALL}, ARP request, who has 169.254.0.1, tell 2.57.57.30 ({MAC})",
        ),
        (
            guest_frames.intent(MAC, "2.57.57.30", b""),
            f"{MAC} > {ALL}, ARP probe, who has 2.57.57.30, sender {MAC}",
        ),
        (
            guest_frames.announcement(MAC, "2.57.57.30"),
            f"{MAC} > {ALL}, ARP announcement, 2.57.57.30 ({MAC})",
        ),
        (
            guest_frames.reply(MAC, "2.57.57.30", "169.254.0.1"),
            f"{MAC} > {guest_frames.NODE}, ARP reply, 2.57.57.30 is at {MAC}, to 169.254.0.1",
        ),
        (
            guest_frames.rarp(MAC),
            f"{MAC} > {ALL}, RARP operation 3, who has an address for {MAC}, sender {MAC}",
        ),
        (
            guest_frames.intent(MAC, "2001:678::80", b""),
            f"{MAC} > 33:33:ff:00:00:80, NS (DAD), :: > ff02::1:ff00:80, who has 2001:678::80",
        ),
        (
            guest_frames.announcement(MAC, "2001:678::80"),
            (
                f"{MAC} > 33:33:00:00:00:01, NA, 2001:678::80 > ff02::1, target 2001:678::80, flags [override], "
                f"target link-layer address {MAC}"
            ),
        ),
    ],
)
def test_frames_of_guests(frame: bytes, text: str):
    """ARP, RARP and neighbour discovery are spelled out."""
    assert frame_text(frame) == text


@pytest.mark.parametrize("length", range(64))
def test_frame_that_is_cut_short(length: int):
    """A frame may end anywhere; one line is returned all the same."""
    for whole in (
        guest_frames.request(MAC, "2.57.57.30", "169.254.0.1"),
        guest_frames.announcement(MAC, "2001:678::80"),
        guest_frames.rarp(MAC),
    ):
        text = frame_text(whole[:length])
        assert text
        assert "\n" not in text


@given(
    st.sampled_from([b"\x08\x06", b"\x80\x35", b"\x86\xdd", b"\x81\x00", b"\x08\x00"]),
    st.binary(max_size=120),
)
def test_any_bytes_are_one_line(ethertype: bytes, rest: bytes):
    """Whatever a guest sends, the line is one line, and nothing is raised."""
    text = frame_text(bytes(6) + b"\x52\x02\x45\x00\x00\x01" + ethertype + rest)
    assert text.startswith("52:02:45:00:00:01 > 00:00:00:00:00:00, ")
    assert text.isprintable()
