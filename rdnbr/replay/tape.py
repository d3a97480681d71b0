"""The frames of several captures in one order, and which of them the node sent.

A capture on a guest's port also has the frames that the node sent there, and pcap has no field that says so. So the
first MAC that sends from a gateway address is taken for the node's, and its frames count as outgoing. Any other MAC
that sends from a gateway address is a spoofer. Frames that the bridge flooded to the port from other guests cannot be
told apart at all. Captures made with `tcpdump -Q in` have neither.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from rdnbr.core.model.address import MAC, parse_ip, parse_mac
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.wire.decode import decode
from rdnbr.operator.text.phrases import counted
from rdnbr.replay.pcap import CaptureError, Frame, read

GATEWAY4 = parse_ip("169.254.0.1")
GATEWAY6 = parse_ip("fe80::1")

REORDERED = 0.1
"""Seconds. A frame that is earlier than the frame before it by less is out of order, as frames of several processors
are; a clock that was set back goes back by more."""

UNSEEN_NODE = parse_mac("00:00:5e:00:53:fe")
"""The node's MAC where no frame shows it: a MAC for documentation (RFC 7042 §2.1.2), which no guest has."""


class Arrival(NamedTuple):
    """A captured frame, and the port that it arrived on."""

    at: float
    """Seconds since the epoch; never less than that of the arrival before."""
    port: str
    frame: Frame


class Tape:
    """Captures merged by time. A tape can be played again and again."""

    def __init__(self, paths: Sequence[Path], port: str | None = None) -> None:
        self._paths = paths
        self._port = port
        self.errors: list[str] = []
        """The files that could not be read to their end, when the tape was last played."""
        self.notes: list[str] = []
        """What else is odd of the files, when the tape was last played to its end."""

    def __iter__(self) -> Iterator[Arrival]:
        self.errors, self.notes = [], []
        return merge(*(self._play(path) for path in self._paths), key=lambda arrival: arrival.at)

    def start(self) -> float:
        """Return when the first frame arrived; 0 if there is none."""
        return next((arrival.at for arrival in self), 0.0)

    def _play(self, path: Path) -> Iterator[Arrival]:
        name = path.name.removesuffix(".gz")
        stem = Path(name).stem
        latest = before = 0.0
        steps_back: list[tuple[int, float]] = []
        """The frames at which the clock goes back, with the seconds."""
        try:
            for number, frame in enumerate(read(path), 1):
                if frame.at < before - REORDERED:
                    steps_back.append((number, before - frame.at))
                before = frame.at
                # A capture is in the order of arrival, also where the clock was set back meanwhile.
                latest = max(latest, frame.at)
                yield Arrival(latest, self._port or frame.interface or stem, frame)
        except CaptureError as error:
            self.errors.append(str(error))
        if steps_back:
            number, seconds = steps_back[0]
            self.notes.append(
                f"{path}: the clock goes back {counted(len(steps_back), 'time')}, first by {seconds:.1f} s at frame "
                f"{number}; a frame counts as no earlier than the frames before it"
            )


def node_mac(tape: Iterable[Arrival]) -> MAC:
    """Return the first MAC that sends from a gateway address: it is taken for the node's."""
    for _, _, frame in tape:
        if frame.outgoing is not False and _from_gateway(frame.data):
            return MAC(frame.data[6:12])
    return UNSEEN_NODE


def _from_gateway(data: bytes) -> bool:
    if data[12:14] == b"\x86\xdd":
        return data[22:38] == GATEWAY6
    match decode(data):
        # A guest that takes over the gateway address announces it; a gateway sends requests and replies.
        case Claim(source=Source.ARP_REQUEST | Source.ARP_REPLY, address=address):
            return address == GATEWAY4
        case _:
            return False
