"""What the tests of single sockets stand in."""

from collections.abc import Iterator

import pytest

from tests.netns.namespace import Namespace


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A network namespace, removed whatever happens."""
    namespace = Namespace()
    try:
        yield namespace
    finally:
        namespace.close()
