"""Numbers, lists and times as people read them."""

from collections.abc import Sequence
from datetime import datetime


def counted(number: int, noun: str) -> str:
    """Return `1 binding`, `0 bindings`, `1,234 bindings`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(names: Sequence[str], most: int) -> str:
    """Return the first `most` names, and how many there are besides: `a, b, c and 2 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def age(then: datetime, now: datetime) -> str:
    """Return how long ago `then` was, in the largest unit that gives at least 2; 0s if it is in the future."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def clock(at: datetime) -> str:
    """Return the local time of day."""
    return at.astimezone().strftime("%H:%M:%S")


def date_and_time(at: datetime) -> str:
    """Return the local date and time of day."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
