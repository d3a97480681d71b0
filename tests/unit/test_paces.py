"""Paces of ports, and of ports that are gone."""

from rdnbr.core.paces import REMEMBERED, Paces


def test_port_that_returns_has_what_it_had_left():
    """A port that goes and returns at once has no burst again; after a rest it has."""
    paces = Paces()
    assert paces.of(5, 10.0, 4.0).take(100.0, 4)
    paces.close(5)
    assert not paces.of(5, 10.0, 4.0).take(100.05)
    paces.close(5)
    assert paces.of(5, 10.0, 4.0).take(101.0, 4)


def test_other_rate_is_another_pace():
    """A port with another rate or burst than before starts with a full pace; with the same it goes on."""
    paces = Paces()
    paces.of(5, 10.0, 4.0).take(100.0, 4)
    assert not paces.of(5, 10.0, 4.0).take(100.0)
    assert paces.of(5, 10.0, 8.0).take(100.0, 8)
    assert paces[5].burst == 8.0


def test_gone_are_bounded():
    """No more than so many ports that are gone are remembered."""
    paces = Paces()
    for port in range(REMEMBERED + 10):
        paces.of(port, 10.0, 4.0)
        paces.close(port)
    assert (list(paces), len(paces._gone)) == ([], REMEMBERED)
