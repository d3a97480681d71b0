"""Who is not heard on an address, and for how long."""

import pytest

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.policy.quarantine import SIZE, Quarantine

KEY, OTHER = Key(254, parse_ip("2.57.57.30")), Key(254, parse_ip("2.57.57.31"))
ALICE = Anchor(5, parse_mac("52:02:45:00:00:01"))
BOB = Anchor(5, parse_mac("52:02:45:00:00:02"))
CAROL = Anchor(6, parse_mac("52:02:45:00:00:01"))


def test_term_ends():
    """A term begins when it is given and is over at its end."""
    quarantine = Quarantine()
    quarantine.add(100.0, KEY, ALICE, 10.0)
    assert [quarantine.is_quarantined(now, KEY, ALICE) for now in (100.0, 109.9, 110.0)] == [
        True,
        True,
        False,
    ]


def test_anchor_is_port_and_mac():
    """An anchor's term is its alone: not of its MAC elsewhere, nor of its neighbours, nor for other addresses."""
    quarantine = Quarantine()
    quarantine.add(100.0, KEY, ALICE, 10.0)
    assert not quarantine.is_quarantined(101.0, KEY, BOB)
    assert not quarantine.is_quarantined(101.0, KEY, CAROL)
    assert not quarantine.is_quarantined(101.0, OTHER, ALICE)


def test_port_is_everybody_on_it():
    """A port's term is of every MAC on it."""
    quarantine = Quarantine()
    quarantine.add(100.0, KEY, 5, 10.0)
    assert quarantine.is_quarantined(101.0, KEY, ALICE)
    assert quarantine.is_quarantined(101.0, KEY, BOB)
    assert not quarantine.is_quarantined(101.0, KEY, CAROL)


def test_terms_double_up_to_five_minutes():
    """Each term that follows soon is twice the last, 300 s at most."""
    quarantine = Quarantine()
    now, lengths = 0.0, []
    for _ in range(8):
        quarantine.add(now, KEY, ALICE, 10.0)
        length = 0
        while quarantine.is_quarantined(now, KEY, ALICE):
            now += 1
            length += 1
        lengths.append(length)
    assert lengths == [10, 20, 40, 80, 160, 300, 300, 300]


def test_good_conduct_is_rewarded():
    """300 s after a term's end the next one is a first one again."""
    quarantine = Quarantine()
    quarantine.add(0.0, KEY, ALICE, 10.0)
    quarantine.add(309.0, KEY, ALICE, 10.0)
    assert quarantine.is_quarantined(328.0, KEY, ALICE)
    quarantine.add(630.0, KEY, ALICE, 10.0)
    assert not quarantine.is_quarantined(641.0, KEY, ALICE)


def test_proof_releases():
    """Who proved itself is heard, its port too, and starts anew."""
    quarantine = Quarantine()
    quarantine.add(0.0, KEY, ALICE, 10.0)
    quarantine.add(0.0, KEY, 5, 10.0)
    quarantine.release(KEY, ALICE)
    assert not quarantine.is_quarantined(1.0, KEY, ALICE)
    assert not quarantine.is_quarantined(1.0, KEY, BOB)
    quarantine.release(KEY, ALICE)


def test_oldest_goes_when_it_is_full():
    """It remembers so many and no more; the one that was put first goes."""
    quarantine = Quarantine()
    for number in range(SIZE + 1):
        quarantine.add(0.0, KEY, number, 10.0)
    assert len(quarantine) == SIZE
    assert not quarantine.is_quarantined(1.0, KEY, Anchor(0, ALICE.mac))
    assert quarantine.is_quarantined(1.0, KEY, Anchor(SIZE, ALICE.mac))


def test_terms_that_defend_end_with_the_incumbent():
    """With the incumbent goes what defended it, on its address only; who was silent itself stays unheard."""
    quarantine = Quarantine()
    quarantine.add(100.0, KEY, 5, 60.0, defends=True)
    quarantine.add(100.0, KEY, 6, 60.0)
    quarantine.add(100.0, OTHER, 5, 60.0, defends=True)
    quarantine.lose_incumbent(KEY)
    assert [quarantine.is_quarantined(101.0, KEY, anchor) for anchor in (ALICE, CAROL)] == [False, True]
    assert quarantine.is_quarantined(101.0, OTHER, ALICE)


@pytest.mark.slow
def test_index_is_as_small_as_the_terms():
    """What is released, lost or pushed out leaves nothing behind."""
    quarantine = Quarantine()
    for number in range(SIZE + 10):
        quarantine.add(100.0, Key(254, number.to_bytes(4)), 5, 10.0, defends=True)
    assert len(quarantine._sources) == len(quarantine) == SIZE
    for number in range(SIZE + 10):
        quarantine.lose_incumbent(Key(254, number.to_bytes(4)))
    assert not quarantine._sources
