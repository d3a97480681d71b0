"""Structured logs on stderr: text on a terminal and for the journal, JSON otherwise."""

import logging
import os
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from rdnbr.config.config import Format, Log
from rdnbr.operator.logging.journal import is_journal, render_line, with_priority
from rdnbr.operator.logging.nonblocking_writer import Writer, lost_lines


def configure_logging(settings: Log, fd: int = 2) -> Writer:
    """Configure structlog to write to `fd` without blocking.

    Returns:
        The writer. Call its `drain` before the process ends.
    """
    sys.stderr.flush()
    processors = _processors(settings.format, terminal=os.isatty(fd), journal=is_journal(fd))

    def notice(lost: int) -> str:
        """Return a log line about lost lines. It runs in the writer's thread, which must not log."""
        event: Any = {"event": lost_lines(lost), "lost": lost}
        for process in processors:
            event = process(None, "warning", event)
        return f"{event}\n"

    writer = Writer(fd, notice=notice)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", writer)),
        cache_logger_on_first_use=False,
    )
    return writer


def _processors(format_: Format, *, terminal: bool, journal: bool) -> list[Processor]:
    """Return what makes a line of an event.

    Args:
        format_: as configured.
        terminal: the log goes to a terminal.
        journal: the log goes to the journal of systemd, which wants priorities, and text without the time.
    """
    people = format_ == "console" or (format_ == "auto" and (terminal or journal))
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people)
    render: Processor
    if not people:
        render = structlog.processors.JSONRenderer(ensure_ascii=False)
    elif journal:
        render = render_line
    else:
        render = structlog.dev.ConsoleRenderer(colors=terminal, sort_keys=False)
    return [
        structlog.processors.add_log_level,
        *([] if people and journal else [stamp]),
        structlog.processors.format_exc_info,
        *([_in_one_line] if people else []),
        _in_order,
        render,
        *([_add_priority] if journal else []),
    ]


def logger() -> FilteringBoundLogger:
    """Return the logger of the daemon."""
    return cast("FilteringBoundLogger", structlog.get_logger())


def _add_priority(_logger: WrappedLogger, method: str, event: Any) -> str:
    """Put the priority before the rendered line."""
    return with_priority(event, method)


def _in_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Join the lines of a field, such as the mistakes in a file, which would be written as one word with escapes."""
    for key, value in event.items():
        if isinstance(value, str) and "\n" in value and key not in ("event", "exception"):
            event[key] = "; ".join(filter(None, value.split("\n"))).replace(":; ", ": ")
    return event


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Move the fields that are in every line to its beginning."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}
