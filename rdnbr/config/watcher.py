"""Noticing that the configuration or the allowlist changed."""

from pathlib import Path

Print = frozenset[tuple[str, int, int, int]]
"""What tells one version of some files from another: name, mtime in ns, size, inode."""

INTERVAL = 1.0
"""Seconds between two looks."""


class FileWatcher:
    """Files, and all of some directories, that are looked at now and then.

    A change counts once two looks in a row saw the same: an allowlist that is still being written may parse, and
    lack half of its rules.
    """

    def __init__(self, files: tuple[Path, ...], directories: tuple[Path, ...], now: float) -> None:
        """Take what is there now for known; `now` is in seconds of a clock that never goes back."""
        self._files = files
        self._directories = directories
        self._due = now + INTERVAL
        self._known = self._seen = self._look()

    def changed(self, now: float) -> bool:
        """Tell, once, that something changed since it was last told; looks at the disk at most every second."""
        if now < self._due:
            return False
        self._due = now + INTERVAL
        seen, self._seen = self._seen, self._look()
        if self._seen != seen or seen == self._known:
            return False
        self._known = seen
        return True

    @property
    def next_deadline(self) -> float:
        """When the next look is due."""
        return self._due

    def _look(self) -> Print:
        found = []
        for path in (*self._files, *self._listed()):
            try:
                there = path.stat()
            except OSError:
                continue
            found.append((str(path), there.st_mtime_ns, there.st_size, there.st_ino))
        return frozenset(found)

    def _listed(self) -> list[Path]:
        found: list[Path] = []
        for directory in self._directories:
            try:
                found += directory.iterdir()
            except OSError:
                continue
        return found
