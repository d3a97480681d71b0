"""Structured logs on stderr: plain text on a terminal, JSON otherwise."""

import logging
import os
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from rdnbr.config.config import Log
from rdnbr.operator.logging.nonblocking_writer import Writer, lost_lines


def configure_logging(settings: Log, fd: int = 2) -> Writer:
    """Configure structlog to write to `fd` without blocking.

    Returns:
        The writer. Call its `drain` before the process ends.
    """
    sys.stderr.flush()
    terminal = os.isatty(fd)
    people = settings.format == "console" or (settings.format == "auto" and terminal)
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=terminal, sort_keys=False)
        if people
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people),
        structlog.processors.format_exc_info,
        _in_order,
        render,
    ]

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


def logger() -> FilteringBoundLogger:
    """Return the logger of the daemon."""
    return cast("FilteringBoundLogger", structlog.get_logger())


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Move the fields that are in every line to its beginning."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}
