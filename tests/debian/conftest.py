"""What the tests of the Debian packages need."""

import os
from pathlib import Path

import pytest

from tests.debian.debian_root import CODENAMES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests for the releases of `--debian`."""
    if "debian_release" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--debian")
        metafunc.parametrize("debian_release", [*CODENAMES] if wanted == "both" else [wanted])


@pytest.fixture
def debian_roots() -> Path:
    """Return the directory in which roots are kept between runs."""
    return Path(os.environ.get("RDNBR_ROOTS", "/var/cache/rdnbr/roots"))
