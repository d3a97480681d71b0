"""What changes: links, addresses, and the routes and neighbours of our protocol."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from errno import EAGAIN, EINTR, ENOBUFS

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import IP
from rdnbr.core.model.fib_entries import Neighbour, Route
from rdnbr.core.model.interfaces import InterfaceAddress, Link
from rdnbr.linux.netlink.links import read_address, read_link
from rdnbr.linux.netlink.monitor_filter import EVENTS
from rdnbr.linux.netlink.netlink_socket import Message, read_messages
from rdnbr.linux.netlink.next_hops import ORIGINS
from rdnbr.linux.netlink.rtnetlink import (
    NLM_F_REPLACE,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    Place,
    read_neighbour,
    read_origin,
    read_place,
    read_route,
)
from rdnbr.linux.packet.bpf import attach

RECEIVE_BUFFER = 16 << 20
"""Bytes. Two thousand ports that come and go at once fit; when it overflows, `Overrun` tells."""

_SO_RCVBUFFORCE = 33
_DATAGRAM = 1 << 16
_MOST_WAITING = 1 << 17
"""Datagrams, each of which fills more than a hundred bytes of the buffer."""
_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWADDR, _RTM_DELADDR = 16, 17, 20, 21
_GROUPS = (1, 3, 5, 7, 9, 11)  # RTNLGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A device is there, new or changed."""

    link: Link


@dataclass(frozen=True, slots=True)
class LinkGone:
    """A device is there no more, in this namespace."""

    index: int


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """The node has an address, new or changed."""

    address: InterfaceAddress


@dataclass(frozen=True, slots=True)
class AddressGone:
    """The node lost an address."""

    address: InterfaceAddress


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """A route of ours is there, and what held its place before it is not: no other event says so."""

    route: Route


@dataclass(frozen=True, slots=True)
class RouteGone:
    """A route of ours is gone. Of IPv4 routes that go because their device goes down, Linux says nothing."""

    route: Route


@dataclass(frozen=True, slots=True)
class RouteTaken:
    """Somebody else's host route replaced another; if ours held that place, it is gone."""

    place: Place


@dataclass(frozen=True, slots=True)
class RouteLeft:
    """Somebody else's host route is gone, and its place is free; told of routes that people and DHCP make."""

    place: Place


@dataclass(frozen=True, slots=True)
class NeighbourSeen:
    """A permanent neighbour of ours is there, new or with another MAC."""

    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class NeighbourGone:
    """There is no neighbour of ours here: it is gone, or no longer permanent; may come twice.

    Of neighbours that never were ours it is told as well, when they go.
    """

    device: int
    address: IP


@dataclass(frozen=True, slots=True)
class NeighbourTaken:
    """Somebody else's permanent neighbour is there; if ours held that place, it is gone."""

    device: int
    address: IP


@dataclass(frozen=True, slots=True)
class NextHopsChanged:
    """Routes that are not ours came or went; `next_hops` tells what there are now."""


@dataclass(frozen=True, slots=True)
class Overrun:
    """Events were lost: everything has to be read again."""

    fault: Exception | None = None
    """What `Monitor` failed with where it could not read a message; None where the kernel lost events."""
    message: bytes = b""
    """The body of the message that it could not read."""


TableEvent = RouteSeen | RouteGone | RouteTaken | RouteLeft | NeighbourSeen | NeighbourGone | NeighbourTaken
"""What happened to the kernel's tables of routes and neighbours."""

Event = LinkChanged | LinkGone | AddressChanged | AddressGone | TableEvent | NextHopsChanged | Overrun


class Monitor:
    """Hears of every change in the network namespace this was made in, from its making on.

    Raises:
        OSError: the buffer cannot be had without CAP_NET_ADMIN (EPERM).
    """

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        try:
            attach(self._socket, EVENTS)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
            self._socket.bind((0, sum(1 << (group - 1) for group in _GROUPS)))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def receive(self, budget: int = 1000) -> list[Event]:
        """Return what happened, in its order, reading at most `budget` datagrams (one change each)."""
        events: list[Event] = []
        for _ in range(budget):
            try:
                datagram, (sender, _) = self._socket.recvfrom(_DATAGRAM)
            except OSError as error:
                if error.errno == ENOBUFS:
                    self._discard()
                    return [*events, Overrun()]
                if error.errno in (EAGAIN, EINTR):
                    break
                raise
            if sender == 0:  # the kernel; anybody privileged may write to a netlink socket
                for message in read_messages(datagram):
                    try:
                        events.extend(_events(message))
                    except struct.error:  # it is too short for what it says to be
                        events.append(Overrun())
                    except Exception as error:  # noqa: BLE001 (one message must not cost the others)
                        events.append(Overrun(error, bytes(message.body)))
        return events

    def _discard(self) -> None:
        """Throw away what waits: whoever looks at everything anew has no use for it.

        Until the buffer is empty the kernel puts nothing more into it (net/netlink/af_netlink.c,
        NETLINK_S_CONGESTED), so to read it in turns would mean to lose yet more meanwhile.
        """
        for _ in range(_MOST_WAITING):
            try:
                self._socket.recv(1)
            except OSError as error:
                if error.errno in (EAGAIN, EINTR):
                    return
                if error.errno != ENOBUFS:
                    raise


def _events(message: Message) -> Iterator[Event]:
    if message.type in (RTM_NEWROUTE, RTM_DELROUTE):
        yield from _route_events(message)
    elif message.type in (RTM_NEWNEIGH, RTM_DELNEIGH):
        yield from _neighbour_events(message)
    elif message.type in (_RTM_NEWLINK, _RTM_DELLINK):
        link = read_link(message)
        if link is not None:
            yield LinkChanged(link) if message.type == _RTM_NEWLINK else LinkGone(link.index)
    elif message.type in (_RTM_NEWADDR, _RTM_DELADDR):
        address = read_address(message)
        if address is not None:
            yield AddressChanged(address) if message.type == _RTM_NEWADDR else AddressGone(address)


def _route_events(message: Message) -> Iterator[Event]:
    route = read_route(message.body)
    if route is not None:
        yield RouteSeen(route) if message.type == RTM_NEWROUTE else RouteGone(route)
        return
    foreign = read_place(message.body)
    if foreign is not None and message.type == RTM_DELROUTE:
        yield RouteLeft(foreign)
    elif foreign is not None and message.flags & NLM_F_REPLACE:
        yield RouteTaken(foreign)
    if read_origin(message.body) in ORIGINS:
        yield NextHopsChanged()


def _neighbour_events(message: Message) -> Iterator[Event]:
    entry = read_neighbour(message.body)
    if entry is None:
        return
    if message.type == RTM_NEWNEIGH and entry.ours:
        yield NeighbourSeen(entry.neighbour)
    elif message.type == RTM_NEWNEIGH and entry.settled and entry.protocol != PROTOCOL:
        yield NeighbourTaken(entry.device, entry.address)
    elif message.type == RTM_DELNEIGH or entry.protocol == PROTOCOL:
        yield NeighbourGone(entry.device, entry.address)
