"""Writes the completion for bash, zsh and fish from the command line: `python -m tests.completion`."""

from pathlib import Path

import shtab

from rdnbr.operator.commands.parser import parser

COMPLETION = Path(__file__).parents[1] / "contrib" / "completion"
FILES = {"bash": "bash/rdnbr", "zsh": "zsh/_rdnbr", "fish": "fish/rdnbr.fish"}


def completion(shell: str) -> str:
    """Return the text of one shell's file."""
    return str(shtab.complete(parser(), shell)).rstrip() + "\n"


if __name__ == "__main__":
    for name, file in FILES.items():
        (COMPLETION / file).write_text(completion(name))
