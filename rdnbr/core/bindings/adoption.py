"""Which routes and neighbours of an earlier run are adopted at the start.

A daemon that was killed between two operations, or a person, may leave a route without its neighbour, or a neighbour
without its route. For each address the first of these rules that applies decides:

1. A route over a served segment has its neighbour on that segment. The binding was verified once: it is adopted.
2. A route has no neighbour on its device, and there is a neighbour of the address on a served segment. The binding is
   adopted on the segment of that neighbour.
3. A route over a served segment has no neighbour anywhere. It is adopted, and its MAC is probed for.
4. A neighbour has no route. It may have been about to be routed or to be removed, or a person flushed the routes. No
   route is installed, and the guest is probed.

Of two routes that differ in their metric, the one with the lower metric was in use, so its metric is adopted. Any other
entry with our protocol (in another table, on a device that is not served) would not be withdrawn when its guest goes.
Such an entry is not adopted, and so the reconciler removes it.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from rdnbr.core.model.address import MAC
from rdnbr.core.model.fib_entries import Key, Neighbour, Route
from rdnbr.core.model.interfaces import Segment


class AdoptableRoute(NamedTuple):
    """A route to adopt."""

    key: Key
    device: int
    """ifindex of its segment."""
    mac: MAC | None
    """None if the route has no neighbour."""
    metric: int | None
    """Metric of the route in the kernel; None if that route is in another table or over another device."""


def adoptable_routes(
    segments: Mapping[int, Segment], routes: Collection[Route], neighbours: Collection[Neighbour]
) -> list[AdoptableRoute]:
    """Return the routes to adopt, sorted by key, each key once.

    Args:
        segments: the served segments, by ifindex.
        routes: all routes of our protocol.
        neighbours: all permanent neighbours of our protocol.
    """
    macs = {(entry.address, entry.device): entry.mac for entry in neighbours}
    metrics: dict[tuple[Key, int], int] = {}
    for route in routes:
        place = Key(route.table, route.address), route.device
        metrics[place] = min(route.metric, metrics.get(place, route.metric))
    served = {
        (route.address, route.device)
        for route in routes
        if route.device in segments and route.table == segments[route.device].table
    }
    complete = served & macs.keys()
    incomplete = {route.address for route in routes if (route.address, route.device) not in complete}
    moved = {(address, device) for address, device in macs if address in incomplete and device in segments}
    found: dict[Key, AdoptableRoute] = {}
    for address, device in (*sorted(complete), *sorted(moved), *sorted(served)):
        key = Key(segments[device].table, address)
        mac, metric = macs.get((address, device)), metrics.get((key, device))
        found.setdefault(key, AdoptableRoute(key, device, mac, metric))
    return [found[key] for key in sorted(found)]


def orphaned_neighbours(
    segments: Mapping[int, Segment], routes: Collection[Route], neighbours: Collection[Neighbour]
) -> list[Neighbour]:
    """Return the neighbours on served segments whose address has no route, sorted. The arguments are as above."""
    routed = {route.address for route in routes}
    return sorted(entry for entry in neighbours if entry.device in segments and entry.address not in routed)
