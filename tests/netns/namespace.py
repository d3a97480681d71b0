"""Network namespaces for tests: they are made, entered for a moment, and always removed."""

import contextlib
import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace without a process; it exists while this object keeps its descriptor open.

    It has no name, so nothing is left behind even if the tests are killed.
    """

    def __init__(self) -> None:
        with Path("/proc/thread-self/ns/net").open() as home:
            _check(_libc.unshare(_CLONE_NEWNET))
            try:
                self.descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            finally:
                _check(_libc.setns(home.fileno(), _CLONE_NEWNET))
        self("ip link set lo up")

    def close(self) -> None:
        os.close(self.descriptor)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets made in here stay in the namespace."""
        with Path("/proc/thread-self/ns/net").open() as home:
            _check(_libc.setns(self.descriptor, _CLONE_NEWNET))
            try:
                yield
            finally:
                _check(_libc.setns(home.fileno(), _CLONE_NEWNET))

    def __call__(self, command: str, stdin: str = "") -> str:
        """Run a command in the namespace and return what it prints."""
        with self.entered():
            done = subprocess.run(
                command.split(), input=stdin, capture_output=True, text=True, check=False, timeout=30
            )
        if done.returncode:
            raise AssertionError(f"{command}: {done.stderr or done.stdout}")
        return done.stdout

    def sysctl(self, path: str, value: int) -> None:
        with self.entered():
            Path("/proc/sys", path).write_text(f"{value}")

    def index(self, device: str) -> int:
        return int(self(f"ip -o link show dev {device}").split(":")[0])


def until(look: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until `look` returns something true; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.005)


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
