"""Field cases: what guests, operators and other programs really do, each with the outcome that a test has seen.

A test in `e2e/test_field_*.py` tells one case with real frames, and its decorator describes the case:

    @field_case(
        ROUTED,
        "a route of the node has a guest as its next hop",
        "the guest stays routed",
        within=2,
    )
    def test_guest_is_next_hop(lab, within): ...

`python -m tests.readme_field_cases` writes the table in README.md. The fixture `within` is the time that the row says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar

ROUTED = "A guest that is there is routed"
OWNER = "Whose address it is"
CALM = "Calm"
FOUND = "What `doctor` and `explain` name"
GROUPS = (ROUTED, OWNER, CALM, FOUND)

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True)
class FieldCase:
    """One row of the table."""

    group: str
    """One of `GROUPS`."""
    situation: str
    """What the guest, the operator or another program does."""
    outcome: str
    """What rdnbr does."""
    within: float | None
    """Seconds from the last thing that the test does until the outcome; None where time does not matter."""


def field_case(
    group: str, situation: str, outcome: str, *, within: float | None = None
) -> Callable[[Test], Test]:
    """Describe the field case that a test tells."""
    assert group in GROUPS

    def describe(test: Test) -> Test:
        test.field_case = FieldCase(group, situation, outcome, within)
        return test

    return describe


def field_cases() -> list[FieldCase]:
    """Return all field cases, by group; within a group by file, in the order of the file."""
    files = sorted(Path(__file__).parent.glob("e2e/test_field_*.py"))
    found = [
        test.field_case
        for file in files
        for test in vars(import_module(f"tests.e2e.{file.stem}")).values()
        if hasattr(test, "field_case")
    ]
    return sorted(found, key=lambda case: GROUPS.index(case.group))
