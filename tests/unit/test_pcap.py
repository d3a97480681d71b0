"""What is read from captures, and what is said of files that cannot be read."""

import gzip
import os
import zlib
from pathlib import Path
from random import Random
from struct import pack

import pytest
from capture_bytes import block, interface, option, packet, pcap_header, pcap_record, section
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import RawPcapNgReader, RawPcapReader, RawPcapWriter

from rdnbr.replay.pcap import CaptureError, Frame, read

ONE = bytes.fromhex("ffffffffffff bc2411000100 0806") + bytes(28)
TWO = bytes.fromhex("333300000001 bc2411000100 86dd") + bytes(72)

CAPTURE_AGAIN = "capture on one guest's port instead: tcpdump -i tap100i0 -w FILE"
ONLY_ETHERNET = "cannot be read, only Ethernet"
DAMAGED = "the file is damaged there; copy it again"


def readable(path: Path) -> tuple[list[Frame], str]:
    """Return the frames, and the complaint that came after them ("" for none)."""
    frames = []
    try:
        for frame in read(path):
            frames.append(frame)  # noqa: PERF402 - those before the complaint are wanted
    except CaptureError as error:
        return frames, str(error)
    return frames, ""


def pcap(*frames: bytes, order: str = "<", ticks: int = 1_000_000, link_type: int = 1) -> bytes:
    magic = 0xA1B2C3D4 if ticks == 1_000_000 else 0xA1B23C4D
    return pcap_header(order=order, magic=magic, link_type=link_type) + b"".join(
        pcap_record(data, 1_700_000_000.25 + n, order=order, ticks=ticks) for n, data in enumerate(frames)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "capture"


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcap_of_either_byte_order(file: Path, order: str):
    """A pcap is read alike whichever machine wrote it."""
    file.write_bytes(pcap(ONE, TWO, order=order))
    assert list(read(file)) == [
        Frame(1_700_000_000.25, ONE, 42),
        Frame(1_700_000_001.25, TWO, 86),
    ]


@pytest.mark.parametrize("order", ["<", ">"])
def test_nanosecond_pcap_of_either_byte_order(file: Path, order: str):
    """The fraction of a nanosecond pcap counts nanoseconds."""
    file.write_bytes(pcap(ONE, order=order, ticks=1_000_000_000))
    assert [frame.at for frame in read(file)] == [1_700_000_000.25]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_scapy_writes_what_is_read(file: Path, order: str, nano: bool):
    """Every pcap variant that scapy writes is read with the same frames, times and lengths."""
    with RawPcapWriter(str(file), linktype=1, endianness=order, nano=nano) as writer:
        writer.write_header(None)
        writer.write_packet(ONE, sec=1_700_000_000, usec=125, caplen=42, wirelen=42)
        writer.write_packet(TWO, sec=1_700_000_009, usec=999_999, caplen=86, wirelen=90)
    ticks = 1_000_000_000 if nano else 1_000_000
    assert list(read(file)) == [
        Frame((1_700_000_000 * ticks + 125) / ticks, ONE, 42),
        Frame((1_700_000_009 * ticks + 999_999) / ticks, TWO, 90),
    ]


def test_length_on_the_wire_survives_the_snap_length(file: Path):
    """A frame cut by the snap length tells how long it was (rule F7)."""
    file.write_bytes(pcap_header(snap=20) + pcap_record(ONE[:20], 1.0, length=60))
    assert list(read(file)) == [Frame(1.0, ONE[:20], 60)]


def test_link_type_with_flags(file: Path):
    """The upper half of the link type, which tells of frame check sequences, does not make it another."""
    file.write_bytes(pcap(ONE, link_type=0x2400_0001))
    assert [frame.data for frame in read(file)] == [ONE]


def test_a_pcap_without_frames_is_no_mistake(file: Path):
    """A header alone is a capture of nothing."""
    file.write_bytes(pcap())
    assert readable(file) == ([], "")


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_of_either_byte_order(file: Path, order: str):
    """Interface name and time are read from a pcapng of either byte order."""
    name = option(2, b"tap100i0", order)
    file.write_bytes(
        section(order) + interface(name, order=order) + packet(ONE, 1_700_000_000_250_000, order=order)
    )
    assert list(read(file)) == [Frame(1_700_000_000.25, ONE, 42, None, "tap100i0")]


def test_pcapng_interfaces_have_their_own_clocks(file: Path):
    """Each interface's resolution (decimal or binary) and offset apply to its frames alone."""
    file.write_bytes(
        section()
        + interface(option(2, b"micro"))
        + interface(option(2, b"nano"), option(9, b"\x09"))
        + interface(option(2, b"binary"), option(9, b"\x8a"))
        + interface(option(2, b"offset"), option(14, pack("<q", 1_000)))
        + packet(ONE, 5_500_000, which=0)
        + packet(ONE, 5_500_000_000, which=1)
        + packet(ONE, 5632, which=2)
        + packet(ONE, 5_500_000, which=3)
    )
    assert [(frame.interface, frame.at) for frame in read(file)] == [
        ("micro", 5.5),
        ("nano", 5.5),
        ("binary", 5.5),
        ("offset", 1005.5),
    ]


def test_pcapng_direction(file: Path):
    """A frame flagged outbound was sent by the node, one flagged inbound was not."""
    file.write_bytes(
        section()
        + interface()
        + packet(ONE, 1, option(2, pack("<I", 1)))
        + packet(ONE, 2, option(1, b"a comment"), option(2, pack("<I", 2)))
        + packet(ONE, 3, option(1, b""), option(2, pack("<I", 2)))
        + packet(ONE, 4)
    )
    assert [frame.outgoing for frame in read(file)] == [False, True, True, None]


def test_pcapng_sections_number_their_own_interfaces(file: Path):
    """Two pcapng files written one after the other keep their interfaces apart, and their byte orders."""
    file.write_bytes(
        section("<")
        + interface(option(2, b"tap100i0"))
        + packet(ONE, 1_000_000)
        + section(">")
        + interface(option(2, b"tap200i0", ">"), order=">")
        + packet(TWO, 2_000_000, order=">")
    )
    assert [(frame.interface, frame.at) for frame in read(file)] == [("tap100i0", 1.0), ("tap200i0", 2.0)]


def test_pcapng_blocks_of_no_interest_are_passed_over(file: Path):
    """Statistics, names and blocks nobody has heard of do not disturb the frames."""
    file.write_bytes(
        section() + interface() + block(5, bytes(20)) + packet(ONE, 1) + block(0x0BAD, b"x") + packet(TWO, 2)
    )
    assert [frame.data for frame in read(file)] == [ONE, TWO]


def test_unprintable_interface_name_is_no_name(file: Path):
    """A name that would move a terminal's cursor is not taken from the file."""
    file.write_bytes(section() + interface(option(2, b"\x1b[2Jtap")) + packet(ONE, 1))
    assert [frame.interface for frame in read(file)] == [None]


@pytest.mark.parametrize(
    "content", [pcap(ONE, TWO), section() + interface() + packet(ONE, 1) + packet(TWO, 2)]
)
def test_gzip(file: Path, content: bytes):
    """Both formats are read through gzip."""
    file.write_bytes(gzip.compress(content))
    assert [frame.data for frame in read(file)] == [ONE, TWO]


def test_pcap_cut_anywhere(file: Path):
    """Wherever a pcap is cut, the whole frames are read and the torn one is named."""
    content = pcap(ONE, TWO)
    second = 24 + 16 + 42
    for size in range(1, len(content)):
        file.write_bytes(content[:size])
        frames, complaint = readable(file)
        if size in (24, second):
            assert complaint == ""
        elif size < 24:
            assert complaint.startswith(f"{file}: ")
        else:
            number = 1 if size < second else 2
            assert complaint == (
                f"{file}: the file ends inside frame {number}; it was cut while being written or copied: "
                "copy it again, or do without the rest"
            )
        assert len(frames) == (1 if size >= second else 0)


def test_pcapng_cut_anywhere(file: Path):
    """Wherever a pcapng is cut, the whole frames are read and the place of the cut is told."""
    blocks = [section(), interface(), packet(ONE, 1), block(5, bytes(20)), packet(TWO, 2)]
    content = b"".join(blocks)
    ends = [sum(map(len, blocks[: n + 1])) for n in range(len(blocks))]
    for size in range(4, len(content)):
        file.write_bytes(content[:size])
        frames, complaint = readable(file)
        assert len(frames) == (1 if size >= ends[2] else 0)
        assert (complaint == "") == (size in ends)
        if complaint:
            assert complaint.startswith(f"{file}: the file ends inside ")


def test_pcapng_torn_frame_is_named(file: Path):
    """A pcapng that ends inside a frame says which."""
    content = section() + interface() + packet(ONE, 1) + packet(TWO, 2)
    file.write_bytes(content[:-5])
    frames, complaint = readable(file)
    assert len(frames) == 1
    assert complaint.startswith(f"{file}: the file ends inside frame 2; ")


@pytest.mark.slow
def test_gzip_cut_anywhere(file: Path):
    """Wherever a gzip'd capture is cut, what can be unpacked is read, and the cut is told."""
    noise = Random(171).randbytes(600)
    content = gzip.compress(pcap(ONE, TWO, noise, TWO), mtime=0)
    ends = [24 + 58, 24 + 58 + 102, 24 + 58 + 102 + 616, 24 + 58 + 102 + 616 + 102]
    for size in range(3, len(content)):
        file.write_bytes(content[:size])
        frames, complaint = readable(file)
        unpacked = len(zlib.decompressobj(wbits=31).decompress(content[:size]))
        assert "the gzip is cut short or damaged" in complaint
        assert [frame.data for frame in frames] == [ONE, TWO, noise, TWO][
            : sum(unpacked >= end for end in ends)
        ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty; was the capture stopped before it was written? (tcpdump -U)"),
        (
            b"tcpdump: listening on tap100i0\n",
            f"this is neither pcap nor pcapng (it begins with 74 63 70 64); {CAPTURE_AGAIN}",
        ),
        (
            pcap(ONE, link_type=276),
            f"frames of link type 276 (Linux cooked v2 (tcpdump -i any)) {ONLY_ETHERNET}; {CAPTURE_AGAIN}",
        ),
        (
            pcap(ONE)[:24] + pack("<4I", 1, 0, 1 << 31, 1 << 31) + ONE,
            f"frame 1 would be 2147483648 bytes long: {DAMAGED}",
        ),
        (
            section() + interface() + packet(ONE, 1, which=3),
            f"frame 1 names interface 3, which the file does not describe: {DAMAGED}",
        ),
        (
            section() + interface() + packet(ONE, 2**63),
            f"frame 1 is 9223372036855 seconds after 1970: {DAMAGED}",
        ),
        (
            section() + interface() + block(3, pack("<I", 42) + ONE),
            "frame 1 is in a Simple Packet Block, which has no time; capture again with tcpdump or dumpcap",
        ),
        (
            section() + interface() + pack("<3I", 5, 7, 7),
            "the block after frame 0 has length 7; copy the file again",
        ),
        (
            section() + interface() + pack("<II", 5, 16) + bytes(4) + pack("<I", 20),
            "the block after frame 0 ends with another length; copy the file again",
        ),
    ],
)
def test_foreign_and_damaged_files(file: Path, content: bytes, complaint: str):
    """What is wrong with a file is said with the place and the cure."""
    file.write_bytes(content)
    assert readable(file) == ([], f"{file}: {complaint}")


def test_frames_of_a_foreign_interface_are_told_after_the_others(file: Path):
    """In a pcapng of several interfaces the Ethernet ones are read, and then the other is named."""
    file.write_bytes(
        section() + interface(link_type=113) + interface() + packet(TWO, 1, which=0) + packet(ONE, 2, which=1)
    )
    frames, complaint = readable(file)
    assert [frame.data for frame in frames] == [ONE]
    assert "link type 113 (Linux cooked (tcpdump -i any))" in complaint


def test_places_that_are_no_files(tmp_path: Path):
    """A missing file, a directory and a pipe are named, and nothing hangs."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CaptureError, match="nothing: cannot be read: No such file or directory"):
        list(read(tmp_path / "nothing"))
    with pytest.raises(CaptureError, match="pipe: this is not a regular file"):
        list(read(tmp_path / "pipe"))
    with pytest.raises(CaptureError, match="this is not a regular file"):
        list(read(tmp_path))


frames_of_any_kind = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 999_999), st.binary(max_size=80)), max_size=5
)


@settings(max_examples=60)
@given(frames_of_any_kind, st.sampled_from("<>"))
def test_reads_pcap_as_scapy_does(tmp_path_factory, frames, order):
    """On whole files our reader and scapy's agree."""
    file = tmp_path_factory.mktemp("pcap") / "capture"
    content = pcap_header(order=order)
    for seconds, fraction, data in frames:
        content += pack(order + "4I", seconds, fraction, len(data), len(data) + 4) + data
    file.write_bytes(content)
    with RawPcapReader(str(file)) as reader:
        theirs = [((m.sec * 10**6 + m.usec) / 10**6, data, m.wirelen) for data, m in reader]
    assert [(frame.at, frame.data, frame.length) for frame in read(file)] == theirs


@settings(max_examples=60)
@given(frames_of_any_kind, st.sampled_from("<>"))
def test_reads_pcapng_as_scapy_does(tmp_path_factory, frames, order):
    """On whole files of one section our reader and scapy's agree."""
    file = tmp_path_factory.mktemp("pcapng") / "capture"
    content = section(order) + interface(option(9, b"\x09", order), order=order)
    for seconds, fraction, data in frames:
        content += packet(data, seconds * 10**9 + fraction, order=order)
    file.write_bytes(content)
    with RawPcapNgReader(str(file)) as reader:
        theirs = [((m.tshigh << 32 | m.tslow) / m.tsresol, data, m.wirelen) for data, m in reader]
    assert [(frame.at, frame.data, frame.length) for frame in read(file)] == theirs


@pytest.mark.slow
@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 150), st.integers(0, 255))
def test_damage_never_raises_anything_else(tmp_path_factory, tail, place, value):
    """Whatever bytes a file holds, it gives frames and then at most a CaptureError."""
    file = tmp_path_factory.mktemp("damage") / "capture"
    for whole in (pcap(ONE, TWO), section() + interface(option(2, b"tap")) + packet(ONE, 1)):
        content = bytearray(whole)
        content[place % len(content)] = value
        file.write_bytes(content + tail)
        readable(file)
