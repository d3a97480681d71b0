"""Data snooping: when the IP packets of a port are looked at, for their source addresses (RFC 6620 §3.2.2).

A guest that has its gateway's MAC in its neighbour cache, and does no DAD, can use an address for a long time without
naming it in ARP or NDP. So the source of an IP packet is a claim that proves nothing: the source is probed, and only
the answer counts. The packets of a port are looked at in a window:

1. A window opens for `data_window` seconds when a port appears, when a MAC is new on a port, and after a RARP.
2. While a port has no route of a family, its window stays open for that family, for as long as that takes: the first
   packet of the guest may come late. It costs nothing while no packet comes.
3. The window of a port that has routes of both families closes. Its guests forward as fast as without a window.

A guest may send a million packets, and only the first packet of each source matters. Each source that was seen goes
into the port's filter, and its further packets stay in the kernel. After some sources the window closes. Sources that
came to nothing are looked at again, each time after twice the time.

Beside its window, a port has `awaited_sources`: a packet of an incumbent that answers no probe is evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rdnbr.core.model.address import IP
from rdnbr.core.model.binding import BindingLookup
from rdnbr.core.model.engine_outputs import Emit, SnoopData
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.timer_queue import TimerQueue, earliest
from rdnbr.core.probing.awaited_sources import AwaitedSources

SOURCES = 8
"""Sources of one window. A guest that sends from more sources forges them, or routes for others. Half of the addresses
that a port may have by default stay free for the claims of its guest."""

LONGEST = 300.0
"""Seconds after which, at last, sources that came to nothing are looked at again."""

FAMILIES = (4, 16)
"""Bytes of the addresses of each family."""


@dataclass(slots=True)
class _Window:
    families: tuple[int, ...]
    """Bytes of the addresses that are looked at."""
    length: float
    """Seconds from the first packet until the window is reviewed."""
    sources: dict[IP, None] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether so many sources were seen that packets are not looked at until the review."""
        return len(self.sources) >= SOURCES


class DataSnooping:
    """The windows of all ports."""

    def __init__(
        self,
        settings: Settings,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
        bindings: BindingLookup,
        emit: Emit,
    ) -> None:
        self._length = settings.timers.data_window
        self._segments = segments
        self._ports = ports
        self._bindings = bindings
        self._emit = emit
        self._windows: dict[int, _Window] = {}
        self._reviews: TimerQueue[int] = TimerQueue()
        """When each window is reviewed; a window that waits for its first packet has no time."""
        self._awaited = AwaitedSources()

    def configure(self, settings: Settings) -> None:
        """Use another length for the windows that start from now on; 0: no packets are looked at any more."""
        before, self._length = self._length, settings.timers.data_window
        if not self._length:
            for port in list(self._windows):
                self._close(port)
        elif not before:
            self._bindings.ports_to_review.update(dict.fromkeys(self._ports))

    def families_changed(self, segment: int) -> None:
        """Review the ports of a segment (ifindex) that got or lost a gateway: no guest can answer without one."""
        ports = (port.index for port in self._ports.values() if port.segment == segment)
        self._bindings.ports_to_review.update(dict.fromkeys(ports))

    def start(self, now: float, port: int) -> None:
        """Start a window on a port, for both families, or make the present one longer."""
        window = self._windows.get(port)
        if not self._length or (window is not None and window.is_full):
            return
        self._open(port, FAMILIES)
        self._windows[port].length = self._length
        self._reviews.set(port, now + self._length)

    def await_source(self, port: int, source: IP, until: float) -> None:
        """Await one packet of a source on a port (ifindex), and let it count whether it was seen before or not."""
        if self._length and port in self._ports:
            before = self._awaited.on_port(port)
            self._awaited.add(port, source, until)
            self._follow_awaited(port, before)

    def is_active(self, port: int) -> bool:
        """Tell whether a port has a window."""
        window = self._windows.get(port)
        return window is not None and not window.is_full

    def hears_packets(self, port: int) -> bool:
        """Tell whether any IP packets of a port are looked at."""
        return self.is_active(port) or bool(self._awaited.on_port(port))

    def record_source(self, now: float, port: int, source: IP) -> bool:
        """Record the source of a packet on a port; tell whether it was awaited, or is new in the window of the port."""
        awaited = self._awaited.on_port(port)
        if self._awaited.discard(port, source):
            self._follow_awaited(port, awaited)
            return True
        window = self._windows.get(port)
        if window is None or window.is_full:
            return False
        if source in window.sources or len(source) not in window.families:
            return False
        window.sources[source] = None
        if self._reviews.deadline(port) is None:
            self._reviews.set(port, now + window.length)
        self._emit_filter(port)
        return True

    def expire_timers(self, now: float) -> None:
        """Review the windows whose time is over, and the ports that got or lost their routes of a family."""
        for port in sorted(self._awaited.end_waits(now)):
            self._emit_filter(port)
        while (due := self._reviews.pop(now)) is not None:
            self._review(due[1])
        changed = self._bindings.ports_to_review
        for port in sorted(changed):
            if port in self._ports:
                self._follow_routes(now, port)
        changed.clear()

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        if self._bindings.ports_to_review:
            return 0.0
        return earliest(self._reviews.next_deadline(), self._awaited.next_deadline())

    def port_gone(self, port: int) -> None:
        """Forget a port."""
        self._awaited.port_gone(port)
        self._windows.pop(port, None)
        self._reviews.discard(port)

    def _review(self, port: int) -> None:
        """Close a window whose time is over, or look again for the families that the port lacks."""
        window, families = self._windows[port], self._lacking(port)
        if not families:
            self._close(port)
        elif window.sources:
            found = families != window.families
            window.length = self._length if found else min(2 * window.length, LONGEST)
            window.families = families
            window.sources.clear()
            self._emit_filter(port)
        else:
            self._open(port, families)

    def _follow_routes(self, now: float, port: int) -> None:
        """Look for the families that a port lacks; if it lacks none, its window ends in `data_window` at last."""
        families, at = self._lacking(port), self._reviews.deadline(port)
        if families and at is None and self._length:
            self._open(port, families)
        elif not families and port in self._windows:
            end = now + self._length
            self._reviews.set(port, end if at is None else min(at, end))

    def _open(self, port: int, families: tuple[int, ...]) -> None:
        """Open a window, or let the present one look at these families."""
        window = self._windows.get(port)
        if window is None:
            window = self._windows[port] = _Window((), self._length)
        if window.families != families:
            window.families = families
            self._emit_filter(port)

    def _close(self, port: int) -> None:
        """Close the window of a port. Awaited sources stay awaited."""
        was_active = self.is_active(port)
        self._windows.pop(port, None)
        self._reviews.discard(port)
        if was_active:
            self._emit_filter(port)

    def _follow_awaited(self, port: int, before: tuple[IP, ...]) -> None:
        """Change the filter of a port if other sources are awaited than `before`."""
        if self._awaited.on_port(port) != before:
            self._emit_filter(port)

    def _emit_filter(self, port: int) -> None:
        """Emit which packets of a port are looked at now."""
        window, awaited = self._windows.get(port), self._awaited.on_port(port)
        if window is None or window.is_full:
            self._emit(SnoopData(port, None, awaited=awaited))
        else:
            self._emit(SnoopData(port, tuple(window.sources), window.families, awaited))

    def _lacking(self, port: int) -> tuple[int, ...]:
        """Return the families of which a port has no route, although its segment has a gateway."""
        families = self._segments[self._ports[port].segment].families
        return tuple(size for size in families if not self._bindings.has_route_on_port(port, size))
