"""One daemon in a network namespace: two daemons would remove each other's routes.

The lock is an flock(2) on a file that is named by the inode number of the network namespace, so daemons of different
namespaces share the directory. The kernel releases the lock when the process ends in any way. A file that a killed
process left is locked again.

Any process that can open a file can lock it, even for reading only. So the file has mode 0600, and it is trusted only
in a directory that nobody but root and the daemon's user can write to: otherwise any local user could keep the daemon
from starting. The directory is always the same one: two daemons with different control sockets must meet.
"""

import fcntl
import os
import pwd
import stat
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Self

DIRECTORY = Path("/run/rdnbr")
USER = "rdnbr"
"""The user that contrib/rdnbr.service gives the daemon."""

_NAMESPACE = Path("/proc/thread-self/ns/net")
_DIRECTORY_MODE, _FILE_MODE = 0o755, 0o600
_WRITABLE_FOR_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class CannotLock(Exception):
    """The lock cannot be acquired; the message is one sentence that says what to do."""


class NoRoom(CannotLock):
    """The file system is full, so the lock file cannot be created."""


class Held(CannotLock):
    """Another process has the lock."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is locked by process {holder or 'unknown'}")
        self.holder = holder
        """The process id in the holder's PID namespace; empty if the holder could not write it."""


class InstanceLock:
    """The lock of this network namespace, held until it is closed.

    Raises:
        Held: another process has the lock.
        NoRoom: the file system of the directory is full.
        CannotLock: the directory cannot be made, or others can write to it.
    """

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._path = directory / f"{namespace_name()}.lock"
        try:
            with suppress(FileExistsError):
                directory.mkdir(_DIRECTORY_MODE)
            _check(directory)
            self._file = self._lock()
        except OSError as error:
            kind, cure = (
                (NoRoom, f"make room there (df {directory}; df -i {directory})")
                if error.errno in (ENOSPC, EDQUOT)
                else (CannotLock, f"be root, or have {directory} made for this user (RuntimeDirectory=)")
            )
            raise kind(f"cannot make the lock {self._path}: {error.strerror or error}; {cure}") from None

    def close(self) -> None:
        """Release the lock, and remove its file: the next process may be of another user."""
        with suppress(OSError):
            if os.path.samestat(
                self._path.lstat(), os.fstat(self._file)
            ):  # else another process has made a new file
                self._path.unlink()
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _lock(self) -> int:
        """Open and lock the file, and write this process's id into it."""
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
            if not is_trusted(
                os.fstat(file)
            ):  # left by another user, who can lock it while the directory was open
                os.close(file)
                self._path.unlink()
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(file, 20, 0).decode(errors="replace").strip()
                os.close(file)
                raise Held(self._path, holder) from None
            except OSError:
                os.close(file)
                raise
            if os.fstat(file).st_nlink:
                break
            os.close(
                file
            )  # between open and flock its holder removed it: another process would make a new one
        with suppress(OSError):  # without room the id stays unwritten, and the lock is as good
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        return file


def namespace_name() -> str:
    """Return the name of this network namespace, for files of which each namespace has one."""
    return f"netns-{_NAMESPACE.stat().st_ino}"


def _check(directory: Path) -> None:
    """Make sure that only root and the daemon's user can make files there.

    Raises:
        CannotLock: others can.
    """
    there = directory.lstat()
    if not stat.S_ISDIR(there.st_mode):
        raise CannotLock(f"{directory} is no directory; remove it")
    if there.st_mode & _WRITABLE_FOR_OTHERS:
        raise CannotLock(f"others may write to {directory}, and could keep rdnbr from starting; chmod 755 it")
    if there.st_uid not in (0, os.geteuid()) and there.st_uid != _service_user():
        raise CannotLock(
            f"{directory} belongs to user {there.st_uid}, who could keep rdnbr from starting; "
            "chown it to root, or to the user that rdnbr runs as"
        )


def is_trusted(file: os.stat_result) -> bool:
    """Return whether only root and the daemon's user can open a file of ours."""
    return file.st_uid in (0, os.geteuid(), _service_user()) and not file.st_mode & 0o077


def _service_user() -> int | None:
    try:
        return pwd.getpwnam(USER).pw_uid
    except KeyError:
        return None
