"""The table of attacks in README.md. `python -m tests.readme_attacks` writes it again."""

from itertools import groupby

from tests.e2e.attacks import ATTACKS, LIVE, Attack, every_kind, overriding
from tests.readme_table import write


def table() -> str:
    """Return the table as Markdown."""
    rows = [
        " | ".join(("; ".join(attack.title for attack in alike), *cells))
        for cells, alike in groupby(
            ATTACKS, lambda attack: (_kinds(attack), attack.outcome, _reasons(attack))
        )
    ]
    return "\n".join(("A guest sends | as | rdnbr's answer | counted as", "--- | --- | --- | ---", *rows, ""))


def _kinds(attack: Attack) -> str:
    if attack.frames.keys() in (every_kind(*LIVE).keys(), overriding(*LIVE).keys()):
        return "every kind of claim"
    return ", ".join(attack.frames)


def _reasons(attack: Attack) -> str:
    return ", ".join(f"`{reason}`" for reason in attack.reasons) or "nothing"


if __name__ == "__main__":
    write("attacks", table())
