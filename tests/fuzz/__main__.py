"""Fuzz one target."""

import shlex
import sys
from importlib import import_module
from pathlib import Path

import atheris

from tests.fuzz import CORPUS, ROOT, TARGETS


def main(arguments: list[str]) -> None:
    """Fuzz until the runs are over, or until an input fails."""
    target, *options = arguments or [""]
    if target not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} [-runs=N] [DIRECTORY]")
    directories = [option for option in options if not option.startswith("-")]
    if not directories:
        directories = [str(ROOT / ".fuzz" / target)]
        options += directories
    finds = Path(directories[0])
    finds.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["rdnbr"]):
        module = import_module(f"tests.fuzz.{target}")
    if not any(option.startswith("-merge") for option in options):
        for number, seed in enumerate(module.seeds()):
            (finds / f"seed-{number}").write_bytes(seed)
        options.append(str(CORPUS / target))
    # To merge, libFuzzer starts itself again with a shell.
    command = f"{shlex.quote(sys.executable)} -m tests.fuzz {target}"
    atheris.Setup([command, f"-artifact_prefix={finds}/", *options], module.try_one)
    atheris.Fuzz()


main(sys.argv[1:])
