"""Mutations of the engine are noticed by its tests."""

import subprocess
import sys
from pathlib import Path

import mutations
import pytest

TESTS = Path(__file__).parent.parent


def test_targets_of_mutations_exist():
    """Every mutation finds the method, constant or row that it replaces; with all of them in one process."""
    code = "import mutations\nfor mutate in mutations.MUTATIONS.values(): mutate()"
    environment = {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_mutation_without_its_target_raises():
    """A mutation of a method that does not exist any more raises."""

    class Renamed:
        pass

    with pytest.raises(KeyError):
        mutations.replace(Renamed, "is_quarantined", None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose as many mutations as `--mutations` says, from all over the list."""
    if "name" in metafunc.fixturenames:
        names = list(mutations.MUTATIONS)
        step = max(1, len(names) // metafunc.config.getoption("--mutations"))
        metafunc.parametrize("name", names[::step])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_noticed_where_nothing_is_broken():
    """The tests pass on the code as it is."""
    assert mutations.passes(None, mutations.DIALOGUES)
    assert mutations.passes(None, mutations.WALK)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mutation_is_noticed(name: str):
    """The tests of the engine fail with this mutation."""
    assert mutations.is_noticed(name)
