"""Captures the frames of a device in the lab, in both directions."""

import socket
import struct
from typing import NamedTuple, Self

from rdnbr.lab.namespace import Namespace

_ETH_P_ALL = 0x0003
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_SO_TIMESTAMPNS = 35  # SO_TIMESTAMPNS_OLD
_PACKET_OUTGOING = 4


class CapturedFrame(NamedTuple):
    """A frame that passed the device."""

    at: float
    """The kernel's receive time, in seconds since 1970."""
    outgoing: bool
    """Whether the host sent the frame through the device."""
    frame: bytes


class Capture:
    """Captures frames from its construction until `close`."""

    def __init__(self, namespace: Namespace, device: str) -> None:
        with namespace.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setblocking(False)  # noqa: FBT003
        self._socket.bind((device, _ETH_P_ALL))
        self._seen: list[CapturedFrame] = []

    def seen(self) -> list[CapturedFrame]:
        """Return all frames captured so far, oldest first."""
        while True:
            try:
                frame, ancillary, _flags, origin = self._socket.recvmsg(65536, socket.CMSG_SPACE(16))
            except BlockingIOError:
                return list(self._seen)
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
            self._seen.append(
                CapturedFrame(seconds + nanoseconds / 1e9, origin[2] == _PACKET_OUTGOING, frame)
            )

    def close(self) -> None:
        """Stop the capture."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
