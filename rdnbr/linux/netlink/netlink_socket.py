"""The netlink socket for requests: it sends requests in batches and returns the answer to each."""

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
"""Requests in one send: a larger batch is not faster, and a hundred answers fit into any receive buffer."""
_MAX_DUMPS = 5
"""How often a dump is repeated that the kernel reports as inconsistent."""
_TIMEOUT = 10.0
"""Seconds. The kernel answers while it handles the send, so no answer after this time means that none will come."""


class Message(NamedTuple):
    """A message from the kernel."""

    type: int
    flags: int
    sequence: int
    body: bytes


class Answer(NamedTuple):
    """The answer to one request."""

    code: int
    """errno; 0 for success."""
    text: str
    """The error in words; empty if `code` is 0."""
    body: bytes
    """The body of the message that a request for an entry returns; else empty."""


_DONE = Answer(0, "", b"")


class NetlinkSocket:
    """A NETLINK_ROUTE socket in the network namespace in which it was created."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        # An unprivileged process may read, but may not exceed the limit of the buffer (net.core.rmem_max).
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket.bind((0, 0))
        self._socket.settimeout(_TIMEOUT)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def request(self, requests: Sequence[Request]) -> list[Answer]:
        """Send all requests in their order, and return the answer to each.

        Raises:
            OSError: the requests could not be sent, or the kernel did not answer.
        """
        answers: list[Answer] = []
        for start in range(0, len(requests), _BATCH):
            answers += self._request_batch(requests[start : start + _BATCH])
        return answers

    def dump(self, request: Request) -> list[Message]:
        """Return all messages of the dump that `request` starts.

        If the kernel reports that entries changed during the dump, the dump is repeated. Under constant change, for
        example while a BGP session loads its table, the result is the union of `_MAX_DUMPS` dumps. An entry of that
        union may be gone, but existed a moment ago.

        Raises:
            OSError: the kernel refused or did not answer.
        """
        collected: list[Message] = []
        for _ in range(_MAX_DUMPS):
            messages = self._dump_once(request)
            if not any(message.flags & _NLM_F_DUMP_INTR for message in messages):
                return _contents(messages)
            collected += _contents(messages)
        return collected

    def _request_batch(self, requests: Sequence[Request]) -> list[Answer]:
        first = self._sequence + 1
        self._sequence += len(requests)
        last = self._sequence
        packets = [
            # The kernel reports each failure in any case. The acknowledgement of the last request ends the batch.
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
        # Answers were lost. All requests may be repeated, so both halves of the batch are sent again.
        self._drain()
        middle = len(requests) // 2
        return self._request_batch(requests[:middle]) + self._request_batch(requests[middle:])

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
        """Discard all queued messages: the kernel queues nothing more until then (NETLINK_S_CONGESTED)."""
        self._socket.settimeout(0)
        try:
            while self._socket.recv(_DATAGRAM):
                pass
        except BlockingIOError:
            pass  # empty
        finally:
            self._socket.settimeout(_TIMEOUT)

    def _messages(self) -> Iterator[Message]:
        while True:
            yield from read_messages(self._socket.recv(_DATAGRAM))


def read_messages(datagram: bytes) -> Iterator[Message]:
    """Yield the messages in one datagram."""
    start = 0
    while start + HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = HEADER.unpack_from(datagram, start)
        if length < HEADER.size:
            return
        yield Message(kind, flags, sequence, datagram[start + HEADER.size : start + length])
        start += (length + 3) & ~3


def _pack(request: Request, sequence: int, flags: int) -> bytes:
    # The length of each body is a multiple of four bytes, so no padding is needed between messages.
    length = HEADER.size + len(request.body)
    return HEADER.pack(length, request.type, request.flags | flags, sequence, 0) + request.body


def _contents(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.type not in (_NLMSG_ERROR, _NLMSG_DONE)]


def _status(message: Message) -> int:
    return -struct.unpack_from("=i", message.body)[0] if len(message.body) >= 4 else 0


def _failure(message: Message) -> Answer:
    """Read an error message: the text of the errno, and the kernel's own message if there is one."""
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
