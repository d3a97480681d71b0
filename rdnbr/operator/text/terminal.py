"""Lines for people: on a terminal they are folded between words, elsewhere a line stays one line. No I/O but stdout."""

import shutil
import sys
import textwrap
from collections.abc import Iterable


def print_lines(lines: Iterable[str], *, whole: tuple[str, ...] = ()) -> None:
    """Print lines. On a terminal those that are too long continue below, indented.

    Args:
        lines: each without its end.
        whole: lines that begin with one of these are never folded, since people paste them.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        print(line if width is None or line.startswith(whole) else folded(line, width))


def folded(line: str, width: int) -> str:
    """Fold a line between words; a word that is too long stays whole."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line,
        width,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
