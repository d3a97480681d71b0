"""Data snooping: when the IP packets of a port are looked at, for their source addresses (RFC 6620 §3.2.2).

A guest that has its gateway's MAC in its neighbour cache, and does no DAD, can use an address for a long time without
naming it in ARP or NDP. So for a short window after a port appears, and after a RARP, the source of an IP packet is a
claim that proves nothing: the source is probed, and only the answer counts.

A guest may send a million packets in that window, and only the first packet of each source matters. Each source that
was seen goes into the port's filter, and its further packets stay in the kernel. After some sources the window closes.
"""

from dataclasses import dataclass, field

from rdnbr.core.model.address import IP
from rdnbr.core.model.engine_outputs import Emit, SnoopData
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.timer_queue import TimerQueue

SOURCES = 8
"""Sources of one window. A guest that sends from more sources forges them, or routes for others. Half of the addresses
that a port may have by default stay free for the claims of its guest."""


@dataclass(slots=True)
class _Window:
    reopens: float
    """When another window may start, if this one closes before its time."""
    sources: dict[IP, None] = field(default_factory=dict)


class DataSnooping:
    """The windows of all ports."""

    def __init__(self, settings: Settings, emit: Emit) -> None:
        self._length = settings.timers.data_window
        self._emit = emit
        self._open: dict[int, _Window] = {}
        self._ends: TimerQueue[int] = TimerQueue()
        self._closed_early: dict[int, float] = {}
        """Ports whose window closed before its time, and when another one may start."""

    def configure(self, settings: Settings) -> None:
        """Use another length for the windows that start from now on; 0: no window starts."""
        self._length = settings.timers.data_window

    def start(self, now: float, port: int) -> None:
        """Start a window on a port, or make the present one longer."""
        if not self._length or now < self._closed_early.get(port, now):
            return
        self._closed_early.pop(port, None)
        until = now + self._length
        self._ends.set(port, until)
        if port not in self._open:
            self._open[port] = _Window(until)
            self._emit(SnoopData(port, ()))

    def is_active(self, port: int) -> bool:
        """Tell whether the IP packets of a port are looked at."""
        return port in self._open

    def record_source(self, port: int, source: IP) -> bool:
        """Record the source of a packet on a port with a window; tell whether the source is new in this window."""
        window = self._open[port]
        if source in window.sources:
            return False
        window.sources[source] = None
        if len(window.sources) < SOURCES:
            self._emit(SnoopData(port, tuple(window.sources)))
        else:
            self.port_gone(port)
            self._closed_early[port] = window.reopens
            self._emit(SnoopData(port, None))
        return True

    def expire_timers(self, now: float) -> None:
        """Close the windows whose time is over."""
        while (due := self._ends.pop(now)) is not None:
            del self._open[due[1]]
            self._emit(SnoopData(due[1], None))

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: no window is open."""
        return self._ends.next_deadline()

    def port_gone(self, port: int) -> None:
        """Forget a port."""
        self._open.pop(port, None)
        self._ends.discard(port)
        self._closed_early.pop(port, None)
