"""What the fuzzer is given, tried without it, and the fuzzer itself for a moment."""

import importlib.util
import os
import subprocess
import sys
from importlib import import_module

import pytest

from tests.fuzz import ROOT, TARGETS, corpus

RUNS, SECONDS = 20_000, 5


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target):
    """Nothing in a target's corpus, nor where it begins, makes it fail."""
    module = import_module(f"tests.fuzz.{target}")
    inputs = {f"seed {number}": seed for number, seed in enumerate(module.seeds())}
    inputs |= {path.name: path.read_bytes() for path in corpus(target)}
    for name, content in inputs.items():
        try:
            module.try_one(content)
        except Exception as error:
            error.add_note(f"in {name} of {target}")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_fuzzer_finds_nothing(target, tmp_path):
    """Some thousand inputs that nobody thought of make no target fail."""
    if importlib.util.find_spec("atheris") is None:
        reason = "atheris has no wheel for this Python and machine"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    ran = subprocess.run(
        [
            sys.executable,
            *("-m", "tests.fuzz", target),
            *(f"-runs={RUNS}", f"-max_total_time={SECONDS}", "-max_len=256", "-timeout=10"),
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert "\nDone " in ran.stderr
