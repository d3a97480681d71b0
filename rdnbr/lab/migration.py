"""Moves a guest from node to node, and measures how long it was unreachable."""

import re
import signal
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from rdnbr.lab.guest import Guest
from rdnbr.lab.network import Lab
from rdnbr.lab.node import Node
from rdnbr.lab.program import Program
from rdnbr.lab.upstream import Upstream
from rdnbr.lab.wait import wait_for

_INTERVAL = 0.01
"""Seconds between two echo requests to one address."""
_STEADY = 30
"""Echo replies to wait for, before the guest moves and after."""
_ECHO = re.compile(r"^\[([0-9.]+)\] .* time=", re.MULTILINE)
_COUNTED = re.compile(r"(\d+) packets transmitted, (\d+) received")


class Outage(NamedTuple):
    """The outage of one address, as the upstream's ping saw it."""

    address: str
    seconds: float
    """The longest time between two echo replies."""
    sent: int
    lost: int


def migrate(lab: Lab, guest: Guest, source: Node, target: Node) -> list[Outage]:
    """Move the guest to `target` as a hypervisor does, and return the outage of each of its addresses.

    Raises:
        TooLate: the upstream does not switch to `target`, or no longer reaches the guest.
    """
    lab.plug(guest, target)
    target.wait_until_port_served(guest)
    pings = {address: _Ping(lab, address) for address in guest.addresses}
    for ping in pings.values():
        ping.wait_for_more()
    lab.move(guest, target)
    guest.announce()
    lab.unplug(guest, source)
    for address, ping in pings.items():
        wait_for(
            partial(_follows, lab.upstream, address, target),
            10.0,
            f"the upstream to send {address} to node {target.number}",
        )
        ping.wait_for_more()
    return [ping.end() for ping in pings.values()]


def _follows(upstream: Upstream, address: str, target: Node) -> bool:
    return upstream.via(address) == {target.number}


class _Ping:
    """A ping from the upstream that runs until `end`."""

    def __init__(self, lab: Lab, address: str) -> None:
        self._address = address
        self._program: Program = lab.upstream.launch(
            "ping", "ping", "-n", "-D", "-i", str(_INTERVAL), address
        )

    def wait_for_more(self) -> None:
        until = self._echoes() + _STEADY
        wait_for(lambda: self._echoes() >= until, 10.0, f"{self._address} to answer the upstream's ping")

    def _echoes(self) -> int:
        return len(_ECHO.findall(self._program.log))

    def end(self) -> Outage:
        self._program.signal(signal.SIGINT)
        self._program.wait()
        output = self._program.log
        counted = _COUNTED.search(output)
        assert counted is not None, output
        sent, received = map(int, counted.groups())
        echoes = map(float, _ECHO.findall(output))
        longest = max(later - earlier for earlier, later in pairwise(echoes))
        return Outage(self._address, longest, sent, sent - received)
