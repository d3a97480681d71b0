"""Fixtures for tests of single sockets."""

from collections.abc import Iterator

import pytest

from tests.netns.namespace import Namespace


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A network namespace that is always removed."""
    namespace = Namespace()
    try:
        yield namespace
    finally:
        namespace.close()
