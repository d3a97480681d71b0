"""What the tests in the node share: one node, which boots once and has the package installed as README says."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.debian.debian_root import run
from tests.node_vm.image import NoNodeError, image, missing
from tests.node_vm.machine import Machine
from tests.node_vm.serving_node import ServingNode

_BUILD = Path(__file__).parents[2] / "contrib/debian/build"


def refuse(reason: str) -> None:
    """Skip, or fail in CI, so that nothing is skipped there unnoticed."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Path]]:
    """The node, and the package for it, which is built meanwhile."""
    packages = tmp_path_factory.mktemp("packages")
    with ThreadPoolExecutor() as builder:
        built = builder.submit(run, str(_BUILD), "13", "--into", str(packages))
        try:
            made = image()
        except NoNodeError as error:
            refuse(str(error))
        with Machine(made, tmp_path_factory.mktemp("node")) as machine:
            built.result()
            [package] = packages.glob("rdnbr_*.deb")
            yield machine, package


@pytest.fixture(scope="session")
def fresh(machine: tuple[Machine, Path]) -> ServingNode:
    """The node after README's steps, once for all tests."""
    node = ServingNode(*machine)
    node.install()
    node.add_guests(100, 101)
    return node


@pytest.fixture
def node(fresh: ServingNode) -> ServingNode:
    """The node with two guests that are routed; each test leaves it so, unless it fails."""
    fresh.wait_until_active()
    if fresh.routes() != 4:
        fresh.machine.attempt("for guest in 100 101; do guest plug $guest; guest speak $guest; done")
    fresh.wait_for_routes(4)
    fresh.wait_for_paths(4)
    return fresh


@pytest.fixture(scope="session", autouse=True)
def figures(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What the tests measure; printed at the end."""
    figures: dict[str, str] = {}
    yield figures
    if figures:
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print("\nthe node: " + "; ".join(f"{name} {value}" for name, value in figures.items()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what was not asked for, and where the node cannot run."""
    options = item.config.option
    if not (options.node_vm or options.node_vm_long):
        pytest.skip("takes some twenty minutes: --node-vm")
    if item.get_closest_marker("node_vm") and (absent := missing()):
        refuse(f"needs {absent}")
    if item.get_closest_marker("node_vm_long") and not options.node_vm_long:
        pytest.skip("takes minutes: --node-vm-long")
