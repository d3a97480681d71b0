"""Network namespaces of a lab: making them, running things in them, finding those that a killed lab left.

A name tells its lab: `rdlab-PID-STARTED-LAB-ROLE`, where PID and STARTED (in clock ticks since boot) are those of
the process that made it. So several labs run side by side, and a name whose process is gone is a leftover.
"""

import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_DIRECTORY = Path("/run/netns")
_NAME = re.compile(r"rdlab-(\d+)-(\d+)-\d+-.+")


class LabError(Exception):
    """The lab cannot be built, or a command in it failed; the message is for the person who asked for it."""


class Namespace:
    """A network namespace by its name, as `ip netns` knows it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def _entrance(self) -> Sequence[str]:
        """The command in front of another that runs it here."""
        return ("nsenter", f"--net={_DIRECTORY / self.name}")

    def ip(self, *lines: str) -> None:
        """Run lines of `ip`, all in one batch.

        Raises:
            LabError: one failed; those after it were not run.
        """
        ip(*lines, within=self)

    def attempt(self, *argv: str, within: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command here, at most so many seconds; whether it failed is for the caller to judge."""
        return command(*self._entrance, *argv, within=within)

    def run(self, *argv: str, within: float = 30.0) -> str:
        """Run a command here and return what it printed.

        Raises:
            LabError: it failed.
        """
        return succeed(self.attempt(*argv, within=within))

    def start(self, *argv: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a program here that goes on; what it prints is appended to `log`."""
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603
                [*self._entrance, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is the lab's, which then stops its programs in order
            )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Take the calling thread into the namespace; a socket opened there stays there."""
        with Path("/proc/thread-self/ns/net").open() as home, (_DIRECTORY / self.name).open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def close(self) -> None:
        """Let go of what is held open here."""

    def sysctl(self, **values: int) -> None:
        """Set what is under net/; `__` in a name stands for a slash."""
        with self.inside():
            for name, value in values.items():
                Path("/proc/sys/net", *name.split("__")).write_text(str(value))

    def routes(self, family: int, *selectors: str) -> list[str]:
        """Return the lines of `ip route show` for family 4 or 6."""
        shown = self.run("ip", f"-{family}", "route", "show", *selectors)
        return [line.strip() for line in shown.splitlines()]

    def ping(self, address: str, within: float = 1.0) -> bool:
        """Tell whether `address` answers one echo request within so many seconds."""
        sent = self.attempt("ping", "-n", "-q", "-c", "1", "-W", f"{within:g}", address, within=within + 5)
        return sent.returncode == 0


def own_prefix(pid: int | None = None) -> str:
    """Return what the names of all namespaces of this process, or of process `pid`, begin with."""
    pid = os.getpid() if pid is None else pid
    return f"rdlab-{pid}-{_started(pid)}-"


def existing(prefix: str) -> list[str]:
    """Return the names of the namespaces that begin with `prefix`."""
    if not _DIRECTORY.is_dir():
        return []
    return sorted(entry.name for entry in _DIRECTORY.iterdir() if entry.name.startswith(prefix))


def leftovers() -> list[str]:
    """Return the names of namespaces that labs made whose process is gone."""
    return [name for name in existing("rdlab-") if not _owner_lives(name)]


def remove(names: Sequence[str]) -> None:
    """Remove namespaces, and end what still runs in them. Those that are not there are no error."""
    names = [name for name in names if (_DIRECTORY / name).exists()]
    if not names:
        return
    for pid in _inhabitants(names):
        with suppress(ProcessLookupError):  # it may end by itself meanwhile
            os.kill(pid, signal.SIGKILL)
    try:
        ip(*(f"netns del {name}" for name in names), keep_going=True)
    except LabError:  # also when another lab removed the same leftovers at the same moment
        if any((_DIRECTORY / name).exists() for name in names):
            raise


def ip(*lines: str, within: Namespace | None = None, keep_going: bool = False) -> None:
    """Run lines of `ip` in one batch, in a namespace or on the machine itself.

    Raises:
        LabError: one failed. Those after it were run only with `keep_going`.
    """
    where = ["-n", within.name] if within else []
    force = ["-force"] if keep_going else []
    done = command("ip", *where, *force, "-batch", "-", words="\n".join(lines) + "\n", within=60.0)
    if done.returncode:
        failed = re.search(r"Command failed -:(\d+)", done.stderr)
        line = lines[int(failed[1]) - 1] if failed else "; ".join(lines[:3])
        raise LabError(f"ip {' '.join(where)} {line}: {done.stderr.strip()}")


def command(*argv: str, within: float, words: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command for at most so many seconds, and hand it `words`.

    Raises:
        LabError: it is not installed, or took longer.
    """
    try:
        return subprocess.run(  # noqa: S603
            argv,
            check=False,
            text=True,
            capture_output=True,
            timeout=within,
            input=words,
            stdin=None if words is not None else subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise LabError(
            f"{argv[0]} is not installed; the lab needs iproute2, util-linux and iputils"
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)}: no end after {within:g} s") from None


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed.

    Raises:
        LabError: it failed.
    """
    if done.returncode:
        raise LabError(
            f"{' '.join(done.args)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}"
        )
    return done.stdout


def _enter(namespace: int) -> None:
    clone_newnet = 0x40000000  # sched.h
    if _LIBC.setns(namespace, clone_newnet):
        raise LabError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}")


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5): field 22 of stat), None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _owner_lives(name: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is None or _started(int(match[1])) == int(match[2])


def _inhabitants(names: Iterable[str]) -> Iterator[int]:
    """Yield the processes whose network namespace is one of these."""
    with ExitStack() as stack:
        spaces = set()
        for name in names:
            with suppress(FileNotFoundError):  # another lab removed the same leftover
                # What is held open keeps its inode number, so that no new namespace is taken for it.
                spaces.add(os.fstat(stack.enter_context((_DIRECTORY / name).open()).fileno()).st_ino)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            try:
                space = (entry / "ns" / "net").stat().st_ino
            except OSError:
                continue  # it ended meanwhile
            if space in spaces:
                yield int(entry.name)
