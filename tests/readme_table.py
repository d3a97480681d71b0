"""Tables in README.md that are generated from tests. Each table is between two marks."""

from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def shown(name: str) -> str:
    """Return the text between the marks of a table in README.md."""
    begin, end = _marks(name)
    _, _, rest = README.read_text().partition(begin)
    return rest.partition(end)[0]


def write(name: str, table: str) -> None:
    """Write a table between its marks in README.md."""
    begin, end = _marks(name)
    head, found, rest = README.read_text().partition(begin)
    assert found, f"README.md has no line {begin.strip()}"
    _, found, tail = rest.partition(end)
    assert found, f"README.md has no line {end.strip()} after {begin.strip()}"
    README.write_text(head + begin + table + end + tail)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
