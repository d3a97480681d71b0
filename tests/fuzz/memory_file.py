"""A file that has a path and is never on a disk."""

import os
from pathlib import Path


class MemoryFile:
    """A file in memory, for as long as this object lives."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("fuzz")
        self.path = Path(f"/proc/self/fd/{self._descriptor}")

    def replace(self, content: bytes) -> None:
        """Replace the content."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)
