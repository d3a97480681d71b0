"""What of ours in the kernel is believed at start.

A daemon that was killed between two operations, or somebody's hand, leaves halves behind. What they say:

1. A route over a served segment, with its neighbour there, was proved once.
2. Where a route has no neighbour on its device, a neighbour of the address on a served segment tells where it belongs.
3. Where there is no such neighbour either, a route over a served segment is believed, and its MAC asked for.
4. A neighbour without any route may have been about to come, or to go, or somebody flushed the routes. It makes no
   route, but its guest is asked.

The first that holds counts. Of two routes that differ in their metric, the lower is the one that counted until now.
Whatever else carries our protocol (another table, a device that is not served) has nobody who would withdraw it when
its guest goes, so it is not believed, and thus removed.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from rdnbr.core.model.address import MAC
from rdnbr.core.model.fib_entries import Key, Neighbour, Route
from rdnbr.core.model.interfaces import Segment


class Find(NamedTuple):
    """An address to adopt."""

    key: Key
    device: int
    """ifindex of its segment."""
    mac: MAC | None
    """None where the route had lost its neighbour."""
    metric: int | None
    """Of its route; None where that is not in its table or leads elsewhere."""


def finds(
    segments: Mapping[int, Segment], routes: Collection[Route], neighbours: Collection[Neighbour]
) -> list[Find]:
    """Tell what of `routes` and `neighbours`, all of our protocol, is to be adopted, each key once."""
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
    whole = served & macs.keys()
    halves = {route.address for route in routes if (route.address, route.device) not in whole}
    elsewhere = {(address, device) for address, device in macs if address in halves and device in segments}
    found: dict[Key, Find] = {}
    for address, device in (*sorted(whole), *sorted(elsewhere), *sorted(served)):
        key = Key(segments[device].table, address)
        mac, metric = macs.get((address, device)), metrics.get((key, device))
        found.setdefault(key, Find(key, device, mac, metric))
    return [found[key] for key in sorted(found)]


def remnants(
    segments: Mapping[int, Segment], routes: Collection[Route], neighbours: Collection[Neighbour]
) -> list[Neighbour]:
    """Tell which neighbours over served segments have lost their route, or never had one."""
    routed = {route.address for route in routes}
    return sorted(entry for entry in neighbours if entry.device in segments and entry.address not in routed)
