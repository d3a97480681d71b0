"""Paces of ports, and of ports that are gone."""

from rdnbr.core.primitives.port_buckets import REMEMBERED, PortBuckets


def test_port_that_returns_has_what_it_had_left():
    """A port that goes and returns at once has no burst again; after a rest it has."""
    paces = PortBuckets()
    assert paces.bucket(5, 10.0, 4.0).take(100.0, 4)
    paces.port_gone(5)
    assert not paces.bucket(5, 10.0, 4.0).take(100.05)
    paces.port_gone(5)
    assert paces.bucket(5, 10.0, 4.0).take(101.0, 4)


def test_other_rate_is_another_pace():
    """A port with another rate or burst than before starts with a full pace; with the same it goes on."""
    paces = PortBuckets()
    paces.bucket(5, 10.0, 4.0).take(100.0, 4)
    assert not paces.bucket(5, 10.0, 4.0).take(100.0)
    assert paces.bucket(5, 10.0, 8.0).take(100.0, 8)
    assert paces[5].burst == 8.0


def test_gone_are_bounded():
    """No more than so many ports that are gone are remembered."""
    paces = PortBuckets()
    for port in range(REMEMBERED + 10):
        paces.bucket(port, 10.0, 4.0)
        paces.port_gone(port)
    assert (list(paces), len(paces._gone)) == ([], REMEMBERED)
