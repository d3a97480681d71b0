"""Reports the changes of links, of addresses, and of the routes and neighbours of our protocol."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from errno import EAGAIN, EINTR, ENOBUFS

from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import IP
from rdnbr.core.model.fib_entries import Neighbour, Route
from rdnbr.core.model.interfaces import InterfaceAddress, Link
from rdnbr.core.model.pin import Pin
from rdnbr.linux.netlink.kernel_pins import read_pin
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
"""Bytes. The events of two thousand ports that come and go at once fit. An overflow is reported as `Overrun`."""

_SO_RCVBUFFORCE = 33
_DATAGRAM = 1 << 16
_MAX_QUEUED = 1 << 17
"""Datagrams that fit into the buffer: each uses more than a hundred bytes of it."""
_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWADDR, _RTM_DELADDR = 16, 17, 20, 21
_GROUPS = (1, 3, 5, 7, 9, 11)  # RTNLGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A device is new or has changed."""

    link: Link


@dataclass(frozen=True, slots=True)
class LinkGone:
    """A device was deleted, or has left this network namespace."""

    index: int


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """An address of the node is new or has changed."""

    address: InterfaceAddress


@dataclass(frozen=True, slots=True)
class AddressGone:
    """The node lost an address."""

    address: InterfaceAddress


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """A route of our protocol was added. A route that it replaced is gone, and no other event reports that."""

    route: Route


@dataclass(frozen=True, slots=True)
class RouteGone:
    """A route of our protocol was removed.

    Linux does not report the removal of IPv4 routes whose device goes down.
    """

    route: Route


@dataclass(frozen=True, slots=True)
class RouteTaken:
    """A foreign host route replaced a route. If a route of ours held that place, it is gone."""

    place: Place


@dataclass(frozen=True, slots=True)
class RouteLeft:
    """A foreign host route was removed, so its place is free.

    `EVENTS` passes such an event only for routes that people, DHCP and router advertisements add.
    """

    place: Place


@dataclass(frozen=True, slots=True)
class NeighbourSeen:
    """A permanent neighbour of our protocol was added, or its MAC has changed."""

    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class NeighbourGone:
    """No neighbour of ours is here any more: the entry was removed, or it is no longer permanent.

    The event may come twice. It comes for the removal of any other neighbour too.
    """

    device: int
    address: IP


@dataclass(frozen=True, slots=True)
class NeighbourTaken:
    """A foreign permanent neighbour was added. If a neighbour of ours had this device and address, it is gone."""

    device: int
    address: IP


@dataclass(frozen=True, slots=True)
class PinGone:
    """A pin of ours was removed from a forwarding database, by anybody."""

    pin: Pin


@dataclass(frozen=True, slots=True)
class NextHopsChanged:
    """Routes that are not ours were added or removed; `next_hops` reads the present next hops."""


@dataclass(frozen=True, slots=True)
class Overrun:
    """Events were lost, so the kernel's state must be read again."""

    fault: Exception | None = None
    """The exception that a message caused in `Monitor`; None if the kernel lost events or a message was cut short."""
    message: bytes = b""
    """The body of the message that caused `fault`."""


TableEvent = (
    RouteSeen | RouteGone | RouteTaken | RouteLeft | NeighbourSeen | NeighbourGone | NeighbourTaken | PinGone
)
"""What happened to the kernel's tables of routes and neighbours, and to the bridges' forwarding databases."""

Event = LinkChanged | LinkGone | AddressChanged | AddressGone | TableEvent | NextHopsChanged | Overrun


class Monitor:
    """Receives the changes in the network namespace in which it was created, from that moment on.

    Raises:
        OSError: the process lacks CAP_NET_ADMIN, which the receive buffer needs (EPERM).
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
        """Return the file descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def receive(self, budget: int = 1000) -> list[Event]:
        """Return the events in their order, from at most `budget` datagrams (one change each).

        Raises:
            OSError: the socket failed for another reason than an overflow.
        """
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
            if sender == 0:  # from the kernel: a privileged process can write to a netlink socket too
                for message in read_messages(datagram):
                    try:
                        events.extend(_events(message))
                    except struct.error:  # the message is shorter than its type requires
                        events.append(Overrun())
                    except Exception as error:  # noqa: BLE001 (the other messages must still be read)
                        events.append(Overrun(error, bytes(message.body)))
        return events

    def _discard(self) -> None:
        """Discard all queued datagrams: the caller reads the whole state again, so the queued events are of no use.

        The kernel queues nothing more until the buffer is empty (net/netlink/af_netlink.c, NETLINK_S_CONGESTED). If
        the buffer were read over several turns of the loop, more events would be lost meanwhile.
        """
        for _ in range(_MAX_QUEUED):
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
        pin = read_pin(message.body)
        if pin is not None and message.type == RTM_DELNEIGH:
            yield PinGone(pin)
        return
    if message.type == RTM_NEWNEIGH and entry.ours:
        yield NeighbourSeen(entry.neighbour)
    elif message.type == RTM_NEWNEIGH and entry.configured and entry.protocol != PROTOCOL:
        yield NeighbourTaken(entry.device, entry.address)
    elif message.type == RTM_DELNEIGH or entry.protocol == PROTOCOL:
        yield NeighbourGone(entry.device, entry.address)
