"""What breaks the decisions is noticed."""

from pathlib import Path

import mutations
import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.what)
def test_mutations_are_about_the_code_as_it_is(mutation: mutations.Mutation):
    """Each mutation's text is in its file once, and the property test's docstring has it."""
    assert (ROOT / "rdnbr" / "core" / mutation.file).read_text().count(mutation.text) == 1
    assert f"\n    {mutation.what}\n" in (Path(__file__).parent / "test_engine.py").read_text()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> mutations.Copy:
    return mutations.Copy(tmp_path_factory.mktemp("mutations"))


@pytest.mark.slow
def test_nothing_is_noticed_where_nothing_is_broken(copy: mutations.Copy):
    """The property test passes on the code as it is."""
    assert copy.passes()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.what)
def test_mutation_is_noticed(copy: mutations.Copy, mutation: mutations.Mutation):
    """The property test fails on code with this mutation."""
    assert copy.notices(mutation)
