"""All bindings, and where to find them: by address, by port, by MAC."""

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from rdnbr.core.model.address import MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.fib_entries import Key

_Name = TypeVar("_Name", int | None, MAC)


class BindingTable:
    """At most one binding a key. The indexes follow every change made through `move` and `become`."""

    def __init__(self) -> None:
        self._all: dict[Key, Binding] = {}
        self._on_port: dict[int | None, dict[Key, None]] = {}
        self._of_mac: dict[MAC, dict[Key, None]] = {}
        self._held: Counter[tuple[int | None, int]] = Counter()
        """How many there are by port and bytes of their address, without the departed."""

    def get(self, key: Key) -> Binding | None:
        """Return the binding of a key."""
        return self._all.get(key)

    def add(self, binding: Binding) -> None:
        """Add a binding whose key has none."""
        assert binding.key not in self._all
        self._all[binding.key] = binding
        self._index(binding)

    def remove(self, key: Key) -> None:
        """Forget a binding."""
        self._unindex(self._all.pop(key))

    def set_anchor(self, binding: Binding, anchor: Anchor) -> None:
        """Give a binding another anchor."""
        self._unindex(binding)
        binding.anchor = anchor
        self._index(binding)

    def set_state(self, binding: Binding, state: State) -> None:
        """Give a binding another state."""
        self._count(binding, -1)
        binding.state = state
        self._count(binding, 1)

    def count_on_port(self, port: int, size: int) -> int:
        """Return how many addresses of `size` bytes are bound on a port; the departed are on none."""
        return self._held[port, size]

    def on_port(self, port: int | None) -> list[Binding]:
        """Return the bindings anchored on a port, oldest first; the departed are on none."""
        return [
            found
            for key in self._on_port.get(port, ())
            if (found := self._all[key]).state is not State.DEPARTED
        ]

    def departed_on_port(self, port: int) -> list[Binding]:
        """Return the departed bindings that were last on a port, oldest first."""
        return [
            found for key in self._on_port.get(port, ()) if (found := self._all[key]).state is State.DEPARTED
        ]

    def of_mac(self, mac: MAC) -> list[Binding]:
        """Return the bindings of a MAC, the departed among them, oldest first."""
        return [self._all[key] for key in self._of_mac.get(mac, ())]

    def __iter__(self) -> Iterator[Binding]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

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
            return
        name = binding.anchor.port, len(binding.key.address)
        self._held[name] += change
        if not self._held[name]:
            del self._held[name]


def _discard(index: dict[_Name, dict[Key, None]], name: _Name, key: Key) -> None:
    del index[name][key]
    if not index[name]:
        del index[name]
