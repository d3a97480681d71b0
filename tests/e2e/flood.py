"""Sends ARP or NDP frames as fast as one core can; run it inside a guest: `flood.py arp|walk MAC COUNT RATE`.

`arp`: requests from random addresses for random addresses, to the node alone: flooded to everybody, or answered, they
would cost the sender's core more than sending them. `walk`: solicitations and advertisements from COUNT different
addresses of one /64. Prints `go` when it begins, then how many frames it sent, and in how many seconds.
"""

import ctypes
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Iterator

from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac
from rdnbr.core.wire import arp, ndp

BURST = 256
PREPARED = 256
"""Bursts of random addresses; then they are sent again."""

_WALKED = parse_ip("2001:678:3a4:100::")[:8]
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h
_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Message(ctypes.Structure):  # struct mmsghdr, sendmmsg(2)
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iov_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


class Burst:
    """Frames of one length that leave with one system call; `data` may be changed between two of them."""

    def __init__(self, frames: list[bytes]) -> None:
        self.size = len(frames[0])
        self.data = bytearray(b"".join(frames))
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        self._count = len(frames)
        self._vectors = (_Iovec * self._count)(
            *((start + i * self.size, self.size) for i in range(self._count))
        )
        self._messages = (_Message * self._count)()
        for message, vector in zip(self._messages, self._vectors, strict=True):
            message.iov, message.iov_count = ctypes.pointer(vector), 1

    def send(self, wire: socket.socket) -> None:
        """Put all of them on the wire."""
        done = 0
        while done < self._count:
            rest = ctypes.byref(self._messages, done * ctypes.sizeof(_Message))
            sent = _libc.sendmmsg(wire.fileno(), rest, self._count - done, 0)
            if sent < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            done += sent


def random_senders(mac: MAC) -> Iterator[Burst]:
    """Make bursts of ARP requests from random addresses, without end."""
    chance = random.Random(171)
    node = parse_mac("02:52:44:4e:42:52")

    def request() -> bytes:
        return arp.request(mac, IP(chance.randbytes(4)), IP(chance.randbytes(4)), to=node)

    bursts = [Burst([request() for _ in range(BURST)]) for _ in range(PREPARED)]
    while True:
        yield from bursts


def walk(mac: MAC) -> Iterator[Burst]:
    """Make bursts of solicitations and advertisements from ever other addresses.

    The last eight bytes of an address are two numbers, each followed by its complement: so the checksum stays right.
    """
    first = IP(_WALKED + bytes.fromhex("0000ffff0000ffff"))
    ask = ndp.solicitation(mac, first, parse_ip("fe80::1"))
    tell = ndp.router_announcement(mac, first)
    bursts = Burst([ask] * (BURST // 2)), Burst([tell] * (BURST // 2))
    # Where the last eight bytes of the address are: IPv6 source, and target of the advertisement.
    places = ((14 + 8 + 8,), (14 + 8 + 8, 14 + 40 + 8 + 8))
    number = 0
    while True:
        for burst, offsets in zip(bursts, places, strict=True):
            for start in range(0, len(burst.data), burst.size):
                low, high = number & 0xFFFF, number >> 16
                for offset in offsets:
                    struct.pack_into(
                        "!4H", burst.data, start + offset, high, 0xFFFF - high, low, 0xFFFF - low
                    )
                number += 1
            yield burst


def main(kind: str, mac: str, count: str, rate: str) -> None:
    """Send `count` frames, at most `rate` a second."""
    bursts = {"arp": random_senders, "walk": walk}[kind](parse_mac(mac))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 8 << 20)
        wire.bind(("eth0", 0))
        next(bursts)  # so that the first is ready when the time begins
        print("go", flush=True)
        start = time.monotonic()
        sent = 0
        while sent < int(count):
            burst = next(bursts)
            burst.send(wire)
            sent += len(burst.data) // burst.size
            early = start + sent / int(rate) - time.monotonic()
            if early > 0:
                time.sleep(early)
        print(sent, round(time.monotonic() - start, 3))


if __name__ == "__main__":
    main(*sys.argv[1:])
