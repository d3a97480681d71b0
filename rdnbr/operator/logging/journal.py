"""Lines for the journal of systemd, which has the time of each line itself.

A line that begins with the priority in angle brackets, such as ``<4>``, is stored with that priority (sd-daemon(3)).
"""

import os
from contextlib import suppress

from structlog.typing import EventDict, WrappedLogger

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""The priorities of syslog(3) by the level of the line."""


def is_journal(fd: int) -> bool:
    """Return whether systemd has connected `fd` to the journal ($JOURNAL_STREAM, systemd.exec(5))."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    with suppress(OSError):
        there = os.fstat(fd)
        return (device, inode) == (str(there.st_dev), str(there.st_ino))
    return False


def with_priority(text: str, level: str) -> str:
    """Return the text with the priority of `level` before each line, since the journal makes an entry of each line."""
    prefix = f"<{_PRIORITIES.get(level, 6)}>"
    return "\n".join(prefix + line for line in text.split("\n"))


def for_stderr(error: str) -> str:
    """Return the text of an error that ends the process, with its priority if stderr is the journal."""
    return with_priority(error, "error") if is_journal(2) else error


def render_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Render an event as one line of text without time and level; a traceback follows in further lines."""
    event.pop("level", None)
    sentence, traceback = event.pop("event", ""), event.pop("exception", None)
    fields = (f"{name}={_value(value)}" for name, value in event.items())
    return " ".join((str(sentence), *fields)) + (f"\n{traceback}" if traceback else "")


def _value(value: object) -> str:
    """Write a value as it is if that is one word, else in quotes."""
    text = str(value)
    return text if text and text.isprintable() and not {" ", '"', "="} & set(text) else repr(value)
