"""The instance lock: one process in one network namespace, and no other user in the way."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rdnbr.linux.process.instance_lock import CannotLock, Held, InstanceLock, NoRoom
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.root

NOBODY = 65534


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory to be made where every user gets to: pytest's own are for root alone."""
    with TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        yield Path(parent) / "rdnbr"


@contextmanager
def as_nobody() -> Iterator[None]:
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def namespaces() -> Iterator[tuple[Namespace, Namespace]]:
    both = Namespace(), Namespace()
    yield both
    for one in both:
        one.close()


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def test_second_process_is_refused(directory: Path) -> None:
    """Who wants the lock that another one holds is told the process that holds it, until that releases it."""
    with InstanceLock(directory), pytest.raises(Held) as refused:
        InstanceLock(directory)
    assert refused.value.holder == str(os.getpid())
    InstanceLock(directory).close()
    assert files(directory) == []


def test_namespaces_do_not_disturb_each_other(
    directory: Path, namespaces: tuple[Namespace, Namespace]
) -> None:
    """Two network namespaces that share the directory have a lock each."""
    one, other = namespaces
    with one.entered():
        lock = InstanceLock(directory)
    with lock:
        with other.entered(), InstanceLock(directory):
            assert len(files(directory)) == 2
        with one.entered(), pytest.raises(Held):
            InstanceLock(directory)


def test_other_users_can_neither_lock_nor_make_the_file(directory: Path) -> None:
    """With any umask, another user can neither open the file, nor remove it, nor make one in its place."""
    before = os.umask(0)
    try:
        lock = InstanceLock(directory)
    finally:
        os.umask(before)
    with lock:
        (file,) = files(directory)
        assert file.stat().st_mode & 0o777 == 0o600
        with as_nobody():
            for flags in (os.O_RDONLY, os.O_WRONLY):
                with pytest.raises(PermissionError):
                    os.open(file, flags)
            with pytest.raises(PermissionError):
                file.unlink()
            with pytest.raises(PermissionError):
                (directory / "netns-1.lock").touch()


def test_other_users_cannot_lock_a_file_left_by_a_killed_process(directory: Path) -> None:
    """A killed process leaves its file; nobody else can lock that, and the next process of its user can."""
    script = (
        "import os, signal; from pathlib import Path; from rdnbr.linux.process.instance_lock import InstanceLock; "
        f"lock = InstanceLock(Path({str(directory)!r})); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    (file,) = files(directory)
    with as_nobody(), pytest.raises(PermissionError):
        os.open(file, os.O_RDONLY)
    InstanceLock(directory).close()


def test_directory_that_others_can_write_to_is_refused(directory: Path) -> None:
    """A directory that is writable for others is named, with the command that mends it."""
    for mode in (0o775, 0o757, 0o1777):
        directory.mkdir(exist_ok=True)
        directory.chmod(mode)
        with pytest.raises(CannotLock, match=f"others may write to {directory}.*chmod 755"):
            InstanceLock(directory)


def test_directory_of_another_user_is_refused(directory: Path) -> None:
    """A directory that belongs to another user is named, and so is that user."""
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    with pytest.raises(CannotLock, match=f"{directory} belongs to user {NOBODY}"):
        InstanceLock(directory)


def test_links_are_not_followed(directory: Path) -> None:
    """A symbolic link in the place of the directory is refused."""
    (directory.parent / "elsewhere").mkdir()
    directory.symlink_to(directory.parent / "elsewhere")
    with pytest.raises(CannotLock, match="is no directory"):
        InstanceLock(directory)


def test_user_of_the_service_locks_its_own_directory(directory: Path) -> None:
    """A daemon that is not root has the lock in a directory of its own, and is told what to do without one."""
    with as_nobody(), pytest.raises(CannotLock, match=f"be root, or have {directory} made for this user"):
        InstanceLock(directory)
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    with as_nobody(), InstanceLock(directory):
        assert [file.stat().st_uid for file in files(directory)] == [NOBODY]


def test_no_room_for_the_file(directory: Path) -> None:
    """On a full file system the lock says so, and where room is wanted."""
    directory.mkdir()
    options = "size=4k,nr_inodes=1,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "full", directory], check=True)
    try:
        with pytest.raises(NoRoom, match=f"No space left on device; make room there .df {directory}"):
            InstanceLock(directory)
    finally:
        subprocess.run(["umount", directory], check=True)


def test_file_that_is_removed_while_it_is_opened(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its holder removes before it could be locked is no lock: a new one is made."""
    first = InstanceLock(directory)
    really, opened = os.open, []

    def open_late(*args: object, **options: object) -> int:
        descriptor = really(*args, **options)  # type: ignore[arg-type]
        if not opened:
            first.close()
        opened.append(descriptor)
        return descriptor

    monkeypatch.setattr(os, "open", open_late)
    with InstanceLock(directory):
        assert len(opened) == 2
        assert len(files(directory)) == 1


def test_file_that_another_user_left_is_replaced(directory: Path) -> None:
    """A lock file of another user, made while the directory was writable for all, keeps no daemon from starting."""
    with InstanceLock(directory) as lock:
        name = lock._path.name
    directory.mkdir(exist_ok=True)
    directory.chmod(0o777)
    with as_nobody():
        stale = os.open(directory / name, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(stale, fcntl.LOCK_EX)
    directory.chmod(0o755)
    try:
        InstanceLock(directory).close()
    finally:
        os.close(stale)


def test_file_of_another_process_is_not_removed(directory: Path) -> None:
    """If the file was removed and another process has made a new one, the first process leaves that alone."""
    first = InstanceLock(directory)
    first._path.unlink()
    with InstanceLock(directory) as second:
        first.close()
        assert second._path.exists()
