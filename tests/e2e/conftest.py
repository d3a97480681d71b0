"""Labs for the end-to-end tests."""

import pytest

from rdnbr.lab import Lab


@pytest.fixture
def lab():
    """A node with two guests, silent and without addresses, and no BGP; the daemon is not started yet."""
    with Lab(guests=2, frr=False) as lab:
        yield lab


@pytest.fixture
def fabric():
    """The same with FRR on the node and in the upstream."""
    with Lab(guests=2, frr=True) as lab:
        yield lab


@pytest.fixture
def within(request):
    """Return the seconds that the row of the test's field case says."""
    return request.function.field_case.within
