"""The table of attacks in README.md; `python -m tests.readme_attacks` writes it anew."""

from itertools import groupby
from pathlib import Path

from tests.e2e.attacks import ATTACKS, LIVE, Attack, every_kind, overriding

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- attacks -->\n", "<!-- /attacks -->\n"


def table() -> str:
    """Write the table as Markdown."""
    rows = [
        " | ".join(("; ".join(attack.title for attack in alike), *cells))
        for cells, alike in groupby(
            ATTACKS, lambda attack: (_kinds(attack), attack.outcome, _reasons(attack))
        )
    ]
    return "\n".join(("A guest sends | as | rdnbr | counted as", "--- | --- | --- | ---", *rows, ""))


def shown() -> str:
    """Return what README has between the marks."""
    _, _, rest = README.read_text().partition(BEGIN)
    return rest.partition(END)[0]


def write() -> None:
    """Put the table between the marks."""
    head, begin, rest = README.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert begin, f"README.md has no line {BEGIN.strip()}"
    assert end, f"README.md has no line {END.strip()} after {BEGIN.strip()}"
    README.write_text(head + begin + table() + end + tail)


def _kinds(attack: Attack) -> str:
    if attack.frames.keys() in (every_kind(*LIVE).keys(), overriding(*LIVE).keys()):
        return "every kind of claim"
    return ", ".join(attack.frames)


def _reasons(attack: Attack) -> str:
    return ", ".join(f"`{reason}`" for reason in attack.reasons) or "nothing"


if __name__ == "__main__":
    write()
