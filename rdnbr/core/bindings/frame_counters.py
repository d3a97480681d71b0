"""Counts frames by port and reason: each frame counts once."""

from collections import Counter
from collections.abc import Iterator, Mapping

from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import GONE


class FrameCounters(Mapping[tuple[str, Reason], int]):
    """Frames by port name and reason. The frames of ports that are gone are kept under the name `GONE`."""

    def __init__(self) -> None:
        self._by_port: dict[str, Counter[Reason]] = {}

    def count(self, port: str, reason: Reason) -> None:
        """Count one frame."""
        reasons = self._by_port.get(port)
        if reasons is None:
            reasons = self._by_port[port] = Counter()
        reasons[reason] += 1

    def port_gone(self, port: str) -> None:
        """Add the frames of a port that is gone, or that has another name now, to those of `GONE`."""
        reasons = self._by_port.pop(port, None)
        if reasons is not None:
            self._by_port.setdefault(GONE, Counter()).update(reasons)

    def of_port(self, port: str) -> int:
        """Return the number of frames of a port."""
        return sum(self._by_port.get(port, Counter[Reason]()).values())

    def __getitem__(self, name: tuple[str, Reason]) -> int:
        """Return the number of frames of a port and a reason; 0 where there was none."""
        port, reason = name
        return self._by_port.get(port, Counter[Reason]())[reason]

    def __iter__(self) -> Iterator[tuple[str, Reason]]:
        return ((port, reason) for port, reasons in self._by_port.items() for reason in reasons)

    def __len__(self) -> int:
        return sum(map(len, self._by_port.values()))
