"""A map that forgets its oldest entry when it is full, so that nobody can fill the memory from outside."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class BoundedMap(Generic[_Key, _Value]):
    """At most `capacity` entries, in the order in which they were last put."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[_Key, _Value] = OrderedDict()

    def put(self, key: _Key, value: _Value) -> tuple[_Key, _Value] | None:
        """Set the value of a key, which becomes the newest. Return the entry that had to go, None if there was room."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        return self._entries.popitem(last=False) if len(self._entries) > self._capacity else None

    def get(self, key: _Key) -> _Value | None:
        """Return the value of a key; None when the map does not have it. The order stays as it is."""
        return self._entries.get(key)

    def pop(self, key: _Key) -> _Value | None:
        """Remove a key and return its value; None when the map does not have it."""
        return self._entries.pop(key, None)

    def oldest(self) -> tuple[_Key, _Value] | None:
        """Return the entry that was put longest ago; None when the map is empty."""
        return next(iter(self._entries.items()), None)

    def __getitem__(self, key: _Key) -> _Value:
        """Return the value of a key that the map has.

        Raises:
            KeyError: the map does not have it.
        """
        return self._entries[key]

    def __contains__(self, key: _Key) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[_Key]:
        """Iterate over the keys, the oldest first."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
