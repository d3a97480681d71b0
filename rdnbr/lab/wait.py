"""Waiting for the kernel, and for other programs: ask again and again, up to a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.02
"""Seconds between two questions."""


class TooLate(AssertionError):
    """What was waited for did not come in time."""


def wait_for(condition: Callable[[], T], within: float, what: str) -> T:
    """Return the first truthy answer of `condition`.

    Raises:
        TooLate: none came within so many seconds; `what` names what was waited for.
    """
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TooLate(f"waited {within:g} s for {what}; the last answer was {answer!r}")
        time.sleep(PAUSE)
