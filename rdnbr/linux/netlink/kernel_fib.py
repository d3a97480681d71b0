"""Installs, removes and reads our routes and neighbours in the kernel. Foreign entries are never changed.

For routes the kernel ensures that: a new route is requested with NLM_F_EXCL, and a removal names our protocol. The
kernel does not ensure it when a route is replaced, nor for neighbours, since a neighbour message replaces or removes
any entry at (device, address). So the present entries are read before each of those. That costs 4 µs a neighbour, and
needs no record that could differ from the kernel's state.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from errno import EEXIST, ENODEV, ENOENT, ESRCH
from socket import AF_INET, AF_INET6
from typing import assert_never

from rdnbr.core.fib.backend import PROTOCOL, Refusal
from rdnbr.core.model.address import show_mac
from rdnbr.core.model.fib_entries import (
    DropNeighbour,
    DropRoute,
    Neighbour,
    Operation,
    PutNeighbour,
    PutRoute,
    Route,
)
from rdnbr.core.model.reason import Reason
from rdnbr.linux.netlink.netlink_socket import Answer, NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import (
    Entry,
    Place,
    Request,
    drop_neighbour,
    drop_route,
    dump_neighbours,
    dump_routes,
    get_neighbour,
    new_route,
    place,
    put_neighbour,
    read_neighbour,
    read_route,
)

_ALREADY_GONE = frozenset({ESRCH, ENOENT, ENODEV})
"""Errors of a removal when the route, the neighbour or the device does not exist."""


class KernelFib:
    """The routes and neighbours in the network namespace in which it was created.

    Raises:
        OSError: a netlink socket cannot be opened.
    """

    def __init__(self) -> None:
        self._netlink = NetlinkSocket()

    def close(self) -> None:
        """Close the socket; all installed entries stay."""
        self._netlink.close()

    def apply(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Carry out `operations` in their order and return those that failed.

        Raises:
            OSError: the kernel did not answer. Any of the operations may have been carried out.
        """
        present = self._read_neighbours(operations)
        replacing = [one.route for one in operations if isinstance(one, PutRoute) and one.replaces]
        held = self._held() if replacing else {}
        prepended = self._prepended(held, replacing)
        refusals: list[Refusal] = []
        foreign: dict[tuple[int, bytes], Entry] = {}
        requests: list[tuple[Operation, Request]] = []
        for operation in operations:
            match operation:
                case PutNeighbour(neighbour):
                    there = present.get((neighbour.device, neighbour.address))
                    if there is not None and there.configured and not there.ours:
                        refusals.append(_foreign_neighbour(operation, there))
                        foreign[neighbour.device, neighbour.address] = there
                    else:
                        present.pop((neighbour.device, neighbour.address), None)
                        requests.append((operation, put_neighbour(neighbour)))
                case PutRoute(route) if (route.device, route.address) in foreign:
                    # The route would lead to the MAC of the foreign entry.
                    refusals.append(_foreign_neighbour(operation, foreign[route.device, route.address]))
                case PutRoute(route) if place(route) in prepended:
                    refusals.append(Refusal(operation, Reason.FOREIGN_ROUTE, _FOREIGN_ROUTE))
                case PutRoute(route):
                    requests.append((operation, new_route(route, replace=place(route) in held)))
                case DropRoute(route):
                    requests.append((operation, drop_route(route)))
                case DropNeighbour(neighbour):
                    there = present.get((neighbour.device, neighbour.address))
                    if there is None or there.ours:
                        requests.append((operation, drop_neighbour(neighbour)))
                case _:
                    assert_never(operation)
        answers = self._netlink.request([request for _, request in requests])
        failed = [
            (operation, answer)
            for (operation, _), answer in zip(requests, answers, strict=True)
            if answer.code and not _already_so(operation, answer)
        ]
        return refusals + self._resolve_failures(failed)

    def read_entries(self, tables: Collection[int] | None = None) -> tuple[set[Route], set[Neighbour]]:
        """Return the entries of our protocol: routes of `tables` (None: of all), and all neighbours.

        Raises:
            OSError: the kernel did not answer.
        """
        routes = {route for route in self._routes() if tables is None or route.table in tables}
        entries = (read_neighbour(message.body) for message in self._netlink.dump(dump_neighbours()))
        return routes, {entry.neighbour for entry in entries if entry is not None and entry.ours}

    def _resolve_failures(self, failed: Sequence[tuple[Operation, Answer]]) -> list[Refusal]:
        """Return the refusals for failed requests.

        If an unknown route of ours held the place of a new route, that route is replaced instead.
        """
        occupied = [one for one in failed if isinstance(one[0], PutRoute) and one[1].code == EEXIST]
        held = self._held() if occupied else {}
        refusals: list[Refusal] = []
        again: list[PutRoute] = []
        for operation, answer in failed:
            if not isinstance(operation, PutRoute) or answer.code != EEXIST:
                refusals.append(Refusal(operation, Reason.KERNEL_REFUSED, answer.text))
            elif place(operation.route) not in held:
                refusals.append(Refusal(operation, Reason.FOREIGN_ROUTE, _FOREIGN_ROUTE))
            elif operation.route not in held[place(operation.route)]:
                again.append(operation)
        prepended = self._prepended(held, [operation.route for operation in again])
        refusals += [
            Refusal(operation, Reason.FOREIGN_ROUTE, _FOREIGN_ROUTE)
            for operation in again
            if place(operation.route) in prepended
        ]
        again = [operation for operation in again if place(operation.route) not in prepended]
        answers = self._netlink.request([new_route(operation.route, replace=True) for operation in again])
        return refusals + [
            Refusal(operation, Reason.KERNEL_REFUSED, answer.text)
            for operation, answer in zip(again, answers, strict=True)
            if answer.code
        ]

    def _routes(self) -> Iterable[Route]:
        for family in (AF_INET, AF_INET6):
            for message in self._netlink.dump(dump_routes(family, protocol=PROTOCOL)):
                route = read_route(message.body)
                if route is not None:
                    yield route

    def _held(self) -> dict[Place, list[Route]]:
        held: dict[Place, list[Route]] = {}
        for route in self._routes():
            held.setdefault(place(route), []).append(route)
        return held

    def _prepended(self, held: Mapping[Place, Sequence[Route]], wanted: Iterable[Route]) -> set[Place]:
        """Return the places of `wanted` where a foreign route precedes ours, as after `ip route prepend`.

        The kernel would replace the route that comes first. A request to replace an IPv4 route by itself changes
        nothing, and fails with EEXIST if that route does not come first (net/ipv4/fib_trie.c, fib_table_insert). In
        IPv6 a later route comes after ours (net/ipv6/ip6_fib.c, fib6_add_rt2node).
        """
        places = {place(route) for route in wanted if len(route.address) == 4}
        ours = [route for there in places for route in held.get(there, ())]
        answers = self._netlink.request([new_route(route, replace=True) for route in ours])
        front = {place(route) for route, answer in zip(ours, answers, strict=True) if answer.code != EEXIST}
        return {place(route) for route in ours} - front

    def _read_neighbours(self, operations: Sequence[Operation]) -> dict[tuple[int, bytes], Entry]:
        """Read the neighbours that `operations` would replace or remove, by device and address."""
        wanted = [one.neighbour for one in operations if isinstance(one, PutNeighbour | DropNeighbour)]
        answers = self._netlink.request([get_neighbour(neighbour) for neighbour in wanted])
        entries = (read_neighbour(answer.body) for answer in answers if answer.body)
        return {(entry.device, entry.address): entry for entry in entries if entry is not None}


_FOREIGN_ROUTE = "another program's route holds this prefix and metric; rdnbr leaves it alone"


def _foreign_neighbour(operation: Operation, there: Entry) -> Refusal:
    mac = show_mac(there.neighbour.mac) if there.mac else "no MAC"
    text = f"somebody else's permanent neighbour entry, with {mac}, holds this address; rdnbr leaves it alone"
    return Refusal(operation, Reason.FOREIGN_ROUTE, text)


def _already_so(operation: Operation, answer: Answer) -> bool:
    return isinstance(operation, DropRoute | DropNeighbour) and answer.code in _ALREADY_GONE
