"""The netlink socket for requests: many in one send, and every answer where it belongs."""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from errno import ENOBUFS
from typing import NamedTuple

from rdnbr.linux.netlink.attributes import attributes
from rdnbr.linux.netlink.rtnetlink import HEADER, Request

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12
_SO_RCVBUFFORCE = 33

_NLM_F_REQUEST = 0x01
_NLM_F_ACK = 0x04
_NLM_F_DUMP_INTR = 0x10
_NLM_F_DUMP = 0x300
_NLM_F_ACK_TLVS = 0x200

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLMSGERR_ATTR_MSG = 1

_DATAGRAM = 1 << 16
_RECEIVE_BUFFER = 1 << 20
_BATCH = 100
"""Messages a send: beyond that nothing is won, and a hundred answers still fit any receive buffer."""
_DUMPS = 5
_PATIENCE = 10.0
"""Seconds. The kernel answers within the send; to wait this long means that it does not answer at all."""


class Message(NamedTuple):
    """A message from the kernel."""

    type: int
    flags: int
    sequence: int
    body: bytes


class Answer(NamedTuple):
    """What came of one request."""

    code: int
    """errno; 0 for success"""
    text: str
    """The reason in words when `code` is not 0."""
    body: bytes
    """What was asked for, of a request that gets something; else empty."""


_DONE = Answer(0, "", b"")


class NetlinkSocket:
    """Talks to the kernel's routing in the network namespace it was made in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        # Reading is allowed to everybody, so `rdnbr show` may do without the right to force a buffer.
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket.bind((0, 0))
        self._socket.settimeout(_PATIENCE)
        self._sequence = 0

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def request(self, requests: Sequence[Request]) -> list[Answer]:
        """Send all requests, in their order, and return an answer for each.

        Raises:
            OSError: the kernel did not take the requests at all, or did not answer.
        """
        answers: list[Answer] = []
        for start in range(0, len(requests), _BATCH):
            answers += self._ask_batch(requests[start : start + _BATCH])
        return answers

    def dump(self, request: Request) -> list[Message]:
        """Return everything `request` asks for.

        When the kernel says that things changed meanwhile, the dump is repeated; under constant change, as
        while a BGP session loads its table, the last resort is the union of some dumps: what it may hold too
        much, it held a moment ago.

        Raises:
            OSError: the kernel refused or did not answer.
        """
        collected: list[Message] = []
        for _ in range(_DUMPS):
            messages = self._dump_once(request)
            if not any(message.flags & _NLM_F_DUMP_INTR for message in messages):
                return _contents(messages)
            collected += _contents(messages)
        return collected

    def _ask_batch(self, requests: Sequence[Request]) -> list[Answer]:
        first = self._sequence + 1
        self._sequence += len(requests)
        last = self._sequence
        packets = [
            # Failures are always told; one acknowledgement, on the last, tells that all were looked at.
            _pack(request, number, _NLM_F_REQUEST | (_NLM_F_ACK if number == last else 0))
            for number, request in enumerate(requests, first)
        ]
        answers = [_DONE] * len(requests)
        try:
            self._socket.send(b"".join(packets))
            for message in self._messages():
                if not first <= message.sequence <= last:
                    continue
                if message.type != _NLMSG_ERROR:
                    answers[message.sequence - first] = Answer(0, "", message.body)
                    continue
                failure = _failure(message)
                if failure.code:
                    answers[message.sequence - first] = failure
                if message.sequence == last:
                    return answers
        except OSError as error:
            if error.errno != ENOBUFS or len(requests) == 1:
                raise
        # Answers were lost. Every request may be repeated, so ask again in smaller bites.
        self._drain()
        middle = len(requests) // 2
        return self._ask_batch(requests[:middle]) + self._ask_batch(requests[middle:])

    def _dump_once(self, request: Request) -> list[Message]:
        self._sequence += 1
        self._socket.send(_pack(request, self._sequence, _NLM_F_REQUEST | _NLM_F_DUMP))
        messages: list[Message] = []
        for message in self._messages():
            if message.sequence != self._sequence:
                continue
            messages.append(message)
            if message.type in (_NLMSG_ERROR, _NLMSG_DONE):
                failure = _failure(message)
                if failure.code:
                    raise OSError(failure.code, failure.text)
                break
        return messages

    def _drain(self) -> None:
        """Throw away what waits: until then the kernel delivers nothing more (NETLINK_S_CONGESTED)."""
        self._socket.settimeout(0)
        try:
            while self._socket.recv(_DATAGRAM):
                pass
        except BlockingIOError:
            pass  # empty
        finally:
            self._socket.settimeout(_PATIENCE)

    def _messages(self) -> Iterator[Message]:
        while True:
            yield from read_messages(self._socket.recv(_DATAGRAM))


def read_messages(datagram: bytes) -> Iterator[Message]:
    """Split what one recv() brought."""
    start = 0
    while start + HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = HEADER.unpack_from(datagram, start)
        if length < HEADER.size:
            return
        yield Message(kind, flags, sequence, datagram[start + HEADER.size : start + length])
        start += (length + 3) & ~3


def _pack(request: Request, sequence: int, flags: int) -> bytes:
    # All our bodies are multiples of four bytes, so that messages follow each other without padding.
    length = HEADER.size + len(request.body)
    return HEADER.pack(length, request.type, request.flags | flags, sequence, 0) + request.body


def _contents(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.type not in (_NLMSG_ERROR, _NLMSG_DONE)]


def _status(message: Message) -> int:
    return -struct.unpack_from("=i", message.body)[0] if len(message.body) >= 4 else 0


def _failure(message: Message) -> Answer:
    """Read an error message; the kernel's own words, when it has some, follow the errno's."""
    code = _status(message)
    if not code:
        return _DONE
    text = os.strerror(code)
    if message.flags & _NLM_F_ACK_TLVS:
        # The code precedes the attributes, and in NLMSG_ERROR so does the header of the request: with
        # NETLINK_CAP_ACK nothing else of the request is returned.
        start = 4 + HEADER.size if message.type == _NLMSG_ERROR else 4
        words = attributes(message.body, start).get(_NLMSGERR_ATTR_MSG, b"")
        if words:
            text += ": " + words.rstrip(b"\0").decode(errors="replace")
    return Answer(code, text, b"")
