"""From what should be in the kernel to what must be done.

A host is a pair in the kernel: a permanent neighbour and the host route over its segment. The neighbour goes in
first and out last, so that there is no moment in which a routed packet makes the kernel ask the wire.
"""

from collections.abc import Iterable

from rdnbr.core.model.fib_entries import (
    DropNeighbour,
    DropRoute,
    Host,
    Neighbour,
    Operation,
    PutNeighbour,
    PutRoute,
    Route,
)


def reannouncement(route: Route, *, held: bool) -> tuple[Operation, Operation]:
    """Have the kernel tell of a route once more: that it has it, or, where it is not `held`, that it has it no more."""
    come, go = PutRoute(route, replaces=False), DropRoute(route)
    return (go, come) if held else (come, go)


def plan(wanted: Iterable[Host], routes: Iterable[Route], neighbours: Iterable[Neighbour]) -> list[Operation]:
    """Tell what turns `routes` and `neighbours`, all of our protocol, into `wanted`.

    Additions come before removals, neighbours go in before routes and out after them. What is already so costs
    nothing.
    """
    wanted = list(wanted)
    want_routes = {item.route for item in wanted}
    want_neighbours = {item.neighbour for item in wanted if item.neighbour is not None}
    have_routes = set(routes)
    have_neighbours = set(neighbours)
    slots = {(route.table, route.address, route.metric) for route in have_routes}
    # Linux lets several routes stand in one place, and takes one of them for what replaces it.
    replaced = {(route.table, route.address, route.metric) for route in want_routes - have_routes}
    kept_places = {(entry.device, entry.address) for entry in want_neighbours}
    operations: list[Operation] = []
    for item in wanted:
        if item.neighbour is not None and item.neighbour not in have_neighbours:
            operations.append(PutNeighbour(item.neighbour))
        if item.route not in have_routes:
            replaces = (item.route.table, item.route.address, item.route.metric) in slots
            operations.append(PutRoute(item.route, replaces))
    operations += [
        DropRoute(route)
        for route in sorted(have_routes - want_routes)
        if (route.table, route.address, route.metric) not in replaced
    ]
    operations += [
        DropNeighbour(entry)
        for entry in sorted(have_neighbours - want_neighbours)
        if (entry.device, entry.address) not in kept_places
    ]
    return operations
