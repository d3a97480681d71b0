"""Coverage-guided fuzzing of all code that reads input from others.

    python -m tests.fuzz TARGET [-runs=5000000] [further options of libFuzzer] [DIRECTORY]

A target is a module in this package with two functions. `try_one` takes bytes and raises if the code under test is
wrong. `seeds` returns the first inputs. The fuzzer writes new inputs, and inputs that fail, to DIRECTORY; the default
is `.fuzz/TARGET`.

Each target has a committed corpus in `corpus/TARGET`, which the unit tests run without a fuzzer. The corpus has inputs
that failed once, under a name that says why, and the smallest set of inputs that reaches all that a long run reached.
To make that set again after a long run:

    python -m tests.fuzz TARGET -merge=1 -use_counters=0 EMPTY_DIRECTORY .fuzz/TARGET

The fuzzer is atheris (libFuzzer), which exists for Linux on x86-64 only.
"""

from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]

TARGETS = sorted(path.name for path in CORPUS.iterdir())


def corpus(target: str) -> list[Path]:
    """Return the files of a target's corpus."""
    return sorted(path for path in (CORPUS / target).iterdir() if path.is_file())
