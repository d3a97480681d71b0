"""Capture files: pcap, pcapng, and gzip of both."""

from collections.abc import Iterator

from rdnbr.replay.pcap import CaptureError, Frame, read
from tests.fuzz import ROOT
from tests.fuzz.memory_file import MemoryFile

FILE = MemoryFile()
GZIP = b"\x1f\x8b"
YEAR_10000 = 253_402_300_800


def seeds() -> Iterator[bytes]:
    """Return the captures, but for those that are much like others and long."""
    for path in sorted((ROOT / "pcaps").glob("*.pcap*")):
        if path.stat().st_size < 600:
            yield path.read_bytes()


def try_one(content: bytes) -> None:
    """Read a file; or see that the error names it, after the very frames that a longer file would have."""
    frames, complaint = everything(content)
    assert complaint is None or (complaint.startswith(str(FILE.path)) and complaint.isprintable())
    for frame in frames:
        assert 0 <= frame.at < YEAR_10000
        assert len(frame.data) <= 262_144
        assert frame.length >= 0
        assert frame.interface is None or frame.interface.isprintable()
    if not content.startswith(GZIP):  # of a damaged one, nobody knows where the damage begins
        beginning, _ = everything(content[: len(content) * 3 // 4])
        assert frames[: len(beginning)] == beginning


def everything(content: bytes) -> tuple[list[Frame], str | None]:
    """Return the frames of a file, and what was wrong after them."""
    FILE.hold(content)
    frames: list[Frame] = []
    try:
        frames.extend(read(FILE.path))
    except CaptureError as error:
        return frames, str(error)
    return frames, None
