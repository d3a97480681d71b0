"""What the kernel tells of itself: devices, addresses, routers, and what became of our routes."""

import selectors
from collections.abc import Iterable, Sequence

from rdnbr.config import Config
from rdnbr.core.landscape import Landscape
from rdnbr.core.topology import Segment
from rdnbr.daemon.listening import Listening
from rdnbr.daemon.setback import Setback
from rdnbr.daemon.works import Works
from rdnbr.linux.links import snapshot
from rdnbr.linux.monitor import (
    AddressChanged,
    AddressGone,
    Event,
    LinkChanged,
    LinkGone,
    Monitor,
    NeighbourGone,
    NeighbourSeen,
    NextHopsChanged,
    Overrun,
    RouteGone,
    RouteSeen,
    RouteTaken,
)
from rdnbr.linux.next_hops import next_hops

NEXT_HOPS_APART = 1.0
"""Seconds between two looks at the next hops, however many routes change."""

RESYNC = 60.0
"""Seconds between two looks at everything, whether anything was heard or not."""


class Surroundings:
    """Keeps the engine's view of the node, and ours of the kernel's tables, current."""

    def __init__(self, now: float, selector: selectors.BaseSelector, works: Works, config: Config) -> None:
        self._works = works
        self._config = config
        self._landscape = Landscape(config.bridges)
        self._heard: list[Event] = []
        self._next_resync = now + RESYNC
        self._listening = Listening(works)
        self._setback = Setback(works.log)
        self._resync_wanted = False
        self._snapshot_wanted = False
        self._next_hops_wanted = False
        self._next_hops_at = now
        # The monitor first: what changes while the snapshot is taken is then told.
        self._monitor = Monitor()
        selector.register(self._monitor, selectors.EVENT_READ, self._hear)
        try:
            self._landscape.replace(*snapshot())
            self._landscape.lead_to(next_hops())
        except OSError:
            self._monitor.close()
            raise

    def close(self) -> None:
        """Stop hearing."""
        self._monitor.close()

    def segments(self) -> Sequence[Segment]:
        """Return the segments there are to serve."""
        return self._landscape.segments()

    def use(self, now: float, config: Config) -> None:
        """Serve the bridges of another configuration."""
        self._config = config
        self._landscape.use(config.bridges)
        self.survey(now)

    def turn(self, now: float) -> None:
        """Handle what was heard."""
        if self._heard:
            events, self._heard = self._heard, []
            self._apply(now, events)

    def look(self, now: float) -> bool:
        """Look at what nobody tells of, when it is time to; tell whether that was everything."""
        if now < self._setback.until:
            return False
        try:
            everything = self._look(now)
        except OSError as error:
            self._setback.met(now, error)
            return False
        self._setback.over()
        return everything

    def deadline(self) -> float:
        """Tell when `turn` or `look` has something to do, though nothing is heard."""
        if self._heard:
            return 0.0
        due = [self._resync_at()]
        if self._next_hops_wanted:
            due.append(self._next_hops_at)
        listening = self._listening.deadline()
        if listening is not None:
            due.append(listening)
        return max(self._setback.until, 0.0 if self._snapshot_wanted else min(due))

    def survey(self, now: float) -> None:
        """Tell the engine what the landscape is now, and listen where it says."""
        works, engine = self._works, self._works.engine
        before = dict(engine.segments)
        works.take(now, self._landscape.tell(now, engine))
        if works.enforcement is not None:
            works.enforcement.serve(self._landscape.guest_ports(), self._landscape.own_addresses())
        if before and before != engine.segments:
            # Linux takes IPv4 routes away without a word when a bridge goes down, and refuses them while it is.
            self._resync_wanted = True
            works.reconciliation.try_again()
        self._listening.follow(now, self._config.settings)

    def _look(self, now: float) -> bool:
        """Look at all that is due; what cannot be looked at stays due.

        Raises:
            OSError: the kernel did not answer.
        """
        everything = now >= self._resync_at()
        if everything:
            self._works.look_again()
            self._resync_wanted = False
            self._next_resync = now + RESYNC
            self._next_hops_wanted = True
        survey = False
        if self._snapshot_wanted:
            self._landscape.replace(*snapshot())
            self._snapshot_wanted, survey = False, True
        if self._next_hops_wanted and now >= self._next_hops_at:
            self._landscape.lead_to(next_hops())
            self._next_hops_wanted, survey = False, True
            self._next_hops_at = now + NEXT_HOPS_APART
        listening = self._listening.deadline()
        if survey or (listening is not None and listening <= now):
            self.survey(now)
        return everything

    def _resync_at(self) -> float:
        if self._works.unsure:
            return self._works.setback.until
        return 0.0 if self._resync_wanted else self._next_resync

    def _hear(self, _mask: int) -> None:
        self._heard += self._monitor.receive()

    def _apply(self, now: float, events: Iterable[Event]) -> None:
        works, survey = self._works, False
        for event in events:
            match event:
                case LinkChanged(link):
                    self._landscape.link_changed(link)
                    survey = True
                case LinkGone(index):
                    # At once: the next event may give the same ifindex to another device.
                    self._landscape.link_gone(index)
                    works.ears.close(index)
                    works.take(now, works.engine.port_gone(now, index))
                    survey = True
                case AddressChanged(address):
                    self._landscape.address_changed(address)
                    survey = True
                case AddressGone(address):
                    self._landscape.address_gone(address)
                    survey = True
                case RouteSeen(route):
                    works.reconciliation.route_seen(route)
                case RouteGone(route):
                    works.reconciliation.route_gone(route.address, route.table, route.metric)
                case RouteTaken(place):
                    works.reconciliation.route_gone(place.address, place.table, place.metric)
                case NeighbourSeen(neighbour):
                    works.reconciliation.neighbour_seen(neighbour)
                case NeighbourGone(device, address):
                    works.reconciliation.neighbour_gone(device, address)
                case NextHopsChanged():
                    self._next_hops_wanted = True
                case Overrun():
                    works.log.warning("netlink events were lost; looking at everything again")
                    self._snapshot_wanted = self._resync_wanted = True
        if survey:
            self.survey(now)
