"""Coverage-guided fuzzing of all that reads what others wrote.

    python -m tests.fuzz TARGET [-runs=5000000] [what else libFuzzer understands] [DIRECTORY]

A target is a module here with two functions: `try_one` takes bytes and raises when something is wrong with us, and
`seeds` returns where to begin. What the fuzzer finds on its way, and any input that fails, it puts into DIRECTORY,
`.fuzz/TARGET` unless told.

Each target has a committed corpus in `corpus/TARGET`, which the tests try without any fuzzer: what was once found to
fail, under a name that says what, and beside it the fewest inputs that reach all that a long run reached. To make
those anew after such a run:

    python -m tests.fuzz TARGET -merge=1 -use_counters=0 EMPTY_DIRECTORY .fuzz/TARGET

The fuzzer is atheris (libFuzzer), which there is for Linux on x86-64 only.
"""

from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]

TARGETS = sorted(path.name for path in CORPUS.iterdir())


def corpus(target: str) -> list[Path]:
    """Return the files of a target's corpus."""
    return sorted(path for path in (CORPUS / target).iterdir() if path.is_file())
