"""When the packets of a port are looked at, for the addresses they come from.

A guest that keeps its gateway's MAC in mind, and does no DAD, can use an address for a long time without ever naming it
in ARP or NDP. So for a short window after a port appears, and after a RARP, the source of a packet is a hint; its owner
is asked, and only the answer counts.

A guest may send a million packets in that window. Only the first of each source matters: each is told to the port's
filter, and packets from there stay in the kernel from then on; and after some sources the window closes.
"""

from dataclasses import dataclass, field

from rdnbr.core.model.address import IP
from rdnbr.core.model.outputs import SnoopData
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.timer_queue import TimerQueue

SOURCES = 8
"""Of one window. Who sends from more than these is forging them, or routes for others; and half of the addresses that a
port may have by default stay free for what its guest claims itself meanwhile."""


@dataclass(slots=True)
class _Window:
    reopens: float
    """When it may be opened again, if it is closed before its time."""
    sources: dict[IP, None] = field(default_factory=dict)


class DataSnooping:
    """The windows of all ports."""

    def __init__(self, settings: Settings) -> None:
        self._length = settings.timers.data_window
        self._open: dict[int, _Window] = {}
        self._ends: TimerQueue[int] = TimerQueue()
        self._shut: dict[int, float] = {}
        """Ports whose window closed before its time, and when it may be opened again."""

    def configure(self, settings: Settings) -> None:
        """Windows that open from now on are of this length; 0: none does."""
        self._length = settings.timers.data_window

    def start(self, now: float, port: int) -> list[SnoopData]:
        """Look at the packets of a port for a while, or for longer."""
        if not self._length or now < self._shut.get(port, now):
            return []
        self._shut.pop(port, None)
        until = now + self._length
        self._ends.set(port, until)
        if port in self._open:
            return []
        self._open[port] = _Window(until)
        return [SnoopData(port, ())]

    def is_active(self, port: int) -> bool:
        """Tell whether the packets of a port are looked at."""
        return port in self._open

    def record_source(self, port: int, source: IP) -> list[SnoopData]:
        """Take note of a packet on a port that is looked at; nothing comes of it unless the source is new."""
        window = self._open[port]
        if source in window.sources:
            return []
        window.sources[source] = None
        if len(window.sources) < SOURCES:
            return [SnoopData(port, tuple(window.sources))]
        self.port_gone(port)
        self._shut[port] = window.reopens
        return [SnoopData(port, None)]

    def expire(self, now: float) -> list[SnoopData]:
        """Close the windows whose time is over."""
        over: list[SnoopData] = []
        while (due := self._ends.pop(now)) is not None:
            del self._open[due[1]]
            over.append(SnoopData(due[1], None))
        return over

    def next_deadline(self) -> float | None:
        """Tell when `judge` is wanted next."""
        return self._ends.next_deadline()

    def port_gone(self, port: int) -> None:
        """A port is gone."""
        self._open.pop(port, None)
        self._ends.discard(port)
        self._shut.pop(port, None)
