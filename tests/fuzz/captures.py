"""Capture files: pcap, pcapng, and gzip of both."""

from collections.abc import Iterator

from rdnbr.replay.pcap import CaptureError, Frame, read
from rdnbr.replay.replay import Replay
from rdnbr.replay.tape import UNSEEN_NODE
from tests.fuzz import ROOT
from tests.fuzz.memory_file import MemoryFile

FILE = MemoryFile()
GZIP = b"\x1f\x8b"
YEAR_10000 = 253_402_300_800
MOST_DECISIONS = 2000
"""Decisions of a replay for each frame: a guest has at most 48 addresses, which are probed in the first ten minutes of
a gap."""


def seeds() -> Iterator[bytes]:
    """Return the captures, without long ones and without those that are similar to others."""
    for path in sorted((ROOT / "pcaps").glob("*.pcap*")):
        if path.stat().st_size < 600:
            yield path.read_bytes()


def try_one(content: bytes) -> None:
    """Read a file; or check that the error names it, after the same frames that a longer file has."""
    frames, complaint = frames_and_error(content)
    assert complaint is None or (complaint.startswith(str(FILE.path)) and complaint.isprintable())
    for frame in frames:
        assert 0 <= frame.at < YEAR_10000
        assert len(frame.data) <= 262_144
        assert frame.length >= 0
        assert frame.interface is None or frame.interface.isprintable()
    play(frames)
    if not content.startswith(GZIP):  # in a damaged gzip the place of the damage is not known
        beginning, _ = frames_and_error(content[: len(content) * 3 // 4])
        assert frames[: len(beginning)] == beginning


def play(frames: list[Frame]) -> None:
    """Replay the frames, and check that the replay ends after some decisions a frame."""
    for silent in (False, True):
        replay = Replay(UNSEEN_NODE, silent=silent)
        ordered = sorted(frame.at for frame in frames)
        made = sum(
            len(list(replay.feed(at - ordered[0], frame.interface or "tap100i0", frame)))
            for at, frame in zip(ordered, frames, strict=True)
        )
        assert made <= MOST_DECISIONS * len(frames)


def frames_and_error(content: bytes) -> tuple[list[Frame], str | None]:
    """Return the frames of a file, and the error after them."""
    FILE.replace(content)
    frames: list[Frame] = []
    try:
        frames.extend(read(FILE.path))
    except CaptureError as error:
        return frames, str(error)
    return frames, None
