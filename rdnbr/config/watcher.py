"""Detects changes of the configuration and the allowlist."""

from pathlib import Path

Fingerprint = frozenset[tuple[str, int, int, int]]
"""Identifies one version of a set of files: name, mtime in ns, size and inode of each."""

INTERVAL = 1.0
"""Seconds between two reads of the fingerprint."""


class FileWatcher:
    """Polls files and all files of some directories.

    A change is reported after two equal fingerprints in a row. An allowlist that is only partly written may parse
    without error, and lack half of its rules.
    """

    def __init__(self, files: tuple[Path, ...], directories: tuple[Path, ...], now: float) -> None:
        """Start with the current fingerprint. `now` is in seconds on a monotonic clock."""
        self._files = files
        self._directories = directories
        self._due = now + INTERVAL
        self._known = self._seen = self._read_fingerprint()

    def changed(self, now: float) -> bool:
        """Return whether the files changed since the last True. It reads the disk at most once a second."""
        if now < self._due:
            return False
        self._due = now + INTERVAL
        seen, self._seen = self._seen, self._read_fingerprint()
        if self._seen != seen or seen == self._known:
            return False
        self._known = seen
        return True

    @property
    def next_deadline(self) -> float:
        """When the next read is due."""
        return self._due

    def _read_fingerprint(self) -> Fingerprint:
        versions = []
        for path in (*self._files, *self._paths_in_directories()):
            try:
                status = path.stat()
            except OSError:
                continue
            versions.append((str(path), status.st_mtime_ns, status.st_size, status.st_ino))
        return frozenset(versions)

    def _paths_in_directories(self) -> list[Path]:
        paths: list[Path] = []
        for directory in self._directories:
            try:
                paths += directory.iterdir()
            except OSError:
                continue
        return paths
