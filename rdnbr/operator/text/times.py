"""Times of day for people, from the RFC 3339 of the daemon's documents."""

from datetime import datetime


def age(then: str, now: datetime) -> str:
    """Return how long ago a time was, in its largest unit."""
    seconds = max(0, int((now - datetime.fromisoformat(then)).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def clock(at: str) -> str:
    """Return the local time of day."""
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S")
