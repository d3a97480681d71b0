"""Follows the kernel's events: links, addresses, next hops, and the routes and neighbours of rdnbr."""

import math
import selectors
from collections import deque
from collections.abc import Callable, Collection, Sequence

from rdnbr.config.config import Config
from rdnbr.core.bindings.interface_inventory import OUTPUTS_AT_ONCE, InterfaceInventory
from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.primitives.back_off import BackOff
from rdnbr.daemon.gateway_log import GatewayLog
from rdnbr.daemon.parts import Parts, fdb_ports
from rdnbr.daemon.port_sockets import PortSockets
from rdnbr.daemon.running_guests import find_running_guests
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
    PinGone,
    RouteGone,
    RouteLeft,
    RouteSeen,
    RouteTaken,
    TableEvent,
)
from rdnbr.linux.netlink.next_hops import next_hops

NEXT_HOPS_APART = 1.0
"""Seconds between two reads of the next hops, however many routes change."""

COMPARED_EVERY = 60.0
"""Seconds between two comparisons of the kernel's tables with the desired entries, even if no event arrives."""

LOSSES_APART = 10.0
"""Seconds between two reads of everything after events were lost."""

_FIRST_WAIT, _LAST_WAIT = 1.0, 30.0
"""Seconds until a kernel that did not answer is read again. The wait doubles each time."""


class KernelWatcher:
    """Keeps what the engine knows of the node, and the actuator of the kernel's tables, up to date."""

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
        self._events: deque[Event] = deque()
        """Events that were received and not handled yet."""
        self._update_unfinished = False
        """Whether `update_engine` is to be continued before further events are handled."""
        self._next_comparison = now + COMPARED_EVERY
        self._adopted = False
        """Whether a bridge was served, and the entries of an earlier run were adopted. Until then the kernel's tables
        are not read, and so what is in them stays: no guest is known to have left."""
        self._port_sockets = PortSockets(parts)
        self._gateway_log = GatewayLog(parts.log)
        self._back_off = BackOff(_FIRST_WAIT, _LAST_WAIT)
        self._next_snapshot = math.inf
        self._next_after_loss = now
        self._losses = 0
        self._next_hops_wanted = False
        self._next_hops_at = now
        # The monitor comes first: it then reports what changes while the snapshot is taken.
        self._monitor = Monitor()
        selector.register(self._monitor, selectors.EVENT_READ, self._receive)
        try:
            self._inventory.replace_all(*snapshot())
            self._inventory.set_next_hops(next_hops())
        except OSError:
            self._monitor.close()
            raise

    def close(self) -> None:
        """Stop following events."""
        self._monitor.close()

    def segments(self) -> Sequence[Segment]:
        """Return the segments there are to serve."""
        return self._inventory.segments()

    def set_config(self, now: float, config: Config) -> None:
        """Serve the bridges of another configuration."""
        before, self._config = self._config, config
        if config.bridges != before.bridges:
            self._inventory.set_globs(config.bridges)
        elif config.settings != before.settings:  # the ports may have other rates
            for index in self._parts.engine.ports:
                self._inventory.mark_changed(index)
        self.update_engine(now)

    def handle_events(self, now: float) -> None:
        """Handle the events that were received, in their order; where they have many outputs, in several turns."""
        if self._update_unfinished:
            self.update_engine(now)
        if self._events and not self._update_unfinished:
            events, self._events = self._events, deque()
            self._apply(now, events)
            events.extend(self._events)
            self._events = events

    def resync(self, now: float) -> None:
        """Read everything again soon, for events were lost."""
        self._losses += 1
        self._next_snapshot = max(now, self._next_after_loss)
        self._next_comparison = min(self._next_comparison, self._next_snapshot)

    def compare(self, now: float) -> bool:
        """Read what no event reports, when it is due; return whether the kernel's tables were compared."""
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

    def events_deadline(self) -> float | None:
        """Return 0.0 if `handle_events` has something to do although no event arrives, else None."""
        return 0.0 if self._events or self._update_unfinished else None

    def comparison_deadline(self) -> float:
        """Return when `compare` has something to do."""
        due = [self._comparison_at(), self._next_snapshot]
        if self._next_hops_wanted:
            due.append(self._next_hops_at)
        retry = self._port_sockets.next_deadline()
        if retry is not None:
            due.append(retry)
        return max(self._back_off.retry_at or 0.0, min(due))

    def update_engine(self, now: float) -> None:
        """Bring the engine's segments and ports up to date, and open and close the sockets of the ports.

        When the first bridge is served, what an earlier run left in the kernel is adopted.
        """
        parts, engine = self._parts, self._parts.engine
        before = dict(engine.segments)
        self._update_unfinished = True  # also after an exception
        changes = self._inventory.update_engine(now, engine)
        parts.actuator.handle_outputs(changes.outputs)
        source_filter = parts.source_filter
        if source_filter.active and (changes.filtered or source_filter.needs_ports):
            source_filter.set_ports(self._inventory.guest_ports(), self._inventory.own_addresses())
        source_filter.ports_renamed(changes.renamed)
        if changes.renamed:
            parts.mac_pinning.review_bindings()
        self._look_for_guests(now, engine.segments.keys() - (before.keys() if self._adopted else ()))
        if before != engine.segments:
            self._gateway_log.segments_changed(engine.segments.values())
            if before:
                self._expect_unreported_losses(now)
        self._port_sockets.update(now, changes.links, self._config.settings)
        self._update_unfinished = changes.unfinished

    def _look_for_guests(self, now: float, segments: Collection[int]) -> None:
        """Adopt entries when the first segment is served, and find the guests that are on new segments (ifindexes)."""
        parts = self._parts
        if not segments:
            return
        places = {} if parts.dry_run else fdb_ports(parts.log)
        if not self._adopted:
            pins = parts.mac_pinning.read()
            parts.actuator.adopt_entries(now, places, parts.adoption_memory.read(), pins)
            self._adopted = True
        if not parts.dry_run:
            find_running_guests(now, parts, segments, places)

    def _compare(self, now: float) -> bool:
        """Read all that is due; what cannot be read stays due.

        Raises:
            OSError: the kernel did not answer.
        """
        everything = now >= self._comparison_at()
        if everything:
            if self._adopted:
                self._parts.actuator.resync_from_kernel()
            self._next_comparison = now + COMPARED_EVERY
            self._next_hops_wanted = True
        changed = False
        if now >= self._next_snapshot:
            self._reread_interfaces(now)
            changed = True
        if self._next_hops_wanted and now >= self._next_hops_at:
            self._inventory.set_next_hops(next_hops())
            self._next_hops_wanted, changed = False, True
            self._next_hops_at = now + NEXT_HOPS_APART
        retries = self._port_sockets.due(now)
        for index in retries:
            self._inventory.mark_changed(index)
        if changed or retries:
            self.update_engine(now)
        return everything

    def _comparison_at(self) -> float:
        due = self._parts.actuator.resync_due_at()
        return self._next_comparison if due is None else due

    def _reread_interfaces(self, now: float) -> None:
        """Read all links and addresses, since events were lost.

        Raises:
            OSError: the kernel did not answer.
        """
        parts = self._parts
        links, addresses = snapshot()
        names = {link.index: link.name for link in links}
        for port in list(parts.engine.ports.values()):
            # Another name may mean another device. With the same name it may be another one too: the socket shows it.
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
        self._events.extend(self._monitor.receive())

    def _apply(self, now: float, events: deque[Event]) -> None:
        """Handle events, and remove them from `events`, until the engine has put out `OUTPUTS_AT_ONCE` outputs.

        After a segment is gone no further event is handled in this turn: another bridge may get the same ifindex.
        """
        changed, outputs = False, 0
        while events and outputs < OUTPUTS_AT_ONCE:
            event = events.popleft()
            match event:
                case LinkChanged() | LinkGone() | AddressChanged() | AddressGone():
                    changed = True
                    outputs += self._apply_to_inventory(now, event)
                    if isinstance(event, LinkGone) and event.index in self._parts.engine.segments:
                        break
                case NextHopsChanged():
                    self._next_hops_wanted = True
                case Overrun(fault, message):
                    self._parts.actuator.count(KernelCounter.OVERRUNS)
                    if fault is not None:
                        self._on_fault(fault, message)
                    self.resync(now)
                case _ if self._adopted:
                    self._apply_to_tables(event)
        if changed:
            self.update_engine(now)

    def _apply_to_inventory(
        self, now: float, event: LinkChanged | LinkGone | AddressChanged | AddressGone
    ) -> int:
        """Record an event of links and addresses; return the number of outputs of the engine."""
        parts, engine = self._parts, self._parts.engine
        match event:
            case LinkChanged(link):
                segment = engine.segments.get(link.index)
                if segment is not None and link.up != segment.up:
                    self._expect_unreported_losses(now)
                self._inventory.link_changed(link)
            case LinkGone(index):
                # At once: the next event may give the same ifindex to another device.
                self._inventory.link_gone(index)
                parts.receiver.close(index)
                outputs = engine.port_gone(now, index)
                parts.actuator.handle_outputs(outputs)
                return len(outputs)
            case AddressChanged(address):
                self._inventory.address_changed(address)
            case AddressGone(address):
                if address.index in engine.segments:
                    self._expect_unreported_losses(now)
                self._inventory.address_gone(address)
        return 0

    def _apply_to_tables(self, event: TableEvent) -> None:
        """Pass an event of the kernel's tables on to the actuator."""
        actuator = self._parts.actuator
        match event:
            case RouteSeen(route):
                actuator.route_added(route)
            case RouteGone(route):
                actuator.route_removed(route.address, route.table, route.metric, route.device)
            case RouteTaken(place):
                actuator.route_taken(place.address, place.table, place.metric)
            case RouteLeft(place):
                actuator.route_removed(place.address, place.table, place.metric)
            case NeighbourSeen(neighbour):
                actuator.neighbour_added(neighbour)
            case NeighbourGone(device, address):
                actuator.neighbour_removed(device, address)
            case NeighbourTaken(device, address):
                actuator.neighbour_taken(device, address)
            case PinGone(pin):
                self._parts.mac_pinning.pin_gone(pin)

    def _expect_unreported_losses(self, now: float) -> None:
        """Compare the kernel's tables soon: Linux does not report every route that goes.

        IPv4 routes go without an event when their device goes down, and when it loses its last IPv4 address
        (net/ipv4/fib_frontend.c, fib_disable_ip), even if everything is as before when rdnbr receives the event.
        """
        self._next_comparison = now
        self._parts.actuator.devices_changed(now)
