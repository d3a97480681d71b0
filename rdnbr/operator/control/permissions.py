"""Who may send which command.

The mode of the socket's file admits root, the daemon's user and the group `rdnbr`. Members of the group see everything,
and have the daemon do what it does by itself as well: probe guests, and read changed files. They cannot withdraw a
route, not even for a moment.

============================================  ===================  ===============
command                                       root, daemon's user  group `rdnbr`
============================================  ===================  ===============
bindings, ports, counters, events, metrics,
explain, watch                                yes                  yes
probe, reload                                 yes                  yes
flush, reannounce                             yes                  no
============================================  ===================  ===============
"""

import os
import socket
import struct
from typing import Literal

from rdnbr.operator.control.protocol import Command, Refused

_WITHDRAWS: frozenset[str] = frozenset({"flush", "reannounce"})
"""Commands that take routes out of the kernel."""

_CREDENTIALS = struct.Struct("=iII")
"""Process, user and group of a peer (struct ucred of linux/socket.h)."""


def may_withdraw(peer: socket.socket) -> bool:
    """Return whether the process that has connected runs as root or as the daemon's user (SO_PEERCRED, unix(7))."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    return user in (0, os.geteuid())


def check_permission(command: Command | Literal["watch"], *, may_withdraw: bool) -> None:
    """Do nothing if the client may send the command.

    Raises:
        Refused: it may not.
    """
    if command in _WITHDRAWS and not may_withdraw:
        raise Refused(f"{command} withdraws routes, which the group rdnbr may not do; run it as root")
