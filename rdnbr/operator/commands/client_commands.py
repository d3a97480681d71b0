"""The commands that send a request to the running daemon: show, watch, reload, flush and probe."""

import json
import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from rdnbr.core.model.address import parse_ip
from rdnbr.operator.control.client import Client, NoDaemon
from rdnbr.operator.control.protocol import Json


def show(args: Namespace) -> int:
    """Print a table, or the daemon's JSON document."""
    with Client(_socket(args)) as client:
        document = client.request(args.what)
    if args.json:
        print(json.dumps(document, ensure_ascii=False))
        return 0
    from rdnbr.operator.commands import show_tables  # noqa: PLC0415 (rich takes long to import, and JSON does not need it)

    show_tables.print_table(args.what, document, show_tables.table_console(), datetime.now(UTC))
    return 0


def watch(args: Namespace) -> int:
    """Print each decision, until the user interrupts or the daemon stops."""
    from rdnbr.operator.commands import show_tables  # noqa: PLC0415

    try:
        with Client(_socket(args)) as client:
            for event in client.watch(frames=args.frames):
                if args.frames and "missed" not in event:
                    event["frame"] = _in_words(event.get("frame"))
                text = json.dumps(event, ensure_ascii=False) if args.json else show_tables.event_line(event)
                print(text, flush=True)
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how a user ends it
    print("rdnbr: the daemon has stopped", file=sys.stderr)
    return 0


def send_command(args: Namespace) -> int:
    """Send the command to the daemon, and print its message. What is no address is the name of a port to flush."""
    target = getattr(args, "address", None)
    address, port = (None, target) if _is_port(target) else (target, None)
    with Client(_socket(args)) as client:
        print(client.request(args.command, address, port=port)["message"])
    return 0


def flush(args: Namespace) -> int:
    """Have the daemon withdraw what it installed; without a daemon, remove it from the kernel here."""
    try:
        return send_command(args)
    except NoDaemon:
        if _is_port(args.address):
            raise
        from rdnbr.operator.commands.offline_flush import flush_kernel  # noqa: PLC0415 (only this case needs netlink)

        print("no daemon answers, so the kernel itself is looked at:", flush_kernel(args.address))
        return 0


def _is_port(target: str | None) -> bool:
    if target is None:
        return False
    try:
        parse_ip(target)
    except ValueError:
        return True
    return False


def _in_words(frame: Json) -> str | None:
    """Return the line about a frame that the daemon sent in hexadecimal; None if there is none."""
    if not isinstance(frame, str):
        return None
    from rdnbr.operator.text.frame_text import frame_text  # noqa: PLC0415 (scapy takes long to import)

    return frame_text(bytes.fromhex(frame))


def _socket(args: Namespace) -> Path:
    """Return the socket of the command line, else that of the configuration."""
    if args.socket is not None:
        return Path(args.socket)
    from rdnbr.config.config import CommandLine, examine  # noqa: PLC0415

    # Mistakes in the file do not matter here: the daemon may have started before them.
    config, _ = examine(CommandLine(args.config))
    return config.socket
