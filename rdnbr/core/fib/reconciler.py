"""Keeps what the kernel holds equal to the desired hosts.

The unit is the address: all entries of ours for one address, in every table and on every device, are planned together,
so that a neighbour is never removed while the route of another table needs it. Only addresses that changed, on either
side, are planned.

One rule makes that enough. For each address, what the kernel is known to hold equals what is desired, unless the
address is in `_dirty` (it is planned next), in `_retries` (it is planned when its wait is over) or in `_attempted` (the
result of the last operations is not recorded yet).
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.diff import entry_of, plan, reannouncement
from rdnbr.core.fib.removal_damping import HOLD_DOWN, RemovalDamping
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
from rdnbr.core.primitives.back_off import BackOff

_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0
"""Seconds until an entry that the kernel refused is put again. The wait doubles with each refusal."""

_Entry = TypeVar("_Entry", Route, Neighbour)


class Reconciler:
    """The desired hosts, what the kernel is known to hold, and what is to be done about the difference."""

    def __init__(self) -> None:
        self._desired: dict[IP, dict[Key, Host]] = {}
        self._routes: dict[IP, set[Route]] = {}
        self._neighbours: dict[IP, set[Neighbour]] = {}
        self._all_routes: set[Route] = set()
        """The same as `_routes`, in one set, which is compared with the kernel's at once."""
        self._all_neighbours: set[Neighbour] = set()
        self._dirty: dict[IP, None] = {}
        self._retries: dict[IP, BackOff] = {}
        """Addresses that wait: the kernel refused an entry, or another program keeps removing entries."""
        self._refused: dict[Key, Reason] = {}
        self._to_withdraw: list[Route] = []
        """Routes of ours over a neighbour that belongs to another program now, or over a device that the guest left."""
        self._to_reannounce: dict[Route, None] = {}
        """Routes that the kernel should announce once more."""
        self._expected_deletes: set[tuple[IP, int, int]] = set()
        """Address, table and metric of routes that were removed and put again, while their delete is not yet read."""
        self._attempted: dict[IP, None] = {}
        self._removed_by_others: dict[IP, None] = {}
        """Addresses of which another program has removed or changed an entry since the last `plan_operations`."""
        self._damping: RemovalDamping[IP] = RemovalDamping()
        self._new_hold_downs: list[IP] = []
        """Addresses whose hold-down has begun and is not reported yet."""

    def set_desired(self, key: Key, host: Host | None) -> None:
        """From now on the kernel should hold `host` for `key`; None: nothing."""
        hosts = self._desired.setdefault(key.address, {})
        if host is None:
            hosts.pop(key, None)
            self._refused.pop(key, None)
        else:
            hosts[key] = host
        if not hosts:
            del self._desired[key.address]
        self._retries.pop(key.address, None)
        self._dirty[key.address] = None

    def resync_from_kernel(self, routes: AbstractSet[Route], neighbours: AbstractSet[Neighbour]) -> None:
        """Take over what a dump of the kernel's tables has found: all entries of ours.

        Only addresses that differ from what was known are planned again, and those whose operations have no recorded
        result. For all others the known entries are the desired ones, or a retry is planned already.
        """
        self._dirty |= self._attempted
        self._attempted = {}
        self._expected_deletes.clear()
        if routes != self._all_routes:
            for route in self._all_routes - routes:
                self._lose_routes(route.address, table=route.table, metric=route.metric, device=route.device)
                self._dirty[route.address] = None
            for route in routes - self._all_routes:
                self._add_route(route)
                self._dirty[route.address] = None
        if neighbours != self._all_neighbours:
            for neighbour in self._all_neighbours - neighbours:
                self._lose_neighbours(neighbour.address, neighbour.device)
                self._dirty[neighbour.address] = None
            for neighbour in neighbours - self._all_neighbours:
                self._add_neighbour(neighbour)
                self._dirty[neighbour.address] = None

    def route_added(self, route: Route) -> None:
        """The kernel holds a route of ours, in place of the one with its table and metric."""
        same = self._routes.get(route.address, set())
        if route not in same:
            if self._lose_routes(route.address, table=route.table, metric=route.metric):
                self._note_foreign_change(route)
            self._add_route(route)
            self._dirty[route.address] = None

    def route_removed(self, address: IP, table: int, metric: int, device: int | None = None) -> None:
        """The kernel holds no route of ours over `device` (None: over any) with this table and metric, or no longer."""
        if (address, table, metric) in self._expected_deletes:
            self._expected_deletes.discard((address, table, metric))
            return
        if self._lose_routes(address, table=table, metric=metric, device=device):
            self._dirty[address] = self._removed_by_others[address] = None
        else:
            self._try_refused(address)

    def route_taken(self, address: IP, table: int, metric: int) -> None:
        """Another program's route has this table and metric. Ours is not put back against it."""
        if self._lose_routes(address, table=table, metric=metric):
            self._dirty[address] = None

    def neighbour_added(self, neighbour: Neighbour) -> None:
        """The kernel holds a neighbour of ours, in place of the one with its device and address."""
        if neighbour not in self._neighbours.get(neighbour.address, set()):
            if self._lose_neighbours(neighbour.address, neighbour.device):
                self._note_foreign_change(neighbour)
            self._add_neighbour(neighbour)
            self._dirty[neighbour.address] = None

    def neighbour_removed(self, device: int, address: IP) -> None:
        """The kernel holds no neighbour of ours with this device and address, or no longer."""
        if self._lose_neighbours(address, device):
            self._dirty[address] = self._removed_by_others[address] = None
        else:
            self._try_refused(address)

    def neighbour_taken(self, device: int, address: IP) -> None:
        """Another program's permanent neighbour has this device and address. Ours is not put back against it."""
        if self._lose_neighbours(address, device):
            self._dirty[address] = None

    def plan_operations(self, now: float) -> list[Operation]:
        """Return the operations to apply now. Their results go to `record_results`.

        Addresses whose results were never recorded, since applying them raised, are planned again.
        """
        self._dirty |= self._attempted
        self._damp_removals(now)
        due = {address: None for address, back_off in self._retries.items() if back_off.is_due(now)}
        new = {address: None for address in self._dirty if address not in self._retries}
        self._dirty.clear()
        self._attempted = new | due
        operations: list[Operation] = [
            DropRoute(route) for route in self._to_withdraw if route.address not in self._attempted
        ]
        self._to_withdraw = []
        for address in self._attempted:
            operations += plan(
                self._desired.get(address, {}).values(),
                self._routes.get(address, ()),
                self._neighbours.get(address, ()),
            )
        return operations + self._reannouncements()

    def record_results(
        self, now: float, operations: Sequence[Operation], refusals: Sequence[Refusal]
    ) -> list[tuple[Key, Reason | None]]:
        """Record the results of `operations`, of which `refusals` failed.

        Returns:
            Keys with the reason why the kernel does not hold their hosts: it refused an entry, or another program keeps
            removing them. None instead of a reason: the kernel holds the host now, which it did not before.
        """
        failed = {id(refusal.operation): refusal for refusal in refusals}
        for operation in operations:
            if id(operation) not in failed:
                self._record_success(operation)
        for operation in operations:
            if isinstance(operation, DropRoute) and id(operation) not in failed:
                self._expect_delete(operation.route)
        changed: list[tuple[Key, Reason | None]] = []
        refused = {entry_of(refusal.operation): refusal.reason for refusal in refusals}
        refused_addresses = {entry.address for entry in refused}
        taken = {
            (refusal.operation.neighbour.device, refusal.operation.neighbour.address)
            for refusal in refusals
            if isinstance(refusal.operation, PutNeighbour) and refusal.reason is Reason.FOREIGN_ROUTE
        }
        for address in self._attempted:
            if address in refused_addresses:
                self._back_off(address).record_failure(now)
            else:
                self._retries.pop(address, None)
            for key, host in self._desired.get(address, {}).items():
                # A route over another program's neighbour would lead to that neighbour's MAC. A route that could not be
                # replaced leads over the device that the guest has left.
                self._to_withdraw += [
                    route
                    for route in self._routes.get(address, ())
                    if (route.table, route.metric) == (key.table, host.metric)
                    and ((route.device, address) in taken or (route != host.route and host.route in refused))
                ]
                reason = refused.get(host.route) or (refused.get(host.neighbour) if host.neighbour else None)
                if reason is not None:
                    changed.append((key, reason))
                    self._refused[key] = reason
                elif self._refused.pop(key, None):
                    changed.append((key, None))
        self._attempted = {}
        return changed + self._begin_hold_downs()

    def retry_all(self, now: float) -> None:
        """Devices have changed: what the kernel refused before, it may accept now.

        Entries that go because of that were not removed by another program.
        """
        self._dirty |= dict.fromkeys(self._retries)
        self._retries.clear()
        self._removed_by_others.clear()
        self._damping.expect_removals(now)

    def desired(self, address: IP) -> list[Host]:
        """Return what the kernel should hold for an address, in all tables."""
        return list(self._desired.get(address, {}).values())

    def retry_at(self, address: IP) -> float | None:
        """Return when a refused or held-down address is planned again; None if it does not wait."""
        back_off = self._retries.get(address)
        return None if back_off is None else back_off.retry_at

    def reannounce(self, route: Route) -> None:
        """Have the kernel announce a route once more: a listener may have missed that it was added or removed."""
        self._to_reannounce[route] = None

    def next_deadline(self) -> float | None:
        """Return when `plan_operations` has something to do again; None: when something changes."""
        if self._to_withdraw or self._to_reannounce:
            return float("-inf")
        waits = (back_off.retry_at for back_off in self._retries.values())
        return min((at for at in waits if at is not None), default=None)

    def _reannouncements(self) -> list[Operation]:
        operations: list[Operation] = []
        for route in self._to_reannounce:
            wanted = route in (host.route for host in self.desired(route.address))
            if wanted and route in self._routes.get(route.address, ()):
                operations += reannouncement(route, held=True)
                self._attempted[route.address] = None
            elif not self._desired.get(route.address) and not self._routes.get(route.address):
                operations += reannouncement(route, held=False)
        self._to_reannounce = {}
        return operations

    def _expect_delete(self, route: Route) -> None:
        """The kernel will announce the delete of a route that was removed and put again: no other program did that."""
        if route in self._routes.get(route.address, ()):
            self._expected_deletes.add((route.address, route.table, route.metric))

    def _begin_hold_downs(self) -> list[tuple[Key, Reason | None]]:
        keys = [host.key for address in self._new_hold_downs for host in self.desired(address)]
        self._new_hold_downs = []
        self._refused |= dict.fromkeys(keys, Reason.CONTESTED)
        return [(key, Reason.CONTESTED) for key in keys]

    def _try_refused(self, address: IP) -> None:
        """An entry of another program went: what the kernel refused because of it, it may accept now."""
        if any(self._refused.get(key) is Reason.FOREIGN_ROUTE for key in self._desired.get(address, ())):
            self._retries.pop(address, None)
            self._dirty[address] = None

    def _note_foreign_change(self, entry: Route | Neighbour) -> None:
        """An entry of ours was replaced: by another program, unless the new one is desired."""
        hosts = self._desired.get(entry.address, {}).values()
        if all(entry not in (host.route, host.neighbour) for host in hosts):
            self._removed_by_others[entry.address] = None

    def _damp_removals(self, now: float) -> None:
        for address in self._removed_by_others:
            if address not in self._desired or address in self._retries:
                continue
            wait = self._damping.hold_down(now, address)
            if wait:
                self._back_off(address).hold_down(now, wait)
            if wait == HOLD_DOWN:
                self._new_hold_downs.append(address)
        self._removed_by_others.clear()

    def _back_off(self, address: IP) -> BackOff:
        return self._retries.setdefault(address, BackOff(_FIRST_RETRY, _LAST_RETRY))

    def _add_route(self, route: Route) -> None:
        self._routes.setdefault(route.address, set()).add(route)
        self._all_routes.add(route)

    def _add_neighbour(self, neighbour: Neighbour) -> None:
        self._neighbours.setdefault(neighbour.address, set()).add(neighbour)
        self._all_neighbours.add(neighbour)

    def _record_success(self, operation: Operation) -> None:
        match operation:
            case PutNeighbour(neighbour):
                self._lose_neighbours(neighbour.address, neighbour.device)
                self._add_neighbour(neighbour)
            case PutRoute(route):
                self._lose_routes(route.address, table=route.table, metric=route.metric)
                self._add_route(route)
            case DropRoute(route):
                self._lose_routes(route.address, table=route.table, metric=route.metric, device=route.device)
            case DropNeighbour(neighbour):
                self._lose_neighbours(neighbour.address, neighbour.device)

    def _lose_routes(self, address: IP, *, table: int, metric: int, device: int | None = None) -> bool:
        def is_lost(route: Route) -> bool:
            return (route.table, route.metric) == (table, metric) and device in (None, route.device)

        return _lose(self._routes, self._all_routes, address, is_lost)

    def _lose_neighbours(self, address: IP, device: int) -> bool:
        def is_lost(neighbour: Neighbour) -> bool:
            return neighbour.device == device

        return _lose(self._neighbours, self._all_neighbours, address, is_lost)


def _lose(
    index: dict[IP, set[_Entry]], entries: set[_Entry], address: IP, is_lost: Callable[[_Entry], bool]
) -> bool:
    """Remove the entries of an address that are lost. Return whether there were any."""
    present = index.get(address)
    lost = {entry for entry in present if is_lost(entry)} if present else set()
    if not present or not lost:
        return False
    entries -= lost
    present -= lost
    if not present:
        del index[address]
    return True
