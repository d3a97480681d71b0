"""The parse of the configuration and the allowlist in a thread."""

import gc
import selectors
import sys

import pytest

from rdnbr.config.config import CommandLine
from rdnbr.daemon.file_parser import CannotUseFiles, FileParser


@pytest.fixture
def selector():
    with selectors.DefaultSelector() as selector:
        yield selector


@pytest.fixture
def parser(selector):
    parser = FileParser(selector)
    yield parser
    parser.close()


def wait(selector):
    """Wait until the thread has ended, and do what the loop would do then."""
    (ready,) = selector.select(10)
    key, mask = ready
    key.data(mask)


def test_result_wakes_the_loop(tmp_path, selector, parser):
    """The end of a parse makes the selector return; then the files are there as they were read."""
    (tmp_path / "allowlist").write_text("2.57.57.30\n2.57.57.31\n")
    (tmp_path / "rdnbr.toml").write_text(f'allowlist = "{tmp_path}/allowlist"\n[timers]\nreprobe = 7.0\n')
    parser.start(CommandLine(config=tmp_path / "rdnbr.toml"), required=False)
    assert parser.running
    wait(selector)
    parsed = parser.collect()
    assert parsed.config.settings.timers.reprobe == 7.0
    assert len(parsed.allowlist.rules) == 2
    assert not parser.running


def test_garbage_collector_waits_and_leaves_the_rules_alone(tmp_path, selector, parser):
    """It would hold up the loop: it waits while a parse runs, and does not look at the new rules."""
    (tmp_path / "allowlist").write_text("2.57.57.30\n")
    frozen = gc.get_freeze_count()
    parser.start(CommandLine(allowlist=tmp_path / "allowlist"), required=False)
    assert not gc.isenabled()
    wait(selector)
    rules = parser.collect().allowlist.rules
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen
    assert not any(one is rules for one in gc.get_objects())


def test_result_is_collected_once_the_loop_was_told(tmp_path, selector, parser):
    """Before the loop has read the end of the parse, there is no result, and asking for it does not block."""
    (tmp_path / "allowlist").write_text("2.57.57.30\n")
    assert parser.collect() is None
    parser.start(CommandLine(allowlist=tmp_path / "allowlist"), required=False)
    assert parser.collect() is None
    wait(selector)
    assert parser.collect() is not None


def test_mistakes_are_raised_and_another_parse_may_start(tmp_path, selector, parser):
    """Each mistake is named; after that the parser is free again, and Python switches threads as before."""
    before = sys.getswitchinterval()
    (tmp_path / "allowlist").write_text("2.57.57.300\n2.57.57\n")
    given = CommandLine(allowlist=tmp_path / "allowlist")
    parser.start(given, required=False)
    wait(selector)
    with pytest.raises(CannotUseFiles, match=r"(?s)allowlist:1: .*allowlist:2: "):
        parser.collect()
    assert sys.getswitchinterval() == before
    parser.start(given, required=False)
    wait(selector)


def test_missing_allowlist_is_a_mistake_where_one_is_in_force(tmp_path, selector, parser):
    """Without an allowlist the parse means open mode, which must not follow by accident on one that was in force."""
    (tmp_path / "rdnbr.toml").write_text("")
    given = CommandLine(config=tmp_path / "rdnbr.toml", allowlist=tmp_path / "none")
    parser.start(given, required=True)
    wait(selector)
    with pytest.raises(CannotUseFiles, match="no such file"):
        parser.collect()
