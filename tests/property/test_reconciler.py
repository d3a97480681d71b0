"""Desired and actual, whatever is wished, refused, deleted or missed: in the end they are equal."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.diff import plan
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.reconciler import Reconciler
from rdnbr.core.model.address import IP, parse_ip, parse_mac
from rdnbr.core.model.fib_entries import Host, Key, Neighbour, Operation, PutNeighbour, PutRoute, Route, host
from rdnbr.core.model.reason import Reason

ADDRESSES = [parse_ip(text) for text in ("10.0.0.1", "10.0.0.2", "2001:db8::1")]
MACS = [parse_mac(f"52:02:45:00:00:0{number}") for number in (1, 2)]

hosts = st.builds(
    host,
    st.sampled_from([254, 100]),
    st.sampled_from(ADDRESSES),
    st.sampled_from([1, 2]),
    st.sampled_from(MACS),
    st.sampled_from([None, None, 7, 8]),
)
keys = st.builds(Key, st.sampled_from([254, 100]), st.sampled_from(ADDRESSES))
steps = st.one_of(
    st.tuples(st.just("want"), hosts),
    st.tuples(st.just("unwant"), keys),
    st.tuples(st.just("turn"), st.floats(0, 70), st.just([]) | st.lists(st.booleans(), max_size=4)),
    st.tuples(st.just("stray"), hosts, st.booleans()),
    st.tuples(st.just("delete"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("device"), st.sampled_from([1, 2]), st.booleans()),
    st.tuples(st.just("foreign"), st.sampled_from([1, 2]), st.sampled_from(ADDRESSES), st.booleans()),
    st.tuples(st.just("resync")),
    st.tuples(st.just("unanswered"), st.integers(0, 4)),
    st.tuples(st.just("try again")),
)


class FailingKernel(FakeKernel):
    """Fails those operations of a batch that it is told to."""

    fails: tuple[bool, ...] = ()

    def apply(self, operations):
        failing = [operation for operation, fails in zip(operations, self.fails, strict=False) if fails]
        refusals = [Refusal(operation, Reason.KERNEL_REFUSED, "not now") for operation in failing]
        return refusals + super().apply(
            [one for one in operations if all(one is not other for other in failing)]
        )


class Both:
    def __init__(self) -> None:
        self.now = 0.0
        self.kernel = FailingKernel({1: "vmbr1", 2: "vmbr2"})
        self.desired = Reconciler()
        self.wanted: dict[Key, Host] = {}
        self.refused: set[Key] = set()
        self.foreign: set[tuple[int, IP]] = set()
        """Neighbours that somebody else holds."""

    def does(self, step: tuple) -> None:
        match step:
            case ("want", item):
                # Two tables share the neighbour of a device: the engine never wants two MACs for one.
                others = [held for key, held in self.wanted.items() if key != item.key]
                if all((h.key.address, h.device) != (item.key.address, item.device) for h in others):
                    self.wanted[item.key] = item
                    self.desired.set_desired(item.key, item)
            case ("unwant", key):
                self.wanted.pop(key, None)
                self.refused.discard(key)
                self.desired.set_desired(key, None)
            case ("turn", wait, fails):
                self.now += wait
                self.turn(tuple(fails))
            case ("stray", item, heard):
                self.kernel.fails = ()
                refusals = self.kernel.apply(plan_put(item))
                if heard and not refusals:
                    self.desired.neighbour_added(item.neighbour)
                    self.desired.route_added(item.route)
            case ("delete", number, heard):
                self.deletes(number, heard=heard)
            case ("device", index, heard):
                self.loses(index, heard=heard)
            case ("foreign", device, address, stands):
                if stands:
                    self.kernel.add_foreign_neighbour(device, address)
                    self.foreign.add((device, address))
                    self.desired.neighbour_taken(device, address)
                elif (device, address) in self.foreign:
                    self.kernel.remove_foreign_neighbour(device, address)
                    self.foreign.discard((device, address))
                    self.desired.neighbour_removed(device, address)
            case ("resync",):
                self.resync()
            case ("unanswered", carried_out):
                self.kernel.fails = ()
                self.kernel.apply(self.desired.plan_operations(self.now)[:carried_out])
                self.resync()
            case ("try again",):
                self.desired.retry_all(self.now)

    def resync(self) -> None:
        """Compare with the kernel: each address that differs is planned, as if all of them were compared."""
        self.desired.resync_from_kernel(*self.kernel.read_entries())
        routes, neighbours = self.kernel.read_entries()
        waiting = self.desired._dirty.keys() | self.desired._retries.keys()
        for address in ADDRESSES:
            there = [route for route in routes if route.address == address]
            entries = [entry for entry in neighbours if entry.address == address]
            assert self.desired._routes.get(address, set()) == set(there)
            assert self.desired._neighbours.get(address, set()) == set(entries)
            assert address in waiting or not plan(self.desired.desired(address), there, entries)

    def turn(self, fails: tuple[bool, ...]) -> None:
        operations = self.desired.plan_operations(self.now)
        for operation in operations:
            check_order(operation, operations)
        self.kernel.fails = fails
        for key, reason in self.desired.record_results(self.now, operations, self.kernel.apply(operations)):
            assert key in self.wanted
            assert (key in self.refused) or reason is not None
            (self.refused.discard if reason is None else self.refused.add)(key)

    def deletes(self, number: int, *, heard: bool) -> None:
        routes, neighbours = self.kernel.read_entries()
        entries: list[Route | Neighbour] = [*sorted(routes), *sorted(neighbours)]
        if not entries:
            return
        entry = entries[number % len(entries)]
        if isinstance(entry, Route):
            self.kernel._remove_route(entry.table, entry.address, entry.metric)
            if heard:
                self.desired.route_removed(entry.address, entry.table, entry.metric)
        else:
            del self.kernel._neighbours[entry.device, entry.address]
            if heard:
                self.desired.neighbour_removed(entry.device, entry.address)

    def loses(self, index: int, *, heard: bool) -> None:
        """A bridge goes down and up again, which empties it."""
        routes, neighbours = self.kernel.read_entries()
        self.kernel.remove_device(index)
        self.kernel.add_device(index, f"vmbr{index}")
        for route in routes if heard else ():
            if route.device == index:
                self.desired.route_removed(route.address, route.table, route.metric)
        for neighbour in neighbours if heard else ():
            if neighbour.device == index:
                self.desired.neighbour_removed(neighbour.device, neighbour.address)


def plan_put(item: Host) -> list[Operation]:
    return [PutNeighbour(item.neighbour), PutRoute(item.route, replaces=False)]


def _address(operation: Operation) -> IP:
    entry = getattr(operation, "route", None) or operation.neighbour
    return entry.address


def check_order(operation: Operation, operations: list[Operation]) -> None:
    """A neighbour goes in before its route and out after it."""
    kinds = [type(other).__name__ for other in operations if _address(other) == _address(operation)]
    if "DropNeighbour" in kinds:
        assert "PutRoute" not in kinds[kinds.index("DropNeighbour") :]
        assert "DropRoute" not in kinds[kinds.index("DropNeighbour") :]
    if "DropRoute" in kinds:
        assert "PutRoute" not in kinds[kinds.index("DropRoute") :]


@settings(deadline=None, max_examples=300)
@given(st.lists(hosts, min_size=1, max_size=4), st.lists(steps, max_size=15), st.booleans())
def test_kernel_agrees_in_the_end(first: list[Host], done: list[tuple], all_is_heard: bool) -> None:
    """Once the kernel stops failing, a minute suffices for both to be equal; after a look at all if news was missed.

    Where somebody else's neighbour stands there is nothing of ours; when it goes, ours is there in the same turn.
    """
    both = Both()
    for item in first:
        both.does(("want", item))
    both.turn(())
    for step in done:
        match step:
            case ("stray" | "delete" | "device", what, _) if all_is_heard:
                both.does((step[0], what, True))
            case ("resync",) if all_is_heard:
                pass
            case _:
                both.does(step)
    both.now += 1
    if not all_is_heard:
        both.does(("resync",))
    both.turn(())
    both.now += 60
    both.turn(())
    both.turn(())
    possible = {item for item in both.wanted.values() if (item.device, item.key.address) not in both.foreign}
    assert both.kernel.read_entries() == (
        {item.route for item in possible},
        {item.neighbour for item in possible},
    )
    for device, address in sorted(both.foreign):
        both.does(("foreign", device, address, False))
    both.turn(())
    routes, neighbours = both.kernel.read_entries()
    assert routes == {item.route for item in both.wanted.values()}
    assert neighbours == {item.neighbour for item in both.wanted.values()}
    assert both.refused == set()
    assert both.desired.plan_operations(both.now + 1000) == []
    assert both.desired.next_deadline() is None
