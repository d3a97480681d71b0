"""The packet socket of one port: it receives the frames of the guest and sends probes to it."""

import ctypes
import os
import socket
import struct
from errno import ENETDOWN
from typing import NamedTuple

from rdnbr.core.model.interfaces import Port
from rdnbr.linux.packet.bpf import attach
from rdnbr.linux.packet.filters import FRAME_SNAPLEN, FRAMES

RECEIVE_BUFFER = 1 << 20
"""Bytes of kernel memory for the queued frames of a port: about a thousand ARP frames. More frames are lost."""

_ETH_P_ALL = 0x0003
_SO_RCVBUFFORCE = 33

_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_AUXDATA = 8
_PACKET_IGNORE_OUTGOING = 23

_SOCKADDR_LL = struct.Struct("=HHiHBB8s")
_AUXDATA = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata, linux/if_packet.h
_STATISTICS = struct.Struct("=II")
_ANCILLARY = socket.CMSG_SPACE(_AUXDATA.size)
_TP_STATUS_VLAN_VALID = 1 << 4
_VID = 0x0FFF

_libc = ctypes.CDLL(None, use_errno=True)


class Frame(NamedTuple):
    """A received frame."""

    data: bytes
    """The first `FRAME_SNAPLEN` bytes, without the outer VLAN tag."""
    vlan: int | None
    """VLAN of the outer tag; None for an untagged frame, and for VID 0, which is only a priority tag."""
    length: int
    """Length of the whole frame in bytes."""


class PortSocket:
    """Receives and sends on one port.

    It receives only incoming frames (a broadcast that the bridge floods out of the port is not from the guest), and
    only those that `program`, one of `filters`, delivers.

    Raises:
        OSError: the port is gone (ENODEV), or packet sockets are not permitted (EPERM).
    """

    def __init__(self, port: Port, program: bytes = FRAMES, buffer: int = RECEIVE_BUFFER) -> None:
        self.port = port
        self._drops = 0
        # With protocol 0 nothing is received until bind() names a protocol, so no frame comes before the filter.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            attach(self._socket, program)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
            _bind(self._socket, port)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the file descriptor to wait on."""
        return self._socket.fileno()

    @property
    def attached(self) -> bool:
        """Whether the device still exists: the kernel detaches a socket for good when its device is deleted."""
        try:
            return bool(self._socket.getsockname()[0])
        except UnicodeDecodeError:  # it has a name, which is not UTF-8
            return True

    def set_filter(self, program: bytes) -> None:
        """Use another program of `filters` from the next frame on."""
        attach(self._socket, program)

    def receive(self, budget: int) -> list[Frame]:
        """Return at most `budget` queued frames; if there are fewer, no frame is left."""
        frames: list[Frame] = []
        receive = self._socket.recvmsg
        unreadable = 0
        while len(frames) + unreadable < budget:
            try:
                data, ancillary, _, _ = receive(FRAME_SNAPLEN, _ANCILLARY)
            except OSError as error:
                if error.errno == ENETDOWN:
                    continue  # reported once when the port goes down; older frames may be queued
                break  # no frame is queued, or the device has an error, which concerns no other port
            except UnicodeDecodeError:
                unreadable += 1  # the port's name is not UTF-8, and Python cannot return the frame without it
                continue
            vlan, length = None, len(data)
            if ancillary:
                status, length, _, _, _, tci, _ = _AUXDATA.unpack_from(ancillary[0][2])
                if status & _TP_STATUS_VLAN_VALID:
                    vlan = tci & _VID or None
            frames.append(Frame(data, vlan, length))
        return frames

    def send(self, frame: bytes) -> bool:
        """Send an Ethernet frame to the guest; return False if the port is down, gone, congested or refuses it."""
        try:
            self._socket.send(frame)
        except OSError:  # the caller treats a frame that was not sent as lost
            return False
        return True

    def drops(self) -> int:
        """Return the number of frames lost so far because the buffer was full."""
        # Each read resets the kernel's counters (net/packet/af_packet.c, packet_getsockopt).
        answer = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        self._drops += _STATISTICS.unpack(answer)[1]
        return self._drops

    def close(self) -> None:
        """Close the socket. That takes some 12 ms (an RCU grace period): see `BackgroundClose`."""
        self._socket.close()


def _bind(endpoint: socket.socket, port: Port) -> None:
    """Bind to the ifindex. socket.bind() takes a name, which another device may have by now."""
    address = _SOCKADDR_LL.pack(socket.AF_PACKET, socket.htons(_ETH_P_ALL), port.index, 0, 0, 0, b"")
    if _libc.bind(endpoint.fileno(), address, len(address)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot listen on {port.name} (ifindex {port.index}): {os.strerror(code)}")
