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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mutations_are_noticed(monkeypatch: pytest.MonkeyPatch):
    """The property test passes on the code as it is, and fails on every mutation of it."""
    monkeypatch.setattr("sys.argv", ["mutations.py"])
    assert mutations.main() == 0
