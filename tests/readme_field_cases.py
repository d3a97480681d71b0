"""The tables of field cases in README.md. `python -m tests.readme_field_cases` writes them again."""

from itertools import groupby

from tests.field_case import FieldCase, field_cases
from tests.readme_table import write


def table() -> str:
    """Return one table for each group as Markdown."""
    tables = (
        _of_group(group, list(cases)) for group, cases in groupby(field_cases(), lambda case: case.group)
    )
    return "\n".join(tables)


def _of_group(group: str, cases: list[FieldCase]) -> str:
    rows = [f"{case.situation} | {case.outcome} | {_seconds(case.within)}" for case in cases]
    return "\n".join((f"{group} | what rdnbr does | within", "--- | --- | ---", *rows, ""))


def _seconds(within: float | None) -> str:
    return "" if within is None else f"{within:g} s"


if __name__ == "__main__":
    write("field cases", table())
