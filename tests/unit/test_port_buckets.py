"""The token buckets of ports, and of ports that are gone."""

from rdnbr.core.primitives.port_buckets import MAX_GONE, PortBuckets


def test_port_that_returns_has_what_it_had_left():
    """A port that returns at once has no new burst; a port that returns after the bucket has filled has one."""
    buckets = PortBuckets()
    assert buckets.bucket(5, 10.0, 4.0).consume(100.0, 4)
    buckets.port_gone(5)
    assert not buckets.bucket(5, 10.0, 4.0).consume(100.05)
    buckets.port_gone(5)
    assert buckets.bucket(5, 10.0, 4.0).consume(101.0, 4)


def test_other_rate_is_another_bucket():
    """If its rate or burst changes, a port starts with a full bucket; else its bucket goes on."""
    buckets = PortBuckets()
    buckets.bucket(5, 10.0, 4.0).consume(100.0, 4)
    assert not buckets.bucket(5, 10.0, 4.0).consume(100.0)
    assert buckets.bucket(5, 10.0, 8.0).consume(100.0, 8)
    assert buckets[5].burst == 8.0


def test_gone_are_bounded():
    """At most MAX_GONE buckets of ports that are gone are kept."""
    buckets = PortBuckets()
    for port in range(MAX_GONE + 10):
        buckets.bucket(port, 10.0, 4.0)
        buckets.port_gone(port)
    assert (list(buckets), len(buckets._gone)) == ([], MAX_GONE)
