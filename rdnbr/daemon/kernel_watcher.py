"""What the kernel tells of itself: devices, addresses, routers, and what became of our routes."""

import math
import selectors
from collections.abc import Callable, Iterable, Sequence

from rdnbr.config.config import Config
from rdnbr.core.bindings.interface_inventory import InterfaceInventory
from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.primitives.back_off import BackOff
from rdnbr.daemon.parts import Parts
from rdnbr.daemon.port_sockets import PortSockets
from rdnbr.linux.netlink.links import snapshot
from rdnbr.linux.netlink.monitor import (
    AddressChanged,
    AddressGone,
    Event,
    LinkChanged,
    LinkGone,
    Monitor,
    NeighbourGone,
    NeighbourSeen,
    NeighbourTaken,
    NextHopsChanged,
    Overrun,
    RouteGone,
    RouteLeft,
    RouteSeen,
    RouteTaken,
)
from rdnbr.linux.netlink.next_hops import next_hops

NEXT_HOPS_APART = 1.0
"""Seconds between two looks at the next hops, however many routes change."""

COMPARED_EVERY = 60.0
"""Seconds from one comparison of all that is in the kernel to the next, whether anything was heard or not."""

LOSSES_APART = 10.0
"""Seconds between two looks at everything because events were lost, however many are."""

_FIRST_WAIT, _LAST_WAIT = 1.0, 30.0
"""Seconds until a kernel that did not answer is read again. The wait doubles each time."""


class KernelWatcher:
    """Keeps the engine's view of the node, and ours of the kernel's tables, current."""

    def __init__(
        self,
        now: float,
        selector: selectors.BaseSelector,
        parts: Parts,
        config: Config,
        on_fault: Callable[[Exception, bytes], None],
    ) -> None:
        """Start to follow the kernel's events; `on_fault` is called with a message that could not be read."""
        self._parts = parts
        self._on_fault = on_fault
        self._config = config
        self._inventory = InterfaceInventory(config.bridges)
        self._heard: list[Event] = []
        self._next_comparison = now + COMPARED_EVERY
        self._port_sockets = PortSockets(parts)
        self._back_off = BackOff(_FIRST_WAIT, _LAST_WAIT)
        self._next_snapshot = math.inf
        self._next_after_loss = now
        self._losses = 0
        self._next_hops_wanted = False
        self._next_hops_at = now
        # The monitor first: what changes while the snapshot is taken is then told.
        self._monitor = Monitor()
        selector.register(self._monitor, selectors.EVENT_READ, self._receive)
        try:
            self._inventory.replace_all(*snapshot())
            self._inventory.set_next_hops(next_hops())
        except OSError:
            self._monitor.close()
            raise

    def close(self) -> None:
        """Stop hearing."""
        self._monitor.close()

    def segments(self) -> Sequence[Segment]:
        """Return the segments there are to serve."""
        return self._inventory.segments()

    def set_config(self, now: float, config: Config) -> None:
        """Serve the bridges of another configuration."""
        self._config = config
        self._inventory.set_globs(config.bridges)
        self.update_engine(now)

    def handle_events(self, now: float) -> None:
        """Handle what was heard."""
        if self._heard:
            events, self._heard = self._heard, []
            self._apply(now, events)

    def resync(self, now: float) -> None:
        """Read everything again soon, for events were lost."""
        self._losses += 1
        self._next_snapshot = max(now, self._next_after_loss)
        self._next_comparison = min(self._next_comparison, self._next_snapshot)

    def compare(self, now: float) -> bool:
        """Look at what nobody tells of, when it is time to; tell whether that was everything."""
        if not self._back_off.is_due(now):
            return False
        try:
            everything = self._compare(now)
        except OSError as error:
            self._parts.actuator.count(KernelCounter.UNANSWERED)
            if not self._back_off.failing:
                self._parts.kernel_log.kernel_unanswered(error)
            self._back_off.record_failure(now)
            return False
        if self._back_off.failing:
            self._back_off.record_success()
            self._parts.kernel_log.kernel_answered()
        return everything

    def next_deadline(self) -> float:
        """Tell when `turn` or `look` has something to do, though nothing is heard."""
        if self._heard:
            return 0.0
        due = [self._comparison_at(), self._next_snapshot]
        if self._next_hops_wanted:
            due.append(self._next_hops_at)
        retry = self._port_sockets.next_deadline()
        if retry is not None:
            due.append(retry)
        return max(self._back_off.retry_at or 0.0, min(due))

    def update_engine(self, now: float) -> None:
        """Tell the engine what the landscape is now, and listen where it says."""
        parts, engine = self._parts, self._parts.engine
        before = dict(engine.segments)
        changes = self._inventory.update_engine(now, engine)
        parts.actuator.handle_outputs(changes.outputs)
        source_filter = parts.source_filter
        if source_filter.active and (changes.filtered or source_filter.needs_ports):
            source_filter.set_ports(self._inventory.guest_ports(), self._inventory.own_addresses())
        source_filter.ports_renamed(changes.renamed)
        if before and before != engine.segments:
            self._expect_silent_losses(now)
        self._port_sockets.update(now, changes.links, self._config.settings)

    def _compare(self, now: float) -> bool:
        """Look at all that is due; what cannot be looked at stays due.

        Raises:
            OSError: the kernel did not answer.
        """
        everything = now >= self._comparison_at()
        if everything:
            self._parts.actuator.resync_from_kernel()
            self._next_comparison = now + COMPARED_EVERY
            self._next_hops_wanted = True
        survey = False
        if now >= self._next_snapshot:
            self._reread_interfaces(now)
            survey = True
        if self._next_hops_wanted and now >= self._next_hops_at:
            self._inventory.set_next_hops(next_hops())
            self._next_hops_wanted, survey = False, True
            self._next_hops_at = now + NEXT_HOPS_APART
        retries = self._port_sockets.due(now)
        for index in retries:
            self._inventory.mark_changed(index)
        if survey or retries:
            self.update_engine(now)
        return everything

    def _comparison_at(self) -> float:
        due = self._parts.actuator.resync_due_at()
        return self._next_comparison if due is None else due

    def _reread_interfaces(self, now: float) -> None:
        """Find out what events that were lost have told.

        Raises:
            OSError: the kernel did not answer.
        """
        parts = self._parts
        links, addresses = snapshot()
        names = {link.index: link.name for link in links}
        for port in list(parts.engine.ports.values()):
            # Another name may mean another device, and with the same one it may be: its socket tells.
            if names.get(port.index) != port.name or parts.receiver.is_detached(port.index):
                parts.receiver.close(port.index)
                parts.actuator.handle_outputs(parts.engine.port_gone(now, port.index))
        self._inventory.replace_all(links, addresses)
        parts.log.warning(
            "netlink events were lost; looked at everything again",
            times=self._losses,
            cure="if this goes on: ip monitor shows which program changes so much",
        )
        self._next_snapshot, self._losses = math.inf, 0
        self._next_after_loss = now + LOSSES_APART

    def _receive(self, _mask: int) -> None:
        self._heard += self._monitor.receive()

    def _apply(self, now: float, events: Iterable[Event]) -> None:
        parts, survey = self._parts, False
        for event in events:
            match event:
                case LinkChanged(link):
                    segment = parts.engine.segments.get(link.index)
                    if segment is not None and link.up != segment.up:
                        self._expect_silent_losses(now)
                    self._inventory.link_changed(link)
                    survey = True
                case LinkGone(index):
                    # At once: the next event may give the same ifindex to another device.
                    self._inventory.link_gone(index)
                    parts.receiver.close(index)
                    parts.actuator.handle_outputs(parts.engine.port_gone(now, index))
                    parts.actuator.handle_outputs(parts.engine.segment_gone(now, index))
                    survey = True
                case AddressChanged(address):
                    self._inventory.address_changed(address)
                    survey = True
                case AddressGone(address):
                    if address.index in parts.engine.segments:
                        self._expect_silent_losses(now)
                    self._inventory.address_gone(address)
                    survey = True
                case RouteSeen(route):
                    parts.actuator.route_added(route)
                case RouteGone(route):
                    parts.actuator.route_removed(route.address, route.table, route.metric, route.device)
                case RouteTaken(place):
                    parts.actuator.route_taken(place.address, place.table, place.metric)
                case RouteLeft(place):
                    parts.actuator.route_removed(place.address, place.table, place.metric)
                case NeighbourSeen(neighbour):
                    parts.actuator.neighbour_added(neighbour)
                case NeighbourGone(device, address):
                    parts.actuator.neighbour_removed(device, address)
                case NeighbourTaken(device, address):
                    parts.actuator.neighbour_taken(device, address)
                case NextHopsChanged():
                    self._next_hops_wanted = True
                case Overrun(fault, message):
                    parts.actuator.count(KernelCounter.OVERRUNS)
                    if fault is not None:
                        self._on_fault(fault, message)
                    self.resync(now)
        if survey:
            self.update_engine(now)

    def _expect_silent_losses(self, now: float) -> None:
        """Look at the kernel's tables: of some routes that go Linux says nothing.

        IPv4 routes go without a word when their device goes down, and when it loses its last IPv4 address
        (net/ipv4/fib_frontend.c, fib_disable_ip), also when all is as before by the time we hear of it.
        """
        self._next_comparison = now
        self._parts.actuator.devices_changed(now)
