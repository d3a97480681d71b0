"""An nft that does not do as it should: what the daemon makes of it."""

import os
import resource
import selectors
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdnbr.linux.nft import command
from rdnbr.linux.nft.command import Nft
from tests.netns.namespace import until


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        yield selector


@pytest.fixture
def _hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `nft` be a program that never ends, and a tenth of a second be all there is of patience."""
    program = tmp_path / "nft"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(command, "_TIMEOUT", 0.1)


@pytest.mark.usefixtures("_hanging")
def test_nft_that_hangs_is_killed(selector: selectors.BaseSelector) -> None:
    """A script that takes too long ends with an error that says so, and the next one can be run."""
    runner, errors = Nft(selector), list[str | None]()
    runner.start("", errors.append)

    def ended() -> bool:
        for key, mask in selector.select(0):
            key.data(mask)
        return not runner.busy

    until(ended)
    assert errors == ["nft took more than 0.1 s and was killed"]


@pytest.mark.usefixtures("_hanging")
def test_end_does_not_wait_for_nft_that_hangs(selector: selectors.BaseSelector) -> None:
    """The daemon's own end kills what takes too long, and nothing is raised."""
    runner = Nft(selector)
    runner.start("", lambda _error: None)
    assert runner.busy
    runner.finish()
    assert not runner.busy
    assert not selector.get_map()


@pytest.mark.usefixtures("_hanging")
def test_no_descriptor_for_nft_is_an_error(selector: selectors.BaseSelector) -> None:
    """Where file descriptors have run out, at whatever moment, the script has failed, and none of it is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    runner, errors = Nft(selector), list[str | None]()
    free = os.dup(0)  # the lowest number that is free
    os.close(free)
    try:
        for limit in (free, free + 1, free + 2):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            runner.start("", errors.append)
            assert not runner.busy
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [str(error)[:10] for error in errors] == ["[Errno 24]"] * 3
