"""The contract suite runs over the fake and the real kernel."""

import os
from collections.abc import Iterator

import pytest

from tests.contract.world import Pretended, Real, World
from tests.netns.namespace import Namespace


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.root)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "pretended":
        yield Pretended()
        return
    yield from _real()


@pytest.fixture
def real() -> Iterator[Real]:
    yield from _real()


def _real() -> Iterator[Real]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    namespace = Namespace()
    try:
        world = Real(namespace)
        yield world
        world.kernel.close()
    finally:
        namespace.close()
