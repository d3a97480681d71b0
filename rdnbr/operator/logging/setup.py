"""Structured logs on stderr: for people on a terminal, JSON for programs."""

import logging
import os
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from rdnbr.config.config import Log
from rdnbr.operator.logging.nonblocking_writer import Writer, sentence


def configure_logging(settings: Log, fd: int = 2) -> Writer:
    """Send all that is logged to `fd`, and never wait for it.

    Returns:
        What writes it: `drain` it before the end.
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

    def tell(lost: int) -> str:
        """Word a line of the log in the writer's thread, where nothing may be logged."""
        event: Any = {"event": sentence(lost), "lost": lost}
        for process in processors:
            event = process(None, "warning", event)
        return f"{event}\n"

    writer = Writer(fd, tell=tell)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", writer)),
        cache_logger_on_first_use=False,
    )
    return writer


def logger() -> FilteringBoundLogger:
    """Return what to log with."""
    return cast("FilteringBoundLogger", structlog.get_logger())


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put first what is in every line."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}
