"""What the kernel tells of itself: devices, addresses, routers, and what became of our routes."""

import math
import selectors
from collections.abc import Callable, Iterable, Sequence

from rdnbr.config.config import Config
from rdnbr.core.bindings.interface_inventory import InterfaceInventory
from rdnbr.core.model.interfaces import Segment
from rdnbr.daemon.actuator import Actuator
from rdnbr.daemon.backoff import Setback
from rdnbr.daemon.kernel_counters import KernelCounter
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
from rdnbr.linux.nft.enforcement import Enforcement

NEXT_HOPS_APART = 1.0
"""Seconds between two looks at the next hops, however many routes change."""

COMPARED_EVERY = 60.0
"""Seconds from one comparison of all that is in the kernel to the next, whether anything was heard or not."""

LOSSES_APART = 10.0
"""Seconds between two looks at everything because events were lost, however many are."""


class KernelWatcher:
    """Keeps the engine's view of the node, and ours of the kernel's tables, current."""

    def __init__(
        self,
        now: float,
        selector: selectors.BaseSelector,
        works: Actuator,
        config: Config,
        on_fault: Callable[[Exception, bytes], None],
    ) -> None:
        """Start to follow the kernel's events; `on_fault` is called with a message that could not be read."""
        self._works = works
        self._on_fault = on_fault
        self._config = config
        self._inventory = InterfaceInventory(config.bridges)
        self._heard: list[Event] = []
        self._next_comparison = now + COMPARED_EVERY
        self._port_sockets = PortSockets(works)
        self._setback = Setback(works.log)
        self._enforcement: Enforcement | None = None
        """The one that the ports were reported to."""
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
        if now < self._setback.until:
            return False
        try:
            everything = self._compare(now)
        except OSError as error:
            self._works.kernel_counters[KernelCounter.UNANSWERED] += 1
            self._setback.met(now, error)
            return False
        self._setback.over()
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
        return max(self._setback.until, min(due))

    def update_engine(self, now: float) -> None:
        """Tell the engine what the landscape is now, and listen where it says."""
        works, engine = self._works, self._works.engine
        before = dict(engine.segments)
        changes = self._inventory.update_engine(now, engine)
        works.take(now, changes.outputs)
        works.see_bridges()
        enforcement = works.enforcement
        if enforcement is not None:
            if changes.filtered or enforcement is not self._enforcement:
                enforcement.set_ports(self._inventory.guest_ports(), self._inventory.own_addresses())
            if changes.renamed:
                enforcement.ports_renamed(changes.renamed)
        self._enforcement = enforcement
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
            self._works.look_again()
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
        if self._works.unsure:
            return self._works.setback.until
        return self._next_comparison

    def _reread_interfaces(self, now: float) -> None:
        """Find out what events that were lost have told.

        Raises:
            OSError: the kernel did not answer.
        """
        works = self._works
        links, addresses = snapshot()
        names = {link.index: link.name for link in links}
        for port in list(works.engine.ports.values()):
            # Another name may mean another device, and with the same one it may be: its socket tells.
            if names.get(port.index) != port.name or works.receiver.is_detached(port.index):
                works.receiver.close(port.index)
                works.take(now, works.engine.port_gone(now, port.index))
        self._inventory.replace_all(links, addresses)
        works.log.warning(
            "netlink events were lost; looked at everything again",
            times=self._losses,
            cure="if this goes on: ip monitor shows which program changes so much",
        )
        self._next_snapshot, self._losses = math.inf, 0
        self._next_after_loss = now + LOSSES_APART

    def _receive(self, _mask: int) -> None:
        self._heard += self._monitor.receive()

    def _apply(self, now: float, events: Iterable[Event]) -> None:
        works, survey = self._works, False
        for event in events:
            match event:
                case LinkChanged(link):
                    segment = works.engine.segments.get(link.index)
                    if segment is not None and link.up != segment.up:
                        self._expect_silent_losses(now)
                    self._inventory.link_changed(link)
                    survey = True
                case LinkGone(index):
                    # At once: the next event may give the same ifindex to another device.
                    self._inventory.link_gone(index)
                    works.receiver.close(index)
                    works.take(now, works.engine.port_gone(now, index))
                    works.take(now, works.engine.segment_gone(now, index))
                    survey = True
                case AddressChanged(address):
                    self._inventory.address_changed(address)
                    survey = True
                case AddressGone(address):
                    if address.index in works.engine.segments:
                        self._expect_silent_losses(now)
                    self._inventory.address_gone(address)
                    survey = True
                case RouteSeen(route):
                    works.reconciler.route_seen(route)
                case RouteGone(route):
                    works.reconciler.route_gone(route.address, route.table, route.metric, route.device)
                case RouteTaken(place):
                    works.reconciler.route_taken(place.address, place.table, place.metric)
                case RouteLeft(place):
                    works.reconciler.route_gone(place.address, place.table, place.metric)
                case NeighbourSeen(neighbour):
                    works.reconciler.neighbour_seen(neighbour)
                case NeighbourGone(device, address):
                    works.reconciler.neighbour_gone(device, address)
                case NeighbourTaken(device, address):
                    works.reconciler.neighbour_taken(device, address)
                case NextHopsChanged():
                    self._next_hops_wanted = True
                case Overrun(fault, message):
                    works.kernel_counters[KernelCounter.OVERRUNS] += 1
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
        self._works.reconciler.retry_all(now)
