"""The results of operations that both kernels share, the fake and the real one."""

from rdnbr.core.fib.diff import plan
from rdnbr.core.model.address import IP, parse_ip, parse_mac
from rdnbr.core.model.fib_entries import (
    DropNeighbour,
    DropRoute,
    Host,
    Operation,
    PutNeighbour,
    PutRoute,
    host,
)
from rdnbr.core.model.reason import Reason
from tests.contract.world import World

V4 = parse_ip("2.57.57.30")
V6 = parse_ip("2001:678:3a4:100::80")
GUEST = parse_mac("52:02:45:76:d2:35")
OTHER = parse_mac("52:02:45:76:d2:36")


def put(item: Host, *, replaces: bool = False) -> list[Operation]:
    return [PutNeighbour(item.neighbour), PutRoute(item.route, replaces)]


def drop(item: Host) -> list[Operation]:
    return [DropRoute(item.route), DropNeighbour(item.neighbour)]


def test_put_both_families(world: World) -> None:
    """A host that was put is found, in both families."""
    four, six = host(254, V4, world.vmbr1, GUEST), host(254, V6, world.vmbr1, GUEST)
    assert world.kernel.apply(put(four) + put(six)) == []
    assert world.kernel.read_entries() == ({four.route, six.route}, {four.neighbour, six.neighbour})


def test_put_again(world: World) -> None:
    """To put an existing entry is success, and changes nothing."""
    items = [host(254, V4, world.vmbr1, GUEST), host(254, V6, world.vmbr1, GUEST)]
    operations = [operation for item in items for operation in put(item)]
    world.kernel.apply(operations)
    before = world.kernel.read_entries()
    assert world.kernel.apply(operations) == []
    assert world.kernel.read_entries() == before


def test_replace_mac(world: World) -> None:
    """A neighbour that is put with another MAC replaces the first."""
    world.kernel.apply(put(host(254, V4, world.vmbr1, GUEST)))
    moved = host(254, V4, world.vmbr1, OTHER)
    assert world.kernel.apply([PutNeighbour(moved.neighbour)]) == []
    assert world.kernel.read_entries() == ({moved.route}, {moved.neighbour})


def test_move_device(world: World) -> None:
    """A route that replaces one of ours over another device leaves none behind."""
    for address in (V4, V6):
        old, new = host(254, address, world.vmbr1, GUEST), host(254, address, world.vmbr2, GUEST)
        world.kernel.apply(put(old))
        assert world.kernel.apply([*put(new, replaces=True), DropNeighbour(old.neighbour)]) == []
    routes, neighbours = world.kernel.read_entries()
    assert {route.device for route in routes} == {world.vmbr2}
    assert {entry.device for entry in neighbours} == {world.vmbr2}
    assert len(routes) == len(neighbours) == 2


def test_move_without_knowing(world: World) -> None:
    """A new route replaces a route of ours in its place, although the caller did not know of it."""
    for address in (V4, V6):
        old, new = host(254, address, world.vmbr1, GUEST), host(254, address, world.vmbr2, GUEST)
        world.kernel.apply(put(old))
        assert world.kernel.apply([PutRoute(new.route, replaces=False)]) == []
        assert new.route in world.kernel.read_entries()[0]
        assert old.route not in world.kernel.read_entries()[0]


def test_replace_nothing(world: World) -> None:
    """A route that is to replace a route which is gone is put all the same."""
    for address in (V4, V6):
        item = host(254, address, world.vmbr1, GUEST)
        assert world.kernel.apply(put(item, replaces=True)) == []
        assert item.route in world.kernel.read_entries()[0]


def test_drop(world: World) -> None:
    """An entry that was put and dropped is gone."""
    for address in (V4, V6):
        item = host(254, address, world.vmbr1, GUEST)
        world.kernel.apply(put(item))
        assert world.kernel.apply(drop(item)) == []
    assert world.kernel.read_entries() == (set(), set())


def test_drop_again(world: World) -> None:
    """To drop a missing entry is success, also if the device is missing."""
    for device in (world.vmbr1, world.missing):
        for address in (V4, V6):
            assert world.kernel.apply(drop(host(254, address, device, GUEST))) == []


def test_drop_over_another_device(world: World) -> None:
    """A drop with another device than the route's removes nothing."""
    for address in (V4, V6):
        item, other = (host(254, address, device, GUEST) for device in (world.vmbr1, world.vmbr2))
        world.kernel.apply(put(item))
        assert world.kernel.apply(drop(other)) == []
        assert item.route in world.kernel.read_entries()[0]
        assert item.neighbour in world.kernel.read_entries()[1]


def test_put_and_drop_at_once(world: World) -> None:
    """Operations of one batch act in their order."""
    for address in (V4, V6):
        item = host(254, address, world.vmbr1, GUEST)
        assert world.kernel.apply(put(item) + drop(item)) == []
        assert world.kernel.read_entries() == (set(), set())
        assert world.kernel.apply(put(item) + drop(item) + put(item)) == []
        assert world.kernel.read_entries() == ({item.route}, {item.neighbour})
        world.kernel.apply(drop(item))


def test_foreign_route(world: World) -> None:
    """A route of another protocol in the same place is refused, named and left alone; so is its removal."""
    for address, metric in ((V4, 0), (V6, 1024)):
        world.foreign_route(address, metric)
        before = world.foreign_state()
        item = host(254, address, world.vmbr1, GUEST)
        for replaces in (False, True):
            operation = PutRoute(item.route, replaces)
            refusals = world.kernel.apply([operation])
            assert [(one.operation, one.reason) for one in refusals] == [(operation, Reason.FOREIGN_ROUTE)]
        assert world.kernel.apply([DropRoute(item.route)]) == []
        assert world.foreign_state() == before
    assert world.kernel.read_entries()[0] == set()


def test_foreign_route_elsewhere(world: World) -> None:
    """A route of another protocol with another metric, such as BGP's for the same host, does not prevent ours."""
    for address in (V4, V6):
        world.foreign_route(address, 20)
        before = world.foreign_state()
        item = host(254, address, world.vmbr1, GUEST)
        assert world.kernel.apply(put(item)) == []
        assert world.kernel.read_entries()[0] == {item.route}
        assert world.kernel.apply(drop(item)) == []
        assert world.foreign_state() == before


def test_foreign_neighbour(world: World) -> None:
    """A permanent neighbour of another program is neither replaced nor removed."""
    for address in (V4, V6):
        world.foreign_neighbour(address)
        before = world.foreign_state()
        item = host(254, address, world.vmbr1, GUEST)
        operation = PutNeighbour(item.neighbour)
        refusals = world.kernel.apply([operation, DropNeighbour(item.neighbour)])
        assert [(one.operation, one.reason) for one in refusals] == [(operation, Reason.FOREIGN_ROUTE)]
        assert world.foreign_state() == before
    assert world.kernel.read_entries()[1] == set()


def test_no_route_to_a_foreign_neighbour(world: World) -> None:
    """If another program's neighbour is in the place, no route is put either: it would lead to another MAC."""
    other = host(254, parse_ip("2.57.57.31"), world.vmbr1, OTHER)
    for address in (V4, V6):
        world.foreign_neighbour(address)
        operations = put(host(254, address, world.vmbr1, GUEST))
        refusals = world.kernel.apply(operations + put(other))
        assert [(one.operation, one.reason) for one in refusals] == [
            (operation, Reason.FOREIGN_ROUTE) for operation in operations
        ]
        assert len({one.text for one in refusals}) == 1
    assert world.kernel.read_entries() == ({other.route}, {other.neighbour})


def test_route_that_another_program_replaces_and_removes(world: World) -> None:
    """A route of ours that another program replaced is not found, is refused for now, and is put when theirs goes."""
    for address, metric in ((V4, 0), (V6, 1024)):
        item = host(254, address, world.vmbr1, GUEST)
        world.kernel.apply(put(item))
        world.foreign_route(address, metric)
        before = world.foreign_state()
        assert item.route not in world.kernel.read_entries()[0]
        assert item.neighbour in world.kernel.read_entries()[1]
        (refusal,) = world.kernel.apply(put(item))
        assert (refusal.operation, refusal.reason) == (PutRoute(item.route, False), Reason.FOREIGN_ROUTE)
        assert world.kernel.apply(drop(item)) == []
        assert world.foreign_state() == before
        world.no_foreign_route(address, metric)
        assert world.kernel.apply(put(item)) == []
        assert item.route in world.kernel.read_entries()[0]


def test_neighbour_that_another_program_replaces_and_removes(world: World) -> None:
    """A neighbour of ours that another program replaced is not found, is refused, and is put after theirs is gone."""
    for address in (V4, V6):
        item = host(254, address, world.vmbr1, GUEST)
        world.kernel.apply(put(item))
        world.foreign_neighbour(address)
        before = world.foreign_state()
        assert item.route in world.kernel.read_entries()[0]
        assert item.neighbour not in world.kernel.read_entries()[1]
        (refusal,) = world.kernel.apply([PutNeighbour(item.neighbour)])
        assert refusal.reason == Reason.FOREIGN_ROUTE
        assert world.kernel.apply(drop(item)) == []
        assert world.foreign_state() == before
        world.no_foreign_neighbour(address)
        assert world.kernel.apply(put(item)) == []
        assert item.neighbour in world.kernel.read_entries()[1]


def test_entries_of_a_removed_device_are_gone(world: World) -> None:
    """Routes and neighbours of a removed device are gone; to put them is refused, to drop them is success."""
    lost, kept = host(254, V4, world.vmbr2, GUEST), host(254, V6, world.vmbr1, GUEST)
    world.kernel.apply(put(lost) + put(kept))
    world.lose_vmbr2()
    assert world.kernel.read_entries() == ({kept.route}, {kept.neighbour})
    assert [one.reason for one in world.kernel.apply(put(lost) + put(kept))] == [Reason.KERNEL_REFUSED] * 2
    assert world.kernel.apply(drop(lost) + drop(kept)) == []
    assert world.kernel.read_entries() == (set(), set())


def test_unusual_metric(world: World) -> None:
    """A host with an unusual metric is put, found, put again over another device, and dropped."""
    for address in (V4, V6):
        old, new = (host(254, address, device, GUEST, 15_999_990) for device in (world.vmbr1, world.vmbr2))
        assert world.kernel.apply(put(old)) == []
        assert world.kernel.read_entries()[0] == {old.route}
        assert world.kernel.apply(put(new, replaces=True)) == []
        assert world.kernel.read_entries()[0] == {new.route}
        assert world.kernel.apply(drop(old)) == []
        assert world.kernel.read_entries()[0] == {new.route}
        assert world.kernel.apply(drop(new)) == []
        assert world.kernel.read_entries() == (set(), set())


def test_unusual_metric_beside_a_foreign_route(world: World) -> None:
    """A foreign route with the usual metric does not prevent ours with another, and stays when ours is removed."""
    for address, metric in ((V4, 0), (V6, 1024)):
        world.foreign_route(address, metric)
        before = world.foreign_state()
        item = host(254, address, world.vmbr1, GUEST, 15_999_990)
        assert world.kernel.apply(put(item)) == []
        assert world.kernel.read_entries()[0] == {item.route}
        assert world.kernel.apply(drop(item)) == []
        assert world.foreign_state() == before


def test_missing_device(world: World) -> None:
    """Each operation on a missing device is refused, and the rest of the batch is carried out."""
    lost, item = host(254, V4, world.missing, GUEST), host(254, V6, world.vmbr1, GUEST)
    refusals = world.kernel.apply(put(lost) + put(item))
    assert [one.operation for one in refusals] == put(lost)
    assert {one.reason for one in refusals} == {Reason.KERNEL_REFUSED}
    assert all(one.text for one in refusals)
    assert world.kernel.read_entries() == ({item.route}, {item.neighbour})


def test_other_tables(world: World) -> None:
    """Tables are distinguished, also those above 255."""
    for address in (V4, V6):
        items = [host(table, address, world.vmbr1, GUEST) for table in (171, 254, 70000)]
        assert world.kernel.apply([operation for item in items for operation in put(item)]) == []
        assert {item.route for item in items} <= world.kernel.read_entries()[0]
        assert items[2].route in world.kernel.read_entries({70000})[0]
        assert world.kernel.apply([DropRoute(items[2].route)]) == []
        assert items[2].route not in world.kernel.read_entries()[0]
        assert {items[0].route, items[1].route} <= world.kernel.read_entries()[0]


def test_two_metrics(world: World) -> None:
    """A lower metric is put before the higher one is dropped, and both are distinguished."""
    for address in (V4, V6):
        old, new = (host(254, address, world.vmbr1, GUEST, metric) for metric in (1_000_000, 999_999))
        world.kernel.apply(put(old))
        assert world.kernel.apply([PutRoute(new.route, replaces=False)]) == []
        assert {old.route, new.route} <= world.kernel.read_entries()[0]
        assert world.kernel.apply([DropRoute(old.route)]) == []
        assert new.route in world.kernel.read_entries()[0]
        assert old.route not in world.kernel.read_entries()[0]


def test_metric_zero_means_any_in_a_delete(world: World) -> None:
    """An IPv4 delete with metric 0 removes that route first, and only then one with another metric."""
    zero, other = host(254, V4, world.vmbr1, GUEST), host(254, V4, world.vmbr1, GUEST, 50)
    world.kernel.apply([PutRoute(other.route, replaces=False), PutRoute(zero.route, replaces=False)])
    world.kernel.apply([DropRoute(zero.route)])
    assert world.kernel.read_entries()[0] == {other.route}
    world.kernel.apply([DropRoute(zero.route)])
    assert world.kernel.read_entries()[0] == set()


def test_thousand_hosts(world: World) -> None:
    """One call puts a thousand hosts, all are found, and one call drops them."""
    addresses = [IP(V4[:2] + number.to_bytes(2, "big")) for number in range(500)]
    addresses += [IP(V6[:14] + number.to_bytes(2, "big")) for number in range(500)]
    items = [host(254, address, world.vmbr1, GUEST) for address in addresses]
    assert world.kernel.apply(plan(items, (), ())) == []
    routes, neighbours = world.kernel.read_entries()
    assert (len(routes), len(neighbours)) == (1000, 1000)
    assert plan(items, routes, neighbours) == []
    assert world.kernel.apply(plan((), routes, neighbours)) == []
    assert world.kernel.read_entries() == (set(), set())
