"""The control socket's file: created unless a living daemon has it; for root and one group."""

import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

MODE = 0o660
GROUP = "rdnbr"


class CannotListen(Exception):
    """The control socket cannot be made; the message is one sentence that says what to do."""


class NoRoom(CannotListen):
    """The file system has no room for the control socket's file now. Later it may have."""


def listen(path: Path, backlog: int) -> socket.socket:
    """Create the socket and listen. The socket of a dead daemon is replaced.

    Raises:
        NoRoom: the file system is full.
        CannotListen: a living daemon has the socket, or the kernel refuses it.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent):
            _remove_dead_socket(path)
            _bind(listener, path)
            listener.listen(backlog)
    except OSError as error:
        listener.close()
        if error.errno in (ENOSPC, EDQUOT):
            raise NoRoom(
                f"there is no room for the control socket {path}: {error.strerror}; routing goes on, but rdnbr show "
                f"and the like cannot ask; make room there (df {path.parent}; df -i {path.parent})"
            ) from None
        raise CannotListen(
            f"cannot make the control socket {path}: {error.strerror or error}; "
            "be root, or set another `socket` in the configuration"
        ) from None
    except CannotListen:
        listener.close()
        raise
    return listener


def identity(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes a file from another one of the same name: device and inode. None if there is none."""
    try:
        there = path.lstat()
    except OSError:
        return None
    return there.st_dev, there.st_ino


def give_to_group(path: Path) -> str | None:
    """Give the socket to the group `rdnbr` if that exists. Return one sentence if the kernel refuses."""
    try:
        group = grp.getgrnam(GROUP).gr_gid
        if path.stat().st_gid != group:  # else the unit's filter of system calls need not permit chown
            os.chown(path, -1, group)
    except KeyError:
        return None
    except OSError as error:
        return f"cannot give {path} to the group {GROUP}: {error.strerror}; only its owner may ask the daemon"
    return None


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the directory: of two daemons that start at once, each could take the other's socket for a dead daemon's.

    Raises:
        CannotListen: another daemon has the lock.
    """
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CannotListen(f"another rdnbr is starting with a socket in {directory}; try again") from None
    finally:
        os.close(lock)


def _remove_dead_socket(path: Path) -> None:
    """Remove the socket of a dead daemon.

    Raises:
        CannotListen: the daemon is alive, or the file is no socket.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise CannotListen(f"{path} is not a socket; remove it, or set another `socket` in the configuration")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # alive, with a full backlog
    raise CannotListen(f"another rdnbr answers on {path}; stop it first (systemctl stop rdnbr)")


def _bind(listener: socket.socket, path: Path) -> None:
    """Bind. The umask keeps the file from having a wider mode than `MODE` even for a moment."""
    before = os.umask(0o777 & ~MODE)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
