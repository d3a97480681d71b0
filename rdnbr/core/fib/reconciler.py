"""Keeps what the kernel holds equal to what it should hold.

The unit is the address: everything of ours that concerns one address, in whatever table and on whatever device, is
planned together, so that a neighbour is never taken from under another table's route. Only addresses that changed,
on either side, are looked at.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.diff import plan, reannouncement
from rdnbr.core.fib.removal_damping import TRUCE, RemovalDamping
from rdnbr.core.model.address import IP
from rdnbr.core.model.fib_entries import (
    DropNeighbour,
    DropRoute,
    Host,
    Key,
    Neighbour,
    Operation,
    PutNeighbour,
    PutRoute,
    Route,
)
from rdnbr.core.model.reason import Reason

_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0
"""Seconds until what the kernel refused is tried again; doubles each time."""

_Entry = TypeVar("_Entry", Route, Neighbour)


class Reconciler:
    """Desired and actual, side by side."""

    def __init__(self) -> None:
        self._wanted: dict[IP, dict[Key, Host]] = {}
        self._routes: dict[IP, set[Route]] = {}
        self._neighbours: dict[IP, set[Neighbour]] = {}
        self._dirty: dict[IP, None] = {}
        self._retries: dict[IP, tuple[float, float]] = {}
        """When to try an address again, and after how long a wait."""
        self._refused: dict[Key, Reason] = {}
        self._retreats: list[Route] = []
        """Routes of ours that lead to a neighbour which is somebody else's now, or to where the guest is no more."""
        self._to_reannounce: dict[Route, None] = {}
        """Routes that the kernel should tell of once more."""
        self._echoes: set[tuple[IP, int, int]] = set()
        """Address, table and metric of routes that were taken out and put back, and not yet heard to be gone."""
        self._attempted: dict[IP, None] = {}
        self._robbed: dict[IP, None] = {}
        """Addresses of which somebody else has removed or changed an entry since the last `operations`."""
        self._thefts = RemovalDamping()
        self._contested: list[IP] = []
        """Addresses whose truce has begun, which was not told of yet."""

    def set_desired(self, key: Key, host: Host | None) -> None:
        """The kernel should hold `host` for `key`; None: nothing."""
        hosts = self._wanted.setdefault(key.address, {})
        if host is None:
            hosts.pop(key, None)
            self._refused.pop(key, None)
        else:
            hosts[key] = host
        if not hosts:
            del self._wanted[key.address]
        self._retries.pop(key.address, None)
        self._dirty[key.address] = None

    def resync_from_kernel(self, routes: Iterable[Route], neighbours: Iterable[Neighbour]) -> None:
        """The kernel was looked at anew: this is all there is of ours."""
        self._dirty |= dict.fromkeys([*self._wanted, *self._routes, *self._neighbours])
        self._routes, self._neighbours = {}, {}
        self._echoes.clear()
        for route in routes:
            self._routes.setdefault(route.address, set()).add(route)
            self._dirty[route.address] = None
        for neighbour in neighbours:
            self._neighbours.setdefault(neighbour.address, set()).add(neighbour)
            self._dirty[neighbour.address] = None

    def route_seen(self, route: Route) -> None:
        """A route of ours is there, in place of whatever had its table and metric."""
        same = self._routes.get(route.address, set())
        if route not in same:
            if self._lose_routes(route.address, table=route.table, metric=route.metric):
                self._note_foreign_change(route)
            self._routes.setdefault(route.address, set()).add(route)
            self._dirty[route.address] = None

    def route_gone(self, address: IP, table: int, metric: int, device: int | None = None) -> None:
        """No route of ours over `device` is in this place, or none any more; perhaps nobody's. None: over no device."""
        if (address, table, metric) in self._echoes:
            self._echoes.discard((address, table, metric))
            return
        if self._lose_routes(address, table=table, metric=metric, device=device):
            self._dirty[address] = self._robbed[address] = None
        else:
            self._try_refused(address)

    def route_taken(self, address: IP, table: int, metric: int) -> None:
        """Somebody else's route is in this place: ours is not put back against it, so nobody need fight."""
        if self._lose_routes(address, table=table, metric=metric):
            self._dirty[address] = None

    def neighbour_seen(self, neighbour: Neighbour) -> None:
        """A neighbour of ours is there, in place of whatever its device had for the address."""
        if neighbour not in self._neighbours.get(neighbour.address, set()):
            if self._lose_neighbours(neighbour.address, neighbour.device):
                self._note_foreign_change(neighbour)
            self._neighbours.setdefault(neighbour.address, set()).add(neighbour)
            self._dirty[neighbour.address] = None

    def neighbour_gone(self, device: int, address: IP) -> None:
        """The device has no neighbour of ours for the address, or none any more; perhaps nobody's."""
        if self._lose_neighbours(address, device):
            self._dirty[address] = self._robbed[address] = None
        else:
            self._try_refused(address)

    def neighbour_taken(self, device: int, address: IP) -> None:
        """The device has somebody else's permanent neighbour for the address; the same holds."""
        if self._lose_neighbours(address, device):
            self._dirty[address] = None

    def plan_operations(self, now: float) -> list[Operation]:
        """Return what is to be done now; what came of it must be told to `applied`."""
        self._damp_removals(now)
        due = {address: None for address, (at, _) in self._retries.items() if at <= now}
        new = {address: None for address in self._dirty if address not in self._retries}
        self._dirty.clear()
        self._attempted = new | due
        operations: list[Operation] = [
            DropRoute(route) for route in self._retreats if route.address not in self._attempted
        ]
        self._retreats = []
        for address in self._attempted:
            operations += plan(
                self._wanted.get(address, {}).values(),
                self._routes.get(address, ()),
                self._neighbours.get(address, ()),
            )
        return operations + self._reannouncements()

    def record_results(
        self, now: float, operations: Sequence[Operation], refusals: Sequence[Refusal]
    ) -> list[tuple[Key, Reason | None]]:
        """Take note of what came of `operations`.

        Returns the keys whose standing changed: with the reason when the kernel has begun to refuse them, or somebody
        keeps removing them, and with None when the kernel has taken them after all.
        """
        failed = {id(refusal.operation): refusal for refusal in refusals}
        for operation in operations:
            if id(operation) not in failed:
                self._note(operation)
        for operation in operations:
            if isinstance(operation, DropRoute) and id(operation) not in failed:
                self._expect_echo(operation.route)
        changed: list[tuple[Key, Reason | None]] = []
        trouble = {_entry(refusal.operation): refusal.reason for refusal in refusals}
        troubled = {entry.address for entry in trouble}
        taken = {
            (refusal.operation.neighbour.device, refusal.operation.neighbour.address)
            for refusal in refusals
            if isinstance(refusal.operation, PutNeighbour) and refusal.reason is Reason.FOREIGN_ROUTE
        }
        for address in self._attempted:
            if address in troubled:
                wait = min(self._retries.get(address, (0.0, _FIRST_RETRY / 2))[1] * 2, _LAST_RETRY)
                self._retries[address] = (now + wait, wait)
            else:
                self._retries.pop(address, None)
            for key, host in self._wanted.get(address, {}).items():
                # A new route would be refused there as well: it would lead to whomever the other neighbour names. And
                # where one does not come into the place of an old one, that leads to where the guest is no more.
                self._retreats += [
                    route
                    for route in self._routes.get(address, ())
                    if (route.table, route.metric) == (key.table, host.metric)
                    and ((route.device, address) in taken or (route != host.route and host.route in trouble))
                ]
                reason = trouble.get(host.route) or (trouble.get(host.neighbour) if host.neighbour else None)
                if reason is not None:
                    changed.append((key, reason))
                    self._refused[key] = reason
                elif self._refused.pop(key, None):
                    changed.append((key, None))
        self._attempted = {}
        return changed + self._begin_hold_downs()

    def retry_all(self, now: float) -> None:
        """Something about the devices changed: what the kernel refused, it may take now.

        And what it takes away because of that, nobody stole.
        """
        self._dirty |= dict.fromkeys(self._retries)
        self._retries.clear()
        self._robbed.clear()
        self._thefts.expect_removals(now)

    def desired(self, address: IP) -> list[Host]:
        """Return what the kernel should hold for an address, in whatever tables."""
        return list(self._wanted.get(address, {}).values())

    def retry_at(self, address: IP) -> float | None:
        """Tell when it is tried again to put in what the kernel refused or somebody keeps removing."""
        return self._retries.get(address, (None, 0.0))[0]

    def reannounce(self, route: Route) -> None:
        """Have the kernel tell of a route once more: who listens may have missed that it came, or that it went."""
        self._to_reannounce[route] = None

    def next_deadline(self) -> float | None:
        """Tell when `operations` has something to do again."""
        if self._retreats or self._to_reannounce:
            return float("-inf")
        return min((at for at, _ in self._retries.values()), default=None)

    def _reannouncements(self) -> list[Operation]:
        operations: list[Operation] = []
        for route in self._to_reannounce:
            wanted = route in (host.route for host in self.desired(route.address))
            if wanted and route in self._routes.get(route.address, ()):
                operations += reannouncement(route, held=True)
                self._attempted[route.address] = None
            elif not self._wanted.get(route.address) and not self._routes.get(route.address):
                operations += reannouncement(route, held=False)
        self._to_reannounce = {}
        return operations

    def _expect_echo(self, route: Route) -> None:
        """A route that was taken out and put back will be heard to be gone: nobody stole it."""
        if route in self._routes.get(route.address, ()):
            self._echoes.add((route.address, route.table, route.metric))

    def _begin_hold_downs(self) -> list[tuple[Key, Reason | None]]:
        keys = [host.key for address in self._contested for host in self.desired(address)]
        self._contested = []
        self._refused |= dict.fromkeys(keys, Reason.CONTESTED)
        return [(key, Reason.CONTESTED) for key in keys]

    def _try_refused(self, address: IP) -> None:
        """Something that was not ours went: what the kernel refused for its sake, it may take now."""
        if any(self._refused.get(key) is Reason.FOREIGN_ROUTE for key in self._wanted.get(address, ())):
            self._retries.pop(address, None)
            self._dirty[address] = None

    def _note_foreign_change(self, entry: Route | Neighbour) -> None:
        """Somebody put another in the place of ours; it was ourselves if it is what is wanted."""
        hosts = self._wanted.get(entry.address, {}).values()
        if all(entry not in (host.route, host.neighbour) for host in hosts):
            self._robbed[entry.address] = None

    def _damp_removals(self, now: float) -> None:
        for address in self._robbed:
            if address not in self._wanted or address in self._retries:
                continue
            wait = self._thefts.hold_down(now, address)
            if wait:
                self._retries[address] = (now + wait, wait)
            if wait == TRUCE:
                self._contested.append(address)
        self._robbed.clear()

    def _note(self, operation: Operation) -> None:
        match operation:
            case PutNeighbour(neighbour):
                self._lose_neighbours(neighbour.address, neighbour.device)
                self._neighbours.setdefault(neighbour.address, set()).add(neighbour)
            case PutRoute(route):
                self._lose_routes(route.address, table=route.table, metric=route.metric)
                self._routes.setdefault(route.address, set()).add(route)
            case DropRoute(route):
                self._lose_routes(route.address, table=route.table, metric=route.metric, device=route.device)
            case DropNeighbour(neighbour):
                self._lose_neighbours(neighbour.address, neighbour.device)

    def _lose_routes(self, address: IP, *, table: int, metric: int, device: int | None = None) -> bool:
        def is_lost(route: Route) -> bool:
            return (route.table, route.metric) == (table, metric) and device in (None, route.device)

        return _lose(self._routes, address, is_lost)

    def _lose_neighbours(self, address: IP, device: int) -> bool:
        return _lose(self._neighbours, address, lambda neighbour: neighbour.device == device)


def _lose(index: dict[IP, set[_Entry]], address: IP, lost: Callable[[_Entry], bool]) -> bool:
    kept = {entry for entry in index.get(address, ()) if not lost(entry)}
    changed = len(kept) != len(index.get(address, ()))
    if kept:
        index[address] = kept
    else:
        index.pop(address, None)
    return changed


def _entry(operation: Operation) -> Route | Neighbour:
    match operation:
        case PutNeighbour(entry) | DropNeighbour(entry):
            return entry
        case PutRoute(entry) | DropRoute(entry):
            return entry
