"""Captures: pcap and pcapng files, plain or gzip'd, as frames.

Read here rather than by scapy, whose readers take a torn file for a shorter one, carry the interfaces of one
pcapng section into the next, and in Debian 12's release (2.5) forget interface names and directions. The
tests keep scapy as the oracle.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, and libpcap's limits (pcap-int.h: MAXIMUM_SNAPLEN).
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from struct import Struct, unpack, unpack_from
from typing import NamedTuple

ETHERNET = 1

_LINK_TYPES = {
    0: "loopback",
    101: "raw IP",
    113: "Linux cooked (tcpdump -i any)",
    239: "NFLOG",
    276: "Linux cooked v2 (tcpdump -i any)",
}
_CAPTURE_AGAIN = "capture on one guest's port instead: tcpdump -i tap100i0 -w FILE"
_CUT = "it was cut while being written or copied: copy it again, or do without the rest"

_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
"""Byte order, and ticks a second."""

_SECTION = b"\x0a\x0d\x0d\x0a"
_SECTION_ORDER = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_SECTION_HEADER, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_UNREADABLE = {
    2: "an obsolete Packet Block; rewrite the file: editcap FILE NEW",
    3: "a Simple Packet Block, which has no time; capture again with tcpdump or dumpcap",
}

_DIRECTION = {1: False, 2: True}
"""The lowest two bits of epb_flags: inbound, outbound."""

_LATEST = 253_402_300_800.0
"""The end of the year 9999, which is where calendars end."""

_MOST_FRAME = 262_144
_MOST_BLOCK = 16 << 20
"""Bytes; a longer one is no frame or block but damage, and must not be allocated."""


class Frame(NamedTuple):
    """One captured frame."""

    at: float
    """Seconds since the epoch, by the clock of the capturing machine."""
    data: bytes
    """The frame from its Ethernet header on, as far as it was captured; tags are still in it."""
    length: int
    """Bytes the frame had on the wire; more than `data` has when the snap length cut it."""
    outgoing: bool | None = None
    """Whether the node sent it; None when the file does not tell, as no pcap does."""
    interface: str | None = None
    """The interface it was captured on, when the file names it (pcapng only)."""


class CaptureError(Exception):
    """A file that cannot be read, or not to its end; the message names file, place and cure."""


class _BrokenError(Exception):
    """What is wrong with the file being read, without its name."""


def read(path: Path) -> Iterator[Frame]:
    """Read the frames of a capture in the order of the file.

    Raises:
        CaptureError: after the last frame that could be read.
    """
    if path.exists() and not path.is_file():
        raise CaptureError(f"{path}: this is not a regular file; save the capture to one first")
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            yield from _frames(gzip.GzipFile(fileobj=file) if packed else file)
    except _BrokenError as error:
        raise CaptureError(f"{path}: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CaptureError(
            f"{path}: the gzip is cut short or damaged ({error}); copy the file again"
        ) from None
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror or error}") from None


def _frames(file: BufferedIOBase) -> Iterator[Frame]:
    magic = file.read(4)
    if magic in _PCAP_MAGIC:
        return _pcap(file, *_PCAP_MAGIC[magic])
    if magic == _SECTION:
        return _pcapng(file)
    if not magic:
        raise _BrokenError("the file is empty; was the capture stopped before it was written? (tcpdump -U)")
    raise _BrokenError(f"this is neither pcap nor pcapng (it begins with {magic.hex(' ')}); {_CAPTURE_AGAIN}")


def _pcap(file: BufferedIOBase, order: str, ticks: int) -> Iterator[Frame]:
    header = file.read(20)
    if len(header) < 20:
        raise _BrokenError("the file ends inside its header; copy it again")
    link_type = unpack(order + "I", header[16:])[0] & 0xFFFF  # the upper half tells of frame check sequences
    if link_type != ETHERNET:
        raise _BrokenError(_strange(link_type))
    record = Struct(order + "4I")
    number = 0
    while head := file.read(16):
        number += 1
        if len(head) < 16:
            raise _BrokenError(_torn(number))
        seconds, fraction, captured, length = record.unpack(head)
        if captured > _MOST_FRAME:
            raise _BrokenError(_damaged(number, f"would be {captured} bytes long"))
        data = file.read(captured)
        if len(data) < captured:
            raise _BrokenError(_torn(number))
        yield Frame((seconds * ticks + fraction) / ticks, data, length)


@dataclass(frozen=True, slots=True)
class _Interface:
    """An Interface Description Block."""

    link_type: int
    name: str | None
    ticks: int
    """In a second."""
    offset: int
    """Seconds to add to its times."""


def _pcapng(file: BufferedIOBase) -> Iterator[Frame]:
    order = "<"
    interfaces: list[_Interface] = []
    strange: int | None = None
    number = 0
    head = _SECTION + file.read(4)
    while head:
        if head.startswith(_SECTION):
            order = _order(head, file, number)
            interfaces = []  # each section numbers its own
        kind, body = _block(head, file, order, number)
        if kind == _INTERFACE:
            interfaces.append(_interface(body, order, number))
        elif kind == _ENHANCED_PACKET:
            number += 1
            frame, link_type = _packet(body, order, interfaces, number)
            if link_type == ETHERNET:
                yield frame
            elif strange is None:
                strange = link_type
        elif kind in _UNREADABLE:
            raise _BrokenError(f"frame {number + 1} is in {_UNREADABLE[kind]}")
        head = file.read(8)
    if strange is not None:
        raise _BrokenError(_strange(strange))


def _order(head: bytes, file: BufferedIOBase, number: int) -> str:
    """Tell the byte order of the section that begins here."""
    magic = file.read(4)
    if len(head) < 8 or len(magic) < 4:
        raise _BrokenError(_torn_block(number))
    if magic not in _SECTION_ORDER:
        raise _BrokenError(f"the section after frame {number} has no byte-order magic; copy the file again")
    return _SECTION_ORDER[magic]


def _block(head: bytes, file: BufferedIOBase, order: str, number: int) -> tuple[int, bytes]:
    """Return the type and the body of the block that begins with `head`."""
    if len(head) < 8:
        raise _BrokenError(_torn_block(number))
    kind, length = unpack(order + "2I", head)
    taken = 12 if kind == _SECTION_HEADER else 8  # the byte-order magic was read already
    if not taken + 4 <= length <= _MOST_BLOCK or length % 4:
        raise _BrokenError(f"the block after frame {number} has length {length}; copy the file again")
    body = file.read(length - taken)
    if len(body) < length - taken:
        raise _BrokenError(_torn(number + 1) if kind == _ENHANCED_PACKET else _torn_block(number))
    if body[-4:] != head[4:8]:
        raise _BrokenError(f"the block after frame {number} ends with another length; copy the file again")
    return kind, body[:-4]


def _interface(body: bytes, order: str, number: int) -> _Interface:
    if len(body) < 8:
        raise _BrokenError(f"the interface described after frame {number} is too short; copy the file again")
    options = dict(_options(body[8:], order))
    name = options.get(2, b"").decode("utf-8", "replace")  # if_name
    resolution = (options.get(9) or b"\x06")[0]  # if_tsresol: microseconds unless told
    ticks = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    offset = int(unpack(order + "q", options[14])[0]) if len(options.get(14, b"")) == 8 else 0  # if_tsoffset
    link_type = int(unpack_from(order + "H", body)[0])
    return _Interface(link_type, name if name and name.isprintable() else None, ticks, offset)


def _packet(body: bytes, order: str, interfaces: list[_Interface], number: int) -> tuple[Frame, int]:
    """Return a frame and the link type of its interface."""
    if len(body) < 20:
        raise _BrokenError(_damaged(number, f"has a block of {len(body)} bytes"))
    which, high, low, captured, length = unpack_from(order + "5I", body)
    if captured > len(body) - 20:
        raise _BrokenError(_damaged(number, f"would be {captured} bytes long"))
    if which >= len(interfaces):
        raise _BrokenError(_damaged(number, f"names interface {which}, which the file does not describe"))
    interface = interfaces[which]
    options = dict(_options(body[20 + captured + -captured % 4 :], order))
    flags = options.get(2, bytes(4))  # epb_flags
    outgoing = _DIRECTION.get(unpack(order + "I", flags)[0] & 3) if len(flags) == 4 else None
    at = ((high << 32 | low) + interface.offset * interface.ticks) / interface.ticks
    if not 0 <= at < _LATEST:
        raise _BrokenError(_damaged(number, f"is {at:.0f} seconds after 1970"))
    return Frame(at, body[20 : 20 + captured], length, outgoing, interface.name), interface.link_type


def _options(body: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield code and value; what runs over the end of the block is left out."""
    place = 0
    while place + 4 <= len(body):
        code, length = unpack_from(order + "2H", body, place)
        place += 4
        if code == 0 or place + length > len(body):
            return
        yield code, body[place : place + length]
        place += length + -length % 4


def _torn(number: int) -> str:
    return f"the file ends inside frame {number}; {_CUT}"


def _torn_block(number: int) -> str:
    return f"the file ends inside a block after frame {number}; {_CUT}"


def _damaged(number: int, what: str) -> str:
    return f"frame {number} {what}: the file is damaged there; copy it again"


def _strange(link_type: int) -> str:
    name = _LINK_TYPES.get(link_type, "see tcpdump.org/linktypes.html")
    return f"frames of link type {link_type} ({name}) cannot be read, only Ethernet; {_CAPTURE_AGAIN}"
