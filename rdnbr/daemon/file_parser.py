"""Parses the configuration and the allowlist in a thread, so that the loop goes on meanwhile.

The thread does nothing but read and parse files: 20,000 rules take almost two seconds. The loop collects the result.

The garbage collector of Python holds up all threads: with 5,000 bindings and 20,000 new rules for 200 ms. So it waits
while a parse runs. It does not look at what is there at the end of the parse, now or later (`gc.freeze`): rules and
bindings have no cycles, and are freed by their reference counts.
"""

import gc
import selectors
import socket
import sys
import threading
from contextlib import suppress
from typing import NamedTuple

from rdnbr.config.config import CommandLine, Config, ConfigError, load_allowlist, load_config
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError

_SWITCH_INTERVAL = 0.0001
"""Seconds after which the thread has to give the interpreter to the loop. The loop waits for it after each system
call: with Python's 5 ms a turn that reads 64 frames took up to 74 ms, with 0.1 ms up to 17 ms."""


class ParsedFiles(NamedTuple):
    """The files as they were read."""

    config: Config
    allowlist: Allowlist | None
    """None if there is no allowlist, which means open mode."""


class CannotUseFiles(Exception):
    """The files have mistakes; the message names each of them on a line of its own."""


class FileParser:
    """One parse at a time."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Register the end of a parse with the selector of the loop, so that it makes a turn then."""
        self._selector = selector
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)  # noqa: FBT003
        selector.register(self._reader, selectors.EVENT_READ, self._handle_ready)
        self._thread: threading.Thread | None = None
        self._result: ParsedFiles | Exception | None = None
        self._ended = False
        self._interval_before = sys.getswitchinterval()

    @property
    def running(self) -> bool:
        """Whether a parse was started whose result was not collected."""
        return self._thread is not None

    def start(self, given: CommandLine, *, required: bool) -> None:
        """Start to parse. No other parse may be running.

        Args:
            given: the command line, which names the configuration and wins over it.
            required: a missing allowlist is a mistake, for one is in force.

        Raises:
            RuntimeError: there is no memory for a thread.
        """
        assert not self.running
        thread = threading.Thread(target=self._run, args=(given, required), name="parse", daemon=True)
        self._interval_before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        gc.disable()
        try:
            thread.start()
        except RuntimeError:
            self._end()
            raise
        self._thread = thread

    def collect(self) -> ParsedFiles | None:
        """Return the result of the parse if it has ended; then the next one may start.

        Raises:
            CannotUseFiles: the files have mistakes.
        """
        if self._thread is None or not self._ended:
            return None
        self._thread.join()
        result, self._result = self._result, None
        self._thread, self._ended = None, False
        self._end()
        if isinstance(result, ConfigError | AllowlistError):
            raise CannotUseFiles(str(result)) from result
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        """Do not wait for a parse that is running."""
        if self.running:
            self._end()
        self._selector.unregister(self._reader)
        self._reader.close()
        self._writer.close()

    def _end(self) -> None:
        sys.setswitchinterval(self._interval_before)
        gc.freeze()
        gc.enable()

    def _handle_ready(self, _mask: int) -> None:
        self._reader.recv(16)
        self._ended = True

    def _run(self, given: CommandLine, required: bool) -> None:  # noqa: FBT001
        try:
            config = load_config(given)
            needed = required or config.allowlist_named
            allowlist = load_allowlist(config.allowlist, config.allowlist_directory, required=needed)
            self._result = ParsedFiles(config, allowlist)
        except Exception as error:  # noqa: BLE001 (the loop raises it again)
            self._result = error
        with suppress(OSError):  # the daemon has ended
            self._writer.send(b"\0")
