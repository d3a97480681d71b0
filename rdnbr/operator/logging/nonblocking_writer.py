"""Writes to stderr without ever blocking the daemon.

A terminal that was stopped with Ctrl-S, or a journal that hangs, blocks each write. Non-blocking mode is no solution:
the flag belongs to the open file, and other processes share that. Therefore a separate thread writes from a bounded
queue. Text that does not fit into the queue, or cannot be written, is dropped and counted. The count is written in its
place as soon as a write succeeds again.
"""

import io
import os
import queue
import select
import threading
from collections.abc import Callable

LINES = 4096
"""Lines that the queue holds."""


def notice(lost: int) -> str:
    """Return the line that stands for `lost` missing lines, as plain text."""
    return f"… {lost_lines(lost)}\n"


def lost_lines(lost: int) -> str:
    """Return the sentence that `lost` lines are missing."""
    return f"{lost:,} lines of the log were lost: nobody took them"


class Writer(io.TextIOBase):
    """A text file whose `write` never blocks."""

    def __init__(self, fd: int, lines: int = LINES, notice: Callable[[int], str] = notice) -> None:
        """Start the writing thread.

        Args:
            fd: file descriptor to write to.
            lines: number of texts that the queue holds.
            notice: returns the text that stands for a number of lost lines. The thread calls it.
        """
        self._fd = fd
        self._notice = notice
        self._queue: queue.Queue[tuple[int, str] | None] = queue.Queue(lines)
        """Texts, each with the number of texts that were lost directly before it. None ends the thread."""
        self._lost = 0
        """Texts that did not fit into the queue since the last one that did."""
        self._unreported = 0
        """Texts that are missing at the place where the thread writes next."""
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue a text, or drop it if the queue is full."""
        with self._counting:
            try:
                self._queue.put_nowait((self._lost, text))
            except queue.Full:
                self._lost += 1
            else:
                self._lost = 0
        return len(text)

    def drain(self, patience: float) -> None:
        """Write what is queued, and stop. Give up after `patience` seconds."""
        try:
            self._queue.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not None:
            lost, text = item
            self._unreported += lost
            self._write_with_notice(text)
            self._report_lost()
        self._report_lost()

    def _report_lost(self) -> None:
        """If the queue is empty, report the texts that were lost after the last queued one."""
        with self._counting:
            if self._queue.empty():
                self._unreported += self._lost
                self._lost = 0
        self._write_with_notice("")

    def _write_with_notice(self, text: str) -> None:
        """Write a text, preceded by the notice of the texts that are missing before it."""
        lost = self._notice(self._unreported) if self._unreported else ""
        if self._write(lost + text):
            self._unreported = 0
        elif text:
            self._unreported += 1

    def _write(self, text: str) -> bool:
        """Write a text, and block as long as that takes. Return whether the write succeeded."""
        left = text.encode(errors="backslashreplace")
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:  # another process with the same open file has made it non-blocking
                writable = select.poll()
                writable.register(self._fd, select.POLLOUT)
                writable.poll()
            except OSError:  # the reader is gone, or the disk is full
                return False
        return True
