"""The difference between the desired hosts and the kernel's entries, as operations.

A host is a pair of entries in the kernel: a permanent neighbour and a host route over its segment. The neighbour is
added first and removed last, so that a routed packet never makes the kernel resolve the address by ARP or NDP.
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
    """Return what makes the kernel announce a route once more: as added, or, where it is not `held`, as deleted."""
    put, drop = PutRoute(route, replaces=False), DropRoute(route)
    return (drop, put) if held else (put, drop)


def entry_of(operation: Operation) -> Route | Neighbour:
    """Return the entry that an operation adds or removes."""
    match operation:
        case PutNeighbour(entry) | DropNeighbour(entry):
            return entry
        case PutRoute(entry) | DropRoute(entry):
            return entry


def plan(
    desired: Iterable[Host], routes: Iterable[Route], neighbours: Iterable[Neighbour]
) -> list[Operation]:
    """Return the operations that turn `routes` and `neighbours`, all of our protocol, into `desired`.

    Additions come before removals. Neighbours are added before routes and removed after them. Entries that are as
    desired need no operation.
    """
    desired = list(desired)
    want_routes = {item.route for item in desired}
    want_neighbours = {item.neighbour for item in desired if item.neighbour is not None}
    have_routes = set(routes)
    have_neighbours = set(neighbours)
    slots = {(route.table, route.address, route.metric) for route in have_routes}
    # Linux lets several routes have one table, prefix and metric, and a replacing one replaces one of them.
    replaced = {(route.table, route.address, route.metric) for route in want_routes - have_routes}
    kept_places = {(entry.device, entry.address) for entry in want_neighbours}
    operations: list[Operation] = []
    for item in desired:
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
