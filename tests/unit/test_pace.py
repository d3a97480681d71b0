"""The token bucket."""

import pytest

from rdnbr.core.pace import Pace


@pytest.mark.parametrize("start", [0.0, 1.5e6, 1.7e9])
def test_waiting_as_long_as_told_suffices(start: float):
    """Who comes back after `wait` gets its token soon, whatever the clock's grain."""
    pace, now = Pace(200, 50), start
    for _ in range(300):
        tries = 0
        while not pace.take(now):
            now += pace.wait
            tries += 1
        assert tries <= 2
    assert now - start == pytest.approx(250 / 200, rel=0.25)
