"""Network namespaces of a lab: creating them, running commands in them, and finding those of a killed lab.

A name identifies its lab: `rdlab-PID-STARTED-LAB-ROLE`. PID and STARTED (in clock ticks since boot) are those of the
process that created it. Several labs can therefore run side by side, and a name without its process is a leftover.

Links and addresses are set by ip(8), many lines in one batch. The lines are known to every network engineer, and an
error quotes the line that failed.
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
    """The lab cannot be built, or a command in it failed. The message is for the operator."""


class Namespace:
    """A network namespace, identified by its name in `ip netns`."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def _enter_command(self) -> Sequence[str]:
        """The command prefix that runs a command in this namespace."""
        return ("nsenter", f"--net={_DIRECTORY / self.name}")

    def ip(self, *lines: str) -> None:
        """Run `ip` commands in this namespace, all in one batch.

        Raises:
            LabError: a line failed. The lines after it were not run.
        """
        ip(*lines, within=self)

    def attempt(self, *argv: str, within: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command in this namespace for at most `within` seconds. The caller checks its exit code."""
        return command(*self._enter_command, *argv, within=within)

    def run(self, *argv: str, within: float = 30.0) -> str:
        """Run a command in this namespace and return its output.

        Raises:
            LabError: the command failed.
        """
        return checked_output(self.attempt(*argv, within=within))

    def start(self, *argv: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a program in the background. Its output is appended to `log`."""
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603
                [*self._enter_command, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C goes to the lab alone, which then stops its programs in order
            )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Move the calling thread into the namespace for a while. A socket that is opened inside stays inside."""
        with Path("/proc/thread-self/ns/net").open() as home, (_DIRECTORY / self.name).open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def close(self) -> None:
        """Close what is open in the namespace. A plain namespace has nothing open."""

    def sysctl(self, **values: int) -> None:
        """Set sysctls under net/. `__` in a name stands for a slash."""
        with self.inside():
            for name, value in values.items():
                Path("/proc/sys/net", *name.split("__")).write_text(str(value))

    def routes(self, family: int, *selectors: str) -> list[str]:
        """Return the lines of `ip route show` for IP version 4 or 6."""
        output = self.run("ip", f"-{family}", "route", "show", *selectors)
        return [line.strip() for line in output.splitlines()]

    def ping(self, address: str, within: float = 1.0) -> bool:
        """Return whether `address` answers one echo request within `within` seconds."""
        done = self.attempt("ping", "-n", "-q", "-c", "1", "-W", f"{within:g}", address, within=within + 5)
        return done.returncode == 0


def own_prefix(pid: int | None = None) -> str:
    """Return the prefix of the names of all namespaces of this process, or of process `pid`."""
    pid = os.getpid() if pid is None else pid
    return f"rdlab-{pid}-{_start_time(pid)}-"


def existing(prefix: str) -> list[str]:
    """Return the names of all namespaces that begin with `prefix`."""
    if not _DIRECTORY.is_dir():
        return []
    return sorted(entry.name for entry in _DIRECTORY.iterdir() if entry.name.startswith(prefix))


def leftovers() -> list[str]:
    """Return the names of the namespaces of labs whose process is gone."""
    return [name for name in existing("rdlab-") if not _owner_lives(name)]


def remove(names: Sequence[str]) -> None:
    """Remove namespaces, and kill the processes in them. A namespace that does not exist is no error."""
    names = [name for name in names if (_DIRECTORY / name).exists()]
    if not names:
        return
    for pid in _processes_in(names):
        with suppress(ProcessLookupError):  # the process may have ended
            os.kill(pid, signal.SIGKILL)
    try:
        ip(*(f"netns del {name}" for name in names), keep_going=True)
    except LabError:  # another lab may have removed the same leftovers at the same moment
        if any((_DIRECTORY / name).exists() for name in names):
            raise


def ip(*lines: str, within: Namespace | None = None, keep_going: bool = False) -> None:
    """Run `ip` commands in one batch, in a namespace or on the machine itself.

    Raises:
        LabError: a line failed. The lines after it were run only with `keep_going`.
    """
    where = ["-n", within.name] if within else []
    force = ["-force"] if keep_going else []
    done = command("ip", *where, *force, "-batch", "-", stdin="\n".join(lines) + "\n", within=60.0)
    if done.returncode:
        failed = re.search(r"Command failed -:(\d+)", done.stderr)
        line = lines[int(failed[1]) - 1] if failed else "; ".join(lines[:3])
        raise LabError(f"ip {' '.join(where)} {line}: {done.stderr.strip()}")


def command(*argv: str, within: float, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command with the input `stdin` for at most `within` seconds.

    Raises:
        LabError: the command is not installed, or took longer.
    """
    try:
        return subprocess.run(  # noqa: S603
            argv,
            check=False,
            text=True,
            capture_output=True,
            timeout=within,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise LabError(
            f"{argv[0]} is not installed; the lab needs iproute2, util-linux and iputils"
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)}: not finished after {within:g} s") from None


def checked_output(done: subprocess.CompletedProcess[str]) -> str:
    """Return the output of a finished command.

    Raises:
        LabError: the command failed.
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


def _start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5): field 22 of stat). None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _owner_lives(name: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is None or _start_time(int(match[1])) == int(match[2])


def _processes_in(names: Iterable[str]) -> Iterator[int]:
    """Yield the processes in these network namespaces, except this process."""
    with ExitStack() as stack:
        inodes = set()
        for name in names:
            with suppress(FileNotFoundError):  # another lab removed the same leftover
                # While the file is open, the kernel does not give its inode number to a new namespace.
                inodes.add(os.fstat(stack.enter_context((_DIRECTORY / name).open()).fileno()).st_ino)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            try:
                inode = (entry / "ns" / "net").stat().st_ino
            except OSError:
                continue  # the process has ended
            if inode in inodes:
                yield int(entry.name)
