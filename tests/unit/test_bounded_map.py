"""A map that forgets its oldest entry when it is full."""

import pytest

from rdnbr.core.primitives.bounded_map import BoundedMap


def test_the_oldest_entry_goes_when_the_map_is_full():
    """The entry that had to go is returned; the others stay."""
    bounded: BoundedMap[str, int] = BoundedMap(2)
    assert [bounded.put(key, value) for key, value in (("a", 1), ("b", 2), ("c", 3))] == [
        None,
        None,
        ("a", 1),
    ]
    assert list(bounded) == ["b", "c"]
    assert len(bounded) == 2


def test_an_entry_that_is_put_again_is_the_newest():
    """To put a key again gives it another value and another place, and makes no other entry go."""
    bounded: BoundedMap[str, int] = BoundedMap(2)
    bounded.put("a", 1)
    bounded.put("b", 2)
    assert bounded.put("a", 3) is None
    assert bounded.oldest() == ("b", 2)
    assert bounded.put("c", 4) == ("b", 2)
    assert bounded["a"] == 3


def test_to_read_an_entry_does_not_renew_it():
    """The order is that in which entries were put, whoever reads them."""
    bounded: BoundedMap[str, int] = BoundedMap(2)
    bounded.put("a", 1)
    bounded.put("b", 2)
    assert (bounded.get("a"), bounded["a"], "a" in bounded) == (1, 1, True)
    assert bounded.put("c", 3) == ("a", 1)


def test_what_is_not_there():
    """A missing key has no value, can be removed, and is an error only for the brackets."""
    bounded: BoundedMap[str, int] = BoundedMap(2)
    assert (bounded.get("a"), bounded.pop("a"), bounded.oldest(), "a" in bounded) == (None, None, None, False)
    with pytest.raises(KeyError):
        bounded["a"]
    bounded.put("a", 1)
    assert (bounded.pop("a"), bounded.get("a"), len(bounded)) == (1, None, 0)
