"""One packet socket for each port: what its guest sends comes in, questions to it go out."""

import ctypes
import os
import socket
import struct
from errno import ENETDOWN
from typing import NamedTuple

from rdnbr.core.model.interfaces import Port
from rdnbr.linux.packet.bpf import attach
from rdnbr.linux.packet.filters import FRAMES, SNAP

RECEIVE_BUFFER = 1 << 20
"""Bytes of kernel memory a port may fill before it loses frames: some thousand ARP frames."""

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
    """A frame as it arrived."""

    data: bytes
    """The first `SNAP` bytes, without the outer VLAN tag."""
    vlan: int | None
    """VLAN of the outer tag; None for an untagged frame, and for VID 0, which only carries a priority."""
    length: int
    """Bytes the frame had."""


class PortSocket:
    """Listens on one port, and sends on it.

    It hears only what comes in (a broadcast that the bridge floods out of the port is not the guest's), and
    only what `program`, one of those in `filter`, takes.

    Raises:
        OSError: the port is gone (ENODEV), or packet sockets are not permitted (EPERM).
    """

    def __init__(self, port: Port, program: bytes = FRAMES, buffer: int = RECEIVE_BUFFER) -> None:
        self.port = port
        self._drops = 0
        # Protocol 0 hears nothing until bind() names one, so no frame slips in before the filter is there.
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
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    @property
    def attached(self) -> bool:
        """Whether its device is still there: the kernel takes a socket off a device that goes, for good."""
        return bool(self._socket.getsockname()[0])

    def set_filter(self, program: bytes) -> None:
        """Hear what another program of `filter` takes, from the next frame on."""
        attach(self._socket, program)

    def receive(self, budget: int) -> list[Frame]:
        """Return up to `budget` frames that wait; fewer than that: none is left."""
        frames: list[Frame] = []
        receive = self._socket.recvmsg
        while len(frames) < budget:
            try:
                data, ancillary, _, _ = receive(SNAP, _ANCILLARY)
            except OSError as error:
                if error.errno == ENETDOWN:
                    continue  # told once, when the port goes down; frames from before may still wait
                break  # nothing waits, or the device says of itself what is no other port's affair
            vlan, length = None, len(data)
            if ancillary:
                status, length, _, _, _, tci, _ = _AUXDATA.unpack_from(ancillary[0][2])
                if status & _TP_STATUS_VLAN_VALID:
                    vlan = tci & _VID or None
            frames.append(Frame(data, vlan, length))
        return frames

    def send(self, frame: bytes) -> bool:
        """Send a finished Ethernet frame to the guest; False when the port is down, gone, congested or refuses it."""
        try:
            self._socket.send(frame)
        except OSError:  # a frame that is not sent is like one that is lost
            return False
        return True

    def drops(self) -> int:
        """Return how many frames were lost so far because the buffer was full."""
        # The kernel's counters start again whenever they are read (net/packet/af_packet.c,
        # packet_getsockopt).
        answer = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        self._drops += _STATISTICS.unpack(answer)[1]
        return self._drops

    def close(self) -> None:
        """Close; takes some 12 ms (an RCU grace period): see `Closer`."""
        self._socket.close()


def _bind(endpoint: socket.socket, port: Port) -> None:
    """Bind to the ifindex: socket.bind() takes a name, and by now that may be another device's."""
    address = _SOCKADDR_LL.pack(socket.AF_PACKET, socket.htons(_ETH_P_ALL), port.index, 0, 0, 0, b"")
    if _libc.bind(endpoint.fileno(), address, len(address)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot listen on {port.name} (ifindex {port.index}): {os.strerror(code)}")
