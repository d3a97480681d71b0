"""Writing to stderr without ever waiting for whoever reads it.

A terminal that was stopped with Ctrl-S, or a journal that is stuck, blocks each write to it. Making stderr
non-blocking is no way out: the setting belongs to the open file, which the shell shares. So a thread of its own
writes, from a bounded queue; what does not fit is dropped, and counted in the next line that does.
"""

import io
import os
import queue
import threading

LINES = 4096
"""Lines that may wait."""


class Writer(io.TextIOBase):
    """A text file whose `write` never waits."""

    def __init__(self, fd: int, lines: int = LINES) -> None:
        """Begin to write to `fd`, with at most `lines` texts waiting."""
        self._fd = fd
        self._queue: queue.Queue[str | None] = queue.Queue(lines)
        self._lost = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue a text, or drop it."""
        if self._lost:
            text = f"… {self._lost:,} lines of the log were lost: nobody took them\n{text}"
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            self._lost += 1
        else:
            self._lost = 0
        return len(text)

    def drain(self, patience: float) -> None:
        """Write what waits, and nothing after it; give up after `patience` seconds."""
        try:
            self._queue.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _write_all(self) -> None:
        while (text := self._queue.get()) is not None:
            left = text.encode(errors="backslashreplace")
            try:
                while left:
                    left = left[os.write(self._fd, left) :]
            except OSError:
                pass  # the reader is gone: there is nobody to tell
