"""Runs the `nft` program: at once where nothing waits yet, else beside the daemon's loop."""

import json
import os
import selectors
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, BinaryIO

from rdnbr.linux.nft.ruleset import TABLE

_PATIENCE = 10.0
"""Seconds that nft may take; after them it is killed."""
_ELSEWHERE = ":/usr/sbin:/sbin"
_GONE = "No such file or directory"


class NftError(Exception):
    """nft is not there, or refuses; the message is its own, in one line."""


class Nft:
    """Runs one script after another; the selector tells when one has ended."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._process: subprocess.Popen[bytes] | None = None
        self._let_go: Callable[[], str | None] = lambda: None

    @property
    def busy(self) -> bool:
        """Whether a script is running."""
        return self._process is not None

    def start(self, script: str, done: Callable[[str | None], None]) -> None:
        """Start a script while none is running; `done` is called, by the loop, with the error if there was one."""
        assert self._process is None
        try:
            process, complaint = _start(script)
        except OSError as error:
            done(str(error))
            return
        try:
            watch = os.pidfd_open(process.pid)
        except OSError as error:  # no file descriptors are left
            process.kill()
            process.wait()
            complaint.close()
            done(str(error))
            return
        self._process = process
        # The loop waits for nft without end; this thread, which nobody waits for, makes sure that there is one.
        limit = threading.Timer(_PATIENCE, process.kill)
        limit.daemon = True
        limit.start()

        def let_go() -> str | None:
            limit.cancel()
            self._selector.unregister(watch)
            os.close(watch)
            self._process = None
            return _error(process.wait(), complaint)

        self._let_go = let_go

        def ended(_mask: int) -> None:
            done(let_go())

        self._selector.register(watch, selectors.EVENT_READ, ended)

    def finish(self) -> None:
        """Wait for what is running, and kill it when that takes too long; nobody is told of its end."""
        if self._process is None:
            return
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._let_go()


def run(script: str, *flags: str) -> None:
    """Run a script, and wait for its end.

    Raises:
        NftError: it failed.
    """
    _ask("-f", "-", *flags, script=script)


def listed() -> Any | None:
    """Return what `nft --json` lists of our table; None when there is none.

    Raises:
        NftError: nft is not there or not permitted.
    """
    try:
        return json.loads(_ask("--json", "list", "table", *TABLE.split()))
    except NftError as error:
        if _GONE in str(error):
            return None
        raise


def removed() -> bool:
    """Remove our table, and tell whether there was one. Where nft is not installed, nobody made one.

    Raises:
        NftError: nft refuses.
    """
    if not installed():
        return False
    try:
        _ask("delete", "table", *TABLE.split())
    except NftError as error:
        if _GONE in str(error):
            return False
        raise
    return True


def installed() -> bool:
    """Tell whether there is an `nft` to run."""
    return shutil.which("nft", path=_path()) is not None


def _path() -> str:
    """Return where to look for programs: a person's PATH may lack the administrator's directories."""
    return os.environ.get("PATH", os.defpath) + _ELSEWHERE


def _program() -> str:
    return shutil.which("nft", path=_path()) or "nft"


def _ask(*arguments: str, script: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603
            [_program(), *arguments],
            input=script,
            capture_output=True,
            check=False,
            text=True,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NftError(str(error)) from error
    if done.returncode:
        raise NftError(_first_line(done.stderr))
    return done.stdout


def _start(script: str) -> tuple[subprocess.Popen[bytes], BinaryIO]:
    """Start nft with files in memory for its input and its complaints, so that neither side ever waits on a pipe.

    Raises:
        OSError: it cannot be started.
    """
    with ExitStack() as stack:
        complaint = stack.enter_context(os.fdopen(os.memfd_create("nft-errors"), "w+b"))
        with os.fdopen(os.memfd_create("nft-script"), "w+b") as source:
            source.write(script.encode())
            source.seek(0)
            process = subprocess.Popen(  # noqa: S603
                [_program(), "-f", "-"], stdin=source, stdout=subprocess.DEVNULL, stderr=complaint
            )
        stack.pop_all()
    return process, complaint


def _error(code: int, complaint: BinaryIO) -> str | None:
    with complaint:
        complaint.seek(0)
        text = complaint.read().decode(errors="replace")
    if code == -signal.SIGKILL:
        return f"nft took more than {_PATIENCE:g} s and was killed"
    return None if code == 0 else _first_line(text) or f"nft ended with {code}"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if "Error" in line), text.strip())
