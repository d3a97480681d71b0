"""Configuration files."""

import tomllib
from collections.abc import Iterator
from dataclasses import astuple

from rdnbr.config.config import CommandLine, Config, ConfigError, load_config
from rdnbr.config.schema import COUNTS, METRICS, SECONDS
from rdnbr.config.toml_lines import Toml
from rdnbr.core.model.problem import Problem
from tests.fuzz import ROOT
from tests.fuzz.memory_file import MemoryFile

FILE = MemoryFile()


def seeds() -> Iterator[bytes]:
    """Return the tables of the example, and syntax that they do not have."""
    example = (ROOT / "contrib" / "rdnbr.toml").read_text().splitlines()
    lines = [line.removeprefix("#") for line in example if line and not line.startswith("# ")]
    yield from (part.encode() for part in "\n".join(lines).replace("\n[", "\n\0[").split("\0"))
    yield b'[log]\nlevel = """\ninfo"""\nformat = 1\nlevle = 2020-01-01'
    yield b'[port]\nmac_check = "warn"\n[ports]\ntap1 = {addresses_ipv4 = 0, "b" = [\n1, 2 ]}\n[[limits]]'
    yield b"socket = '/s'\r\n# \xe2\x80\xa8\r\nbridges = [\r\n'a',\r\n]\r\nbridge = 1\r\n"
    yield b"[timers]\nreprobe = '30'\ntentative = nan\nprobe_count = 1e3\n[timers]\ndeparted = 0x10\n= 1\nx ="


def try_one(content: bytes) -> None:
    """Load the input; or check that the error names the place of each mistake."""
    FILE.replace(content)
    try:
        within_bounds(load_config(CommandLine(config=FILE.path)))
    except ConfigError as error:
        check_problems(error.problems, content)
    compare(content)


def within_bounds(config: Config) -> None:
    """Check that no number is beyond what the daemon can work with."""
    settings = config.settings
    for table in (settings.timers, settings.limits, settings.port, *settings.ports.values()):
        for value in astuple(table):
            if not isinstance(value, str):
                low, high = COUNTS if isinstance(value, int) else SECONDS
                assert low <= value <= high
    assert all(METRICS[0] <= metric <= METRICS[1] for metric in astuple(settings.routes))


def check_problems(problems: tuple[Problem, ...], content: bytes) -> None:
    """Check that each mistake is in an existing line, and that its message is one line."""
    assert problems
    for problem in problems:
        assert problem.file == str(FILE.path)
        assert 1 <= problem.line <= content.count(b"\n") + 1
        assert problem.message
        assert str(problem).isprintable()


def compare(content: bytes) -> None:
    """Check that the reader accepts what tomllib accepts, and gives the same values."""
    try:
        text = content.decode("utf-8-sig")
        values = tomllib.loads(text)
    except (ValueError, RecursionError):
        return
    toml = Toml(text)
    assert (toml.mistakes, repr(toml.values)) == ([], repr(values))  # nan is not equal to itself
