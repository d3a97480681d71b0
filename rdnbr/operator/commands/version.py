"""`rdnbr version`: the version of the command, and that of the running daemon, which an upgrade may leave behind."""

import json
from argparse import Namespace
from pathlib import Path

from rdnbr import __version__
from rdnbr.operator.control.client import Client, CommandFailed


def version(args: Namespace, socket: Path) -> int:
    """Print the versions. Return 1 if a daemon of another version runs."""
    try:
        with Client(socket) as client:
            document = client.request("ports")
        daemon, since = str(document.get("version", "unknown")), document.get("since")
        state = f"the daemon is {daemon}, since {since}" if since else f"the daemon is {daemon}"
    except CommandFailed as error:
        daemon, since, state = None, None, str(error)
    if args.json:
        print(json.dumps({"version": __version__, "daemon": daemon, "since": since}))
    else:
        print(f"rdnbr {__version__}; {state}")
    return int(daemon not in (None, __version__))
