"""Our routes and neighbours in the kernel: put in, taken out, read back. Nobody else's are touched.

The kernel itself guards routes: a new one is asked for with NLM_F_EXCL, and a delete names our protocol. It does not
guard a route that is replaced, nor neighbours, whose messages replace and remove whatever stands at (device, address);
so before each of those it is asked what stands there. That costs 4 µs a neighbour, and needs no record of ours that
would have to be kept true.
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
"""What the kernel says to a delete when there is nothing to delete: no route, neighbour or device."""


class KernelFib:
    """The kernel's tables in the network namespace this was made in.

    Raises:
        OSError: netlink does not work here at all.
    """

    def __init__(self) -> None:
        self._netlink = NetlinkSocket()

    def close(self) -> None:
        """Close; everything installed stays."""
        self._netlink.close()

    def apply(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Carry out `operations` in their order and return those that failed.

        Raises:
            OSError: the kernel did not answer at all.
        """
        standing = self._standing(operations)
        replacing = [one.route for one in operations if isinstance(one, PutRoute) and one.replaces]
        held = self._held() if replacing else {}
        behind = self._behind(held, replacing)
        refusals: list[Refusal] = []
        barred: dict[tuple[int, bytes], Entry] = {}
        asked: list[tuple[Operation, Request]] = []
        for operation in operations:
            match operation:
                case PutNeighbour(neighbour):
                    there = standing.get((neighbour.device, neighbour.address))
                    if there is not None and there.settled and not there.ours:
                        refusals.append(_foreign_neighbour(operation, there))
                        barred[neighbour.device, neighbour.address] = there
                    else:
                        standing.pop((neighbour.device, neighbour.address), None)
                        asked.append((operation, put_neighbour(neighbour)))
                case PutRoute(route) if (route.device, route.address) in barred:
                    # It would lead to whatever MAC the other entry names.
                    refusals.append(_foreign_neighbour(operation, barred[route.device, route.address]))
                case PutRoute(route) if place(route) in behind:
                    refusals.append(Refusal(operation, Reason.FOREIGN_ROUTE, _FOREIGN_ROUTE))
                case PutRoute(route):
                    asked.append((operation, new_route(route, replace=place(route) in held)))
                case DropRoute(route):
                    asked.append((operation, drop_route(route)))
                case DropNeighbour(neighbour):
                    there = standing.get((neighbour.device, neighbour.address))
                    if there is None or there.ours:
                        asked.append((operation, drop_neighbour(neighbour)))
                case _:
                    assert_never(operation)
        answers = self._netlink.request([request for _, request in asked])
        failed = [
            (operation, answer)
            for (operation, _), answer in zip(asked, answers, strict=True)
            if answer.code and not _already_so(operation, answer)
        ]
        return refusals + self._settle(failed)

    def read_entries(self, tables: Collection[int] | None = None) -> tuple[set[Route], set[Neighbour]]:
        """Return what there is of our protocol: routes of `tables` (None: of all), and all neighbours.

        Raises:
            OSError: the kernel did not answer.
        """
        routes = {route for route in self._routes() if tables is None or route.table in tables}
        entries = (read_neighbour(message.body) for message in self._netlink.dump(dump_neighbours()))
        return routes, {entry.neighbour for entry in entries if entry is not None and entry.ours}

    def _settle(self, failed: Sequence[tuple[Operation, Answer]]) -> list[Refusal]:
        """Turn failures into refusals, except where an unknown route of ours held the place: replace that."""
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
        behind = self._behind(held, [operation.route for operation in again])
        refusals += [
            Refusal(operation, Reason.FOREIGN_ROUTE, _FOREIGN_ROUTE)
            for operation in again
            if place(operation.route) in behind
        ]
        again = [operation for operation in again if place(operation.route) not in behind]
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

    def _behind(self, held: Mapping[Place, Sequence[Route]], wanted: Iterable[Route]) -> set[Place]:
        """Return those places of `wanted` where somebody has put a route in front of ours, as `ip route prepend` does.

        What stands in front is what the kernel would replace. To replace an IPv4 route by itself changes nothing, and
        fails with EEXIST if it is not in front (net/ipv4/fib_trie.c, fib_table_insert). In IPv6 later routes stand
        behind (net/ipv6/ip6_fib.c, fib6_add_rt2node).
        """
        places = {place(route) for route in wanted if len(route.address) == 4}
        ours = [route for there in places for route in held.get(there, ())]
        answers = self._netlink.request([new_route(route, replace=True) for route in ours])
        front = {place(route) for route, answer in zip(ours, answers, strict=True) if answer.code != EEXIST}
        return {place(route) for route in ours} - front

    def _standing(self, operations: Sequence[Operation]) -> dict[tuple[int, bytes], Entry]:
        """Ask what neighbours there are where `operations` would put or drop one."""
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
