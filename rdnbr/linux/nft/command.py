"""Runs the `nft` program: blocking at the start and in commands, else in parallel to the daemon's loop."""

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

_TIMEOUT = 10.0
"""Seconds after which nft is killed."""
_ELSEWHERE = ":/usr/sbin:/sbin"
_GONE = "No such file or directory"


class NftError(Exception):
    """nft is not installed, or failed; the message is one line of nft or of the operating system."""


class Nft:
    """Runs one script at a time; the selector reports its end."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._process: subprocess.Popen[bytes] | None = None
        self._release: Callable[[], str | None] = lambda: None

    @property
    def busy(self) -> bool:
        """Whether a script is running."""
        return self._process is not None

    def start(self, script: str, done: Callable[[str | None], None]) -> None:
        """Start a script; no other script may be running.

        Args:
            script: for `nft -f`.
            done: called at the end of the script by the loop, or at once if nft cannot start; with the error or None.
        """
        assert self._process is None
        try:
            process, errors = _start(script)
        except OSError as error:
            done(str(error))
            return
        try:
            watch = os.pidfd_open(process.pid)
        except OSError as error:  # no file descriptors are left
            process.kill()
            process.wait()
            errors.close()
            done(str(error))
            return
        self._process = process
        # The loop has no timeout for nft. This daemon thread kills nft after the timeout, so `ended` is always called.
        limit = threading.Timer(_TIMEOUT, process.kill)
        limit.daemon = True
        limit.start()

        def release() -> str | None:
            limit.cancel()
            self._selector.unregister(watch)
            os.close(watch)
            self._process = None
            return _error(process.wait(), errors)

        self._release = release

        def ended(_mask: int) -> None:
            done(release())

        self._selector.register(watch, selectors.EVENT_READ, ended)

    def finish(self) -> None:
        """Wait for a running script, and kill it after the timeout; `done` is not called."""
        if self._process is None:
            return
        try:
            self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._release()


def run(script: str, *flags: str) -> None:
    """Run a script and wait for its end.

    Raises:
        NftError: the script failed.
    """
    _run_nft("-f", "-", *flags, script=script)


def list_table() -> Any | None:
    """Return the listing of our table by `nft --json`; None if there is no table.

    Raises:
        NftError: nft is not installed or not permitted.
    """
    try:
        return json.loads(_run_nft("--json", "list", "table", *TABLE.split()))
    except NftError as error:
        if _GONE in str(error):
            return None
        raise


def list_ruleset() -> Any:
    """Return the listing of all tables by `nft --json`.

    Raises:
        NftError: nft is not installed or not permitted.
    """
    return json.loads(_run_nft("--json", "list", "ruleset"))


def remove_table() -> bool:
    """Remove our table; return whether there was one. Without nft there is none.

    Raises:
        NftError: nft failed.
    """
    if not is_installed():
        return False
    try:
        _run_nft("delete", "table", *TABLE.split())
    except NftError as error:
        if _GONE in str(error):
            return False
        raise
    return True


def is_installed() -> bool:
    """Return whether the `nft` program is installed."""
    return shutil.which("nft", path=search_path()) is not None


def search_path() -> str:
    """Return the search path for programs of the administrator: the PATH of a user may lack the sbin directories."""
    return os.environ.get("PATH", os.defpath) + _ELSEWHERE


def _program() -> str:
    return shutil.which("nft", path=search_path()) or "nft"


def _run_nft(*arguments: str, script: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603
            [_program(), *arguments],
            input=script,
            capture_output=True,
            check=False,
            text=True,
            timeout=_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NftError(str(error)) from error
    if done.returncode:
        raise NftError(_first_line(done.stderr))
    return done.stdout


def _start(script: str) -> tuple[subprocess.Popen[bytes], BinaryIO]:
    """Start nft with files in memory for its input and its errors, so that neither side waits on a pipe.

    Raises:
        OSError: nft cannot be started.
    """
    with ExitStack() as stack:
        errors = stack.enter_context(os.fdopen(os.memfd_create("nft-errors"), "w+b"))
        with os.fdopen(os.memfd_create("nft-script"), "w+b") as source:
            source.write(script.encode())
            source.seek(0)
            process = subprocess.Popen(  # noqa: S603
                [_program(), "-f", "-"], stdin=source, stdout=subprocess.DEVNULL, stderr=errors
            )
        stack.pop_all()
    return process, errors


def _error(code: int, errors: BinaryIO) -> str | None:
    with errors:
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if code == -signal.SIGKILL:
        return f"nft took more than {_TIMEOUT:g} s and was killed"
    return None if code == 0 else _first_line(text) or f"nft ended with {code}"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if "Error" in line), text.strip())
