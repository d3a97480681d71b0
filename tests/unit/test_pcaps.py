"""The captures of `pcaps/`: each has its expectation beside it, and replay meets it."""

import re
import shlex
from pathlib import Path

import pcaps_make
import pytest

from rdnbr.core.model.reason import Reason
from rdnbr.replay.replay import main

PCAPS = pcaps_make.DIRECTORY
EXPECTATIONS = sorted(PCAPS.glob("*.expected"))

OF_FRAMES = list(Reason)[: list(Reason).index(Reason.PINNED) + 1]
"""What a frame alone, the node's own addresses, and the allowlist can be the reason of."""

WITHOUT_CAPTURE = {Reason.CONNECTED_PREFIX, Reason.NEXT_HOP}
"""A capture does not tell of the node's other interfaces and routes."""


def commands() -> dict[str, list[str]]:
    """Return the arguments of `rdnbr replay` by the name of the expectation."""
    found = {}
    for path in EXPECTATIONS:
        line = next(line for line in path.read_text().splitlines() if line.startswith("$ rdnbr replay "))
        found[path.name] = shlex.split(line)[3:]
    return found


def replay(arguments: list[str]) -> int:
    """Do what the command line would."""
    switches = {name: f"--{name}" in arguments for name in ("silent", "frames")}
    arguments = [word for word in arguments if word not in ("--silent", "--frames")]
    allowlist = None
    if "--allowlist" in arguments:
        place = arguments.index("--allowlist")
        allowlist = Path(arguments[place + 1])
        del arguments[place : place + 2]
    return main([Path(name) for name in arguments], allowlist=allowlist, **switches)


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda path: path.stem)
def test_replay_meets_the_expectation(expectation: Path, capsys, monkeypatch):
    """Replay prints, to the letter, what is expected of the capture."""
    monkeypatch.chdir(PCAPS)
    code = replay(commands()[expectation.name])
    printed = capsys.readouterr()
    lines = expectation.read_text().splitlines(keepends=True)
    assert printed.out + printed.err == "".join(line for line in lines if line[0] not in "#$")
    assert code == (1 if expectation.name.startswith("broken-") else 0)


def test_every_capture_has_an_expectation():
    """No capture lies there untested."""
    captures = {path.name for path in PCAPS.iterdir() if ".pcap" in path.name}
    assert captures == {word for words in commands().values() for word in words if ".pcap" in word}


@pytest.mark.parametrize("name", sorted(pcaps_make.files()))
def test_made_captures_are_reproducible(name: str):
    """The committed file is what tests/pcaps_make.py makes."""
    assert (PCAPS / name).read_bytes() == pcaps_make.files()[name]


@pytest.mark.parametrize("reason", OF_FRAMES, ids=str)
def test_every_reason_to_refuse_a_frame_has_a_capture(reason: Reason):
    """There is a capture for each reason that a frame alone, or the allowlist, can give."""
    shown = any(re.search(rf"\d {reason}\b(?!-)", path.read_text()) for path in EXPECTATIONS)
    assert shown != (reason in WITHOUT_CAPTURE)


def test_the_readme_lists_every_capture():
    """The table of the README has a row for each file, and for nothing else."""
    rows = re.findall(r"^\| `([^`]+)`", (PCAPS / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(path.name for path in PCAPS.iterdir() if ".pcap" in path.name)
