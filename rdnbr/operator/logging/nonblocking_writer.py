"""Writing to stderr without ever waiting for whoever reads it.

A terminal that was stopped with Ctrl-S, or a journal that is stuck, blocks each write to it. Making stderr
non-blocking is no way out: the setting belongs to the open file, which the shell shares. So a thread of its own
writes, from a bounded queue. What does not fit, or cannot be written, is dropped and counted, and the count written
in its place as soon as something can be written again.
"""

import io
import os
import queue
import select
import threading
from collections.abc import Callable

LINES = 4096
"""Lines that may wait."""


def notice(lost: int) -> str:
    """Say that so many lines are missing here, in plain text."""
    return f"… {sentence(lost)}\n"


def sentence(lost: int) -> str:
    """Say that so many lines are missing."""
    return f"{lost:,} lines of the log were lost: nobody took them"


class Writer(io.TextIOBase):
    """A text file whose `write` never waits."""

    def __init__(self, fd: int, lines: int = LINES, tell: Callable[[int], str] = notice) -> None:
        """Begin to write to `fd`, with at most `lines` texts waiting; `tell` words how many were lost."""
        self._fd = fd
        self._tell = tell
        self._queue: queue.Queue[tuple[int, str] | None] = queue.Queue(lines)
        """Texts, each with the number of those lost between it and the one before."""
        self._lost = 0
        """How many did not fit since the last that did."""
        self._untold = 0
        """How many are missing where the thread writes next."""
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue a text, or drop it."""
        with self._counting:
            try:
                self._queue.put_nowait((self._lost, text))
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
        while (item := self._queue.get()) is not None:
            lost, text = item
            self._untold += lost
            self._put(text)
            self._tell_rest()
        self._tell_rest()

    def _tell_rest(self) -> None:
        """When nothing waits any more, do not leave untold what was lost after the last that fitted."""
        with self._counting:
            if self._queue.empty():
                self._untold += self._lost
                self._lost = 0
        self._put("")

    def _put(self, text: str) -> None:
        """Write a text, and in front of it how many are missing there."""
        told = self._tell(self._untold) if self._untold else ""
        if self._write(told + text):
            self._untold = 0
        elif text:
            self._untold += 1

    def _write(self, text: str) -> bool:
        """Write a text, however long that takes; tell whether somebody took it."""
        left = text.encode(errors="backslashreplace")
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:  # whoever shares the open file has made it non-blocking
                writable = select.poll()
                writable.register(self._fd, select.POLLOUT)
                writable.poll()
            except OSError:  # the reader is gone, or the disk is full
                return False
        return True
