"""A file that has a path and is never on a disk."""

import os
from pathlib import Path


class MemoryFile:
    """Holds bytes, for as long as it lives."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("fuzz")
        self.path = Path(f"/proc/self/fd/{self._descriptor}")

    def hold(self, content: bytes) -> None:
        """Hold this, and nothing that was held before."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)
