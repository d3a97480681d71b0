"""One daemon in one network namespace: two would take each other's routes for leftovers of their own."""

import socket
from errno import EADDRINUSE

from rdnbr.core.fib.backend import PROTOCOL

NAME = f"rdnbr-{PROTOCOL}"
"""An abstract socket (unix(7)): each network namespace has its own, and it goes with the process that has it."""


def claim() -> socket.socket | None:
    """Return what holds the place as long as it is open; None when another process has it.

    Raises:
        OSError: no socket can be made.
    """
    place = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        place.bind(f"\0{NAME}")
        place.listen(0)  # else ss(8) does not list it, and nobody finds who has it
    except OSError as error:
        place.close()
        if error.errno == EADDRINUSE:
            return None
        raise
    return place
