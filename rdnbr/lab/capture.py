"""What passes a port of the lab, in both directions."""

import socket
import struct
from typing import NamedTuple, Self

from rdnbr.lab.namespace import Namespace

_ETH_P_ALL = 0x0003
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_SO_TIMESTAMPNS = 35  # SO_TIMESTAMPNS_OLD
_PACKET_OUTGOING = 4


class Seen(NamedTuple):
    """A frame that passed."""

    at: float
    """Epoch seconds, by the kernel's clock."""
    outgoing: bool
    """True when the host sent it out of the port."""
    frame: bytes


class Capture:
    """Collects frames from the moment it is made until it is closed."""

    def __init__(self, namespace: Namespace, device: str) -> None:
        with namespace.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setblocking(False)  # noqa: FBT003
        self._socket.bind((device, _ETH_P_ALL))
        self._seen: list[Seen] = []

    def seen(self) -> list[Seen]:
        """Return all frames so far, oldest first."""
        while True:
            try:
                frame, ancillary, _flags, origin = self._socket.recvmsg(65536, socket.CMSG_SPACE(16))
            except BlockingIOError:
                return list(self._seen)
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
            self._seen.append(Seen(seconds + nanoseconds / 1e9, origin[2] == _PACKET_OUTGOING, frame))

    def close(self) -> None:
        """Stop collecting."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
