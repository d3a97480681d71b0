"""Passes signals to the loop, which handles them like its other events."""

import selectors
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType


class Signals:
    """Calls an action in the loop for each signal that arrives."""

    def __init__(
        self, selector: selectors.BaseSelector, actions: Mapping[signal.Signals, Callable[[], None]]
    ) -> None:
        self._selector = selector
        self._actions = actions
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.settimeout(0)
        selector.register(self._reader, selectors.EVENT_READ, self._wake)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _leave_to_the_loop) for number in actions}

    def close(self) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        self._selector.unregister(self._reader)
        self._reader.close()
        self._writer.close()

    def _wake(self, _mask: int) -> None:
        for number in dict.fromkeys(self._reader.recv(4096)):
            action = self._actions.get(signal.Signals(number))
            if action is not None:
                action()


def _leave_to_the_loop(_number: int, _frame: FrameType | None) -> None:
    """Do nothing. Python writes a signal to the wakeup descriptor only if the signal has a handler."""
