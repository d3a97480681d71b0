"""Waits for the kernel and for other programs: polls a condition up to a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.02
"""Seconds between two polls."""


class TooLate(AssertionError):
    """A condition did not become true in time."""


def wait_for(condition: Callable[[], T], within: float, what: str) -> T:
    """Poll `condition`, and return its first truthy result.

    Args:
        condition: what to poll.
        within: seconds.
        what: what is waited for, in words, for the error message.

    Raises:
        TooLate: the condition stayed false for `within` seconds.
    """
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TooLate(f"waited {within:g} s for {what}; the last answer was {answer!r}")
        time.sleep(PAUSE)
