"""Guests that answer probes, for replay and dry runs, where no probe leaves the machine."""

from collections.abc import Iterator
from heapq import heappop, heappush

from rdnbr.core.model.engine_outputs import Announcement, Probe, SnoopData
from rdnbr.core.wire.probe_frames import answer_frame

ANSWER_TIME = 0.001
"""Seconds that a guest takes to answer a probe."""


class SimulatedGuests:
    """Each guest that was probed answers, unless nobody claimed the address.

    The allowlist alone names the address of a discovery probe, so whether a guest would answer it is not known.
    """

    def __init__(self, *, silent: bool = False) -> None:
        """With `silent` no guest answers."""
        self._silent = silent
        self._answers: list[tuple[float, int, int, bytes]] = []
        """Heap of the answers under way: time, number, ifindex of the port, frame."""
        self._sent = 0

    def send_probe(self, now: float, probe: Probe) -> bool:
        """Have the guest answer in `ANSWER_TIME` seconds."""
        reply = None if self._silent or probe.guess else answer_frame(probe.frame, probe.mac)
        if reply is not None:
            self._sent += 1
            heappush(self._answers, (now + ANSWER_TIME, self._sent, probe.port, reply))
        return True

    def send_announcement(self, announcement: Announcement) -> None:
        """Guests do nothing on an announcement."""

    def snoop_data(self, change: SnoopData) -> None:
        """Guests send no IP packets."""

    def receive(self, now: float) -> Iterator[tuple[int, bytes]]:
        """Return the answers that have arrived by `now`, in order: ifindex of the port, frame."""
        while self._answers and self._answers[0][0] <= now:
            _, _, port, frame = heappop(self._answers)
            yield port, frame

    def next_deadline(self) -> float | None:
        """Return when the next answer arrives; None if none is under way."""
        return self._answers[0][0] if self._answers else None
