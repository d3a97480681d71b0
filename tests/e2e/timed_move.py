"""One move of a guest between two nodes while the upstream pings it: the times and the lost echoes."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from rdnbr.lab import Guest, Lab, Node, TooLate, wait_for
from rdnbr.lab.capture import Capture
from rdnbr.lab.host import Host
from rdnbr.lab.link import Link
from rdnbr.lab.program import Program

INTERVAL = 0.005
"""Seconds between two echo requests of one family."""
_STAMPED = re.compile(r"\[([-0-9T:.]+)\] (.*)")
_COUNTED = re.compile(r"(\d+) packets transmitted, (\d+) received")


@dataclass(frozen=True, slots=True)
class MoveTimes:
    """The result of one family. Times are in seconds from the guest's first frame on the target."""

    kernel: float
    """Until the target's kernel had the route."""
    upstream: float
    """Until the upstream's kernel sent to the target and nowhere else."""
    sent: int
    lost: int
    """Echo requests without a reply."""

    @property
    def bgp(self) -> float:
        """The time of BGP itself, from kernel to kernel."""
        return self.upstream - self.kernel


Arrival = Callable[[], object]
"""Runs at the moment when the guest runs on the target."""


class Routes:
    """The route notifications of a host, by its own clock."""

    def __init__(self, host: Host, protocol: str) -> None:
        self._protocol = f" proto {protocol} "
        self._program = host.launch("routes", "ip", "-o", "-ts", "monitor", "route")

    def stop(self) -> None:
        self._program.stop()

    @property
    def log(self) -> str:
        return self._program.log

    def routed_at(self, address: str, *, device: str, after: float) -> float | None:
        """Return the epoch seconds at which the address was first routed over `device` alone."""
        for line in self.log.splitlines():
            stamp, rest = _STAMPED.match(line).groups()
            at = datetime.fromisoformat(stamp).timestamp()
            of_it = rest.startswith(f"{address} ") and self._protocol in f"{rest} "
            if at >= after and of_it and set(re.findall(r"dev (\S+)", rest)) == {device}:
                return at
        return None


class TimedMoves:
    """Moves a guest from one node to the other and back, any number of times."""

    def __init__(self, lab: Lab, guest: Guest) -> None:
        self.lab = lab
        self.guest = guest
        self.here, self.there = lab.nodes

    def move(self, arrival: Arrival, *, within: float = 10.0) -> dict[int, MoveTimes]:
        """Move the guest, run `arrival`, and remove the source's port right after it; return the result by family.

        Raises:
            TooLate: the upstream did not use the target alone within so many seconds.
        """
        return self._move(arrival, lambda: self.lab.unplug(self.guest, self.here), within)

    def move_by_hand(self) -> dict[int, MoveTimes]:
        """Move the guest without a daemon; `ip` commands on either node do the daemon's work."""

        def arrival() -> None:
            self.guest.announce()
            route_by_hand(self.there, self.guest)

        def leave() -> None:
            undo_by_hand(self.here, self.guest)
            self.lab.unplug(self.guest, self.here)

        return self._move(arrival, leave, within=10.0)

    def restart_target(self) -> None:
        """Restart the daemon of the next target, so that it remembers nothing of the guest."""
        self.there.stop_daemon()
        self.there.start_daemon()

    @contextmanager
    def pinging(self) -> Iterator[None]:
        """Let the guest itself ping the upstream meanwhile, in both families."""
        log = self.here.path("/run/guest.log")
        pings = [
            self.guest.start("ping", "-n", "-q", "-i", str(INTERVAL), address, log=log)
            for address in (Link(0).upstream4, Link(0).upstream6)
        ]
        try:
            yield
        finally:
            for ping in pings:
                ping.kill()
                ping.wait()

    def _move(self, arrival: Arrival, leave: Arrival, within: float) -> dict[int, MoveTimes]:
        self.lab.plug(self.guest, self.there)
        if self.there.daemon is not None:
            self.there.wait_until_port_served(self.guest)
        try:
            return _move(self.lab, self.guest, self.there, arrival, leave, within)
        finally:  # the guest is on the target, also if the fabric does not know that
            self.here, self.there = self.there, self.here


def route_by_hand(node: Node, guest: Guest) -> None:
    """Run the documentation's four commands in place of the daemon."""
    node.ip(
        *(f"neigh replace {one} lladdr {guest.mac} dev vmbr1 nud permanent" for one in guest.addresses),
        *(f"route replace {one} dev vmbr1 proto 171" for one in guest.addresses),
    )


def undo_by_hand(node: Node, guest: Guest) -> None:
    """Remove what `route_by_hand` added."""
    node.ip(
        *(f"route del {one} dev vmbr1 proto 171" for one in guest.addresses),
        *(f"neigh del {one} dev vmbr1" for one in guest.addresses),
    )


def _move(
    lab: Lab, guest: Guest, target: Node, arrival: Arrival, leave: Arrival, within: float
) -> dict[int, MoveTimes]:
    with ExitStack() as stack:
        routes = {}
        for host, protocol in ((target, "171"), (lab.upstream, "bgp")):
            routes[host] = Routes(host, protocol)
            stack.callback(routes[host].stop)
        frames = stack.enter_context(target.capture(guest.port))
        pings = {family: _ping(lab.upstream, guest.address(family)) for family in (4, 6)}
        for ping in pings.values():
            stack.callback(ping.stop)
            wait_for(lambda ping=ping: ping.log.count("time=") > 20, 10, "a steady ping")
        moved = time.time()
        lab.move(guest, target)
        arrival()
        leave()
        to_target = f"node{target.number}"
        for one in guest.addresses:
            wait_for(
                lambda one=one: routes[lab.upstream].routed_at(one, device=to_target, after=moved),
                within,
                f"the upstream to send {one} to the target",
            )
        for ping in pings.values():
            before = ping.log.count("time=")
            wait_for(
                lambda ping=ping, before=before: ping.log.count("time=") > before + 40, 10, "answers again"
            )
        began = wait_for(lambda: _first(frames), 1, "a frame of the guest on the target")
        return {
            family: _times(ping, guest.address(family), routes[target], routes[lab.upstream], began, target)
            for family, ping in pings.items()
        }


def _ping(upstream: Host, address: str) -> Program:
    return upstream.launch("ping", "ping", "-n", "-i", str(INTERVAL), address)


def _first(frames: Capture) -> float | None:
    return next((seen.at for seen in frames.seen() if not seen.outgoing), None)


def _times(
    ping: Program, address: str, on_target: Routes, upstream: Routes, began: float, target: Node
) -> MoveTimes:
    ping.signal(signal.SIGINT)
    ping.wait()
    sent, received = map(int, _COUNTED.search(ping.log).groups())
    kernel = on_target.routed_at(address, device="vmbr1", after=began)
    switched = upstream.routed_at(address, device=f"node{target.number}", after=began)
    if kernel is None or switched is None:
        raise TooLate(f"{address}: routed on the target at {kernel}, upstream at {switched}")
    return MoveTimes(kernel - began, switched - began, sent, sent - received)
