"""The commands that send a request to the running daemon: show, watch, reload, flush and probe."""

import json
import sys
from argparse import Namespace
from pathlib import Path

from rdnbr.core.model.address import parse_ip
from rdnbr.operator.control.client import Client, NoDaemon
from rdnbr.operator.control.protocol import Document, Json
from rdnbr.operator.text.terminal import print_lines


def show(args: Namespace) -> int:
    """Print a table, or the daemon's JSON document."""
    from rdnbr.operator.commands.show import show as show_document  # noqa: PLC0415

    return show_document(args, _socket(args))


def version(args: Namespace) -> int:
    """Print the versions of the command and of the daemon."""
    from rdnbr.operator.commands.version import version as print_version  # noqa: PLC0415

    return print_version(args, _socket(args))


def allowlist(args: Namespace) -> int:
    """Print an allowlist for the guests that are there."""
    from rdnbr.operator.commands.bindings_allowlist import allowlist_text  # noqa: PLC0415
    from rdnbr.operator.control.bound_addresses import read_bound_addresses  # noqa: PLC0415

    with Client(_socket(args)) as client:
        print(allowlist_text(read_bound_addresses(client)), end="")
    return 0


def watch(args: Namespace) -> int:
    """Print each decision, until the user interrupts or the daemon stops."""
    from rdnbr.operator.commands import show_tables  # noqa: PLC0415

    try:
        with Client(_socket(args)) as client:
            for event in client.watch(frames=args.frames):
                if args.frames and "missed" not in event:
                    event["frame"] = _in_words(event.get("frame"))
                if args.json:
                    print(json.dumps(event, ensure_ascii=False), flush=True)
                else:
                    print_lines(show_tables.event_line(event).split("\n"))
                    sys.stdout.flush()
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how a user ends it
    print("rdnbr: the daemon has stopped", file=sys.stderr)
    return 0


def send_command(args: Namespace) -> int:
    """Send the command to the daemon, and print its message. What is no address is the name of a port to flush."""
    target = getattr(args, "address", None)
    address, port = (None, target) if _is_port(target) else (target, None)
    with Client(_socket(args)) as client:
        _print_result(args, client.request(args.command, address, port=port))
    return 0


def probe(args: Namespace) -> int:
    """Have the daemon probe an address, and wait for the answer."""
    from rdnbr.operator.commands.probe import probe as probe_address  # noqa: PLC0415

    return probe_address(args, _socket(args))


def flush(args: Namespace) -> int:
    """Have the daemon withdraw what it installed; without a daemon, remove it from the kernel here.

    To withdraw everything needs `--all`, or a yes on the terminal.
    """
    if args.all and args.address is not None:
        print(f"rdnbr flush: name {args.address}, or say --all, not both", file=sys.stderr)
        return 2
    if args.address is None and not args.all:
        if not sys.stdin.isatty():
            print(
                "rdnbr flush: this withdraws the routes of all guests; name an address or a port, or say --all",
                file=sys.stderr,
            )
            return 2
        if not _confirmed():
            print("rdnbr: nothing was withdrawn", file=sys.stderr)
            return 1
    try:
        return send_command(args)
    except NoDaemon:
        if _is_port(args.address):
            raise
        from rdnbr.operator.commands.offline_flush import flush_kernel  # noqa: PLC0415 (only this case needs netlink)

        before = "" if args.json else "no daemon answers, so the kernel itself is looked at: "
        _print_result(args, {"message": before + flush_kernel(args.address)})
        return 0


def _confirmed() -> bool:
    print(
        "This withdraws the routes of all guests of this node. Withdraw them? [y/N] ", end="", file=sys.stderr
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print_result(args: Namespace, result: Document) -> None:
    print(json.dumps(result, ensure_ascii=False) if args.json else result["message"])


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
