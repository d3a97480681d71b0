"""All bindings, with indexes by key, by port, by MAC, and by the port of the challenger."""

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from typing import TypeVar

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.fib_entries import Key

_Name = TypeVar("_Name", int | None, MAC)


class BindingTable:
    """At most one binding a key.

    Anchor, state and challenger of a binding are changed through the table alone, so that the indexes stay true.
    """

    def __init__(self) -> None:
        self._all: dict[Key, Binding] = {}
        self._added = 0
        """Number of bindings ever added."""
        self._tables: Counter[int] = Counter()
        """Number of bindings by routing table."""
        self._on_port: dict[int | None, dict[Key, None]] = {}
        self._of_mac: dict[MAC, dict[Key, None]] = {}
        self._challenged_from: dict[int | None, dict[Key, None]] = {}
        self._bound: Counter[tuple[int | None, int]] = Counter()
        """Number of bindings by port and by bytes of the address; DEPARTED bindings do not count."""
        self._departed: Counter[MAC] = Counter()
        """Number of DEPARTED bindings by MAC."""
        self._routed: Counter[tuple[int | None, int]] = Counter()
        """Number of them that have a route."""
        self.ports_to_review: dict[int, None] = {}
        """Ports that got their first route of a family, or lost their last; data snooping removes them."""

    def get(self, key: Key) -> Binding | None:
        """Return the binding of a key."""
        return self._all.get(key)

    def add(self, binding: Binding) -> None:
        """Add a binding whose key has none."""
        assert binding.key not in self._all
        self._added += 1
        binding.serial = self._added
        self._all[binding.key] = binding
        self._tables[binding.key.table] += 1
        self._index(binding)
        self._count_route(binding, 1)

    def remove(self, key: Key) -> None:
        """Remove the binding of a key."""
        binding = self._all.pop(key)
        self._tables[key.table] -= 1
        if not self._tables[key.table]:
            del self._tables[key.table]
        self._count_route(binding, -1)
        self._unindex(binding)
        if binding.challenger is not None:
            _discard(self._challenged_from, binding.challenger.port, key)

    def set_anchor(self, binding: Binding, anchor: Anchor) -> None:
        """Give a binding another anchor."""
        moves = binding.anchor.port != anchor.port
        if moves:
            self._count_route(binding, -1)
        self._unindex(binding)
        binding.anchor = anchor
        self._index(binding)
        if moves:
            self._count_route(binding, 1)

    def set_state(self, binding: Binding, state: State) -> None:
        """Give a binding another state."""
        routed = state in WITH_ROUTE
        changes = routed is not (binding.state in WITH_ROUTE)
        counts_anew = (state is State.DEPARTED) is not (binding.state is State.DEPARTED)
        if changes and not routed:
            self._count_route(binding, -1)
        if counts_anew:
            self._count(binding, -1)
        binding.state = state
        if counts_anew:
            self._count(binding, 1)
        if changes and routed:
            self._count_route(binding, 1)

    def set_challenger(self, binding: Binding, challenger: Anchor | None, segment: int = 0) -> None:
        """Give a binding another challenger, which is on `segment` (ifindex); None: no challenger."""
        if binding.challenger is not None:
            _discard(self._challenged_from, binding.challenger.port, binding.key)
        binding.challenger, binding.challenger_segment = challenger, segment
        if challenger is not None:
            self._challenged_from.setdefault(challenger.port, {})[binding.key] = None

    def count_on_port(self, port: int, size: int) -> int:
        """Return how many addresses of `size` bytes are bound on a port; DEPARTED bindings do not count."""
        return self._bound.get((port, size), 0)

    def has_route_on_port(self, port: int, size: int) -> bool:
        """Return whether an address of `size` bytes is routed to a port."""
        return (port, size) in self._routed

    def on_port(self, port: int | None) -> list[Binding]:
        """Return the bindings anchored on a port, oldest first, without DEPARTED ones."""
        return [found for found in self._anchored_on(port) if found.state is not State.DEPARTED]

    def departed_on_port(self, port: int) -> list[Binding]:
        """Return the DEPARTED bindings whose last anchor was on a port, oldest first."""
        return [found for found in self._anchored_on(port) if found.state is State.DEPARTED]

    def of_mac(self, mac: MAC) -> list[Binding]:
        """Return the bindings of a MAC, DEPARTED ones too, oldest first."""
        return [self._all[key] for key in self._of_mac.get(mac, ())]

    def count_departed(self, mac: MAC) -> int:
        """Return how many DEPARTED bindings a MAC has."""
        return self._departed.get(mac, 0)

    def of_address(self, address: IP) -> list[Binding]:
        """Return the bindings of an address in all routing tables, oldest first."""
        found = (self._all.get(Key(table, address)) for table in self._tables)
        return sorted((binding for binding in found if binding is not None), key=attrgetter("serial"))

    def challenged_from(self, port: int) -> list[Binding]:
        """Return the bindings whose challenger is on a port, oldest first."""
        found = (self._all[key] for key in self._challenged_from.get(port, ()))
        return sorted(found, key=attrgetter("serial"))

    def keys(self) -> list[Key]:
        """Return the keys of all bindings, oldest first."""
        return list(self._all)

    def __iter__(self) -> Iterator[Binding]:
        """Iterate over a copy, oldest first: bindings may be removed meanwhile."""
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def _anchored_on(self, port: int | None) -> Iterator[Binding]:
        return (self._all[key] for key in self._on_port.get(port, ()))

    def _index(self, binding: Binding) -> None:
        self._on_port.setdefault(binding.anchor.port, {})[binding.key] = None
        self._of_mac.setdefault(binding.anchor.mac, {})[binding.key] = None
        self._count(binding, 1)

    def _unindex(self, binding: Binding) -> None:
        _discard(self._on_port, binding.anchor.port, binding.key)
        _discard(self._of_mac, binding.anchor.mac, binding.key)
        self._count(binding, -1)

    def _count(self, binding: Binding, change: int) -> None:
        if binding.state is State.DEPARTED:
            mac = binding.anchor.mac
            self._departed[mac] += change
            if not self._departed[mac]:
                del self._departed[mac]
            return
        name = binding.anchor.port, len(binding.key.address)
        self._bound[name] += change
        if not self._bound[name]:
            del self._bound[name]

    def _count_route(self, binding: Binding, change: int) -> None:
        """Count a route that begins or ends, if the binding has one."""
        if binding.state not in WITH_ROUTE:
            return
        name = binding.anchor.port, len(binding.key.address)
        self._routed[name] += change
        if self._routed[name] == max(0, change) and name[0] is not None:
            self.ports_to_review[name[0]] = None
        if not self._routed[name]:
            del self._routed[name]


def _discard(index: dict[_Name, dict[Key, None]], name: _Name, key: Key) -> None:
    del index[name][key]
    if not index[name]:
        del index[name]
