"""`rdnbr show`: what the daemon sees, as a table or as JSON, once or again and again."""

import json
import sys
import time
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from rdnbr.operator.commands.show_filters import NotApplicable, Row, rows_of, select, with_rows
from rdnbr.operator.control.client import Client, CommandFailed
from rdnbr.operator.control.protocol import Document

INTERVAL = 2.0
"""Seconds between two tables of `--watch`."""


def show(args: Namespace, socket: Path) -> int:
    """Print a table, or the daemon's JSON document. Return 2 if the table has no such filter or column.

    Raises:
        CommandFailed: the daemon does not answer; `--watch` says so and asks again.
    """
    try:
        if not args.watch:
            _show_once(args, socket)
        while args.watch:
            try:
                _show_once(args, socket)
            except CommandFailed as error:
                print(f"rdnbr: {error}", file=sys.stderr)
            time.sleep(INTERVAL)
    except NotApplicable as error:
        print(f"rdnbr: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if not args.watch:
            raise
    return 0


def _show_once(args: Namespace, socket: Path) -> None:
    select(args, [])  # before the daemon is asked
    with Client(socket) as client:
        document = client.request(args.what)
    shown = select(args, rows_of(args.what, document))
    if args.json:
        print(json.dumps(with_rows(args.what, document, shown), ensure_ascii=False), flush=True)
        return
    _print_table(args, document, shown)


def _print_table(args: Namespace, document: Document, shown: list[Row]) -> None:
    # rich takes long to import, and JSON does not need it
    from rich.console import Console  # noqa: PLC0415

    from rdnbr.operator.commands import show_tables  # noqa: PLC0415

    out = Console(highlight=False)
    width = out.width if out.is_terminal else None
    if args.watch and out.is_terminal:
        out.clear()
    show_tables.print_table(args.what, document, out, datetime.now(UTC), width=width, shown=shown)
    if args.watch and not out.is_terminal:
        print(flush=True)
