"""Route flap damping (RFC 2439), by port: the routes of a port that flaps are held back for a while.

Each time that a port goes while guests on it have routes, BGP withdraws these routes everywhere, and announces them
again when the port is back. So each loss of such a port is a penalty. The penalty halves every `HALF_LIFE` seconds. A
port whose penalty exceeds `SUPPRESS` is damped: its routes are held back until the penalty has fallen to `REUSE`. Five
losses within a minute are needed for that. A live migration is one loss, and a guest that boots causes three at most.

The port's name is the key: a guest that crashes over and over has a new ifindex each time.
"""

from math import log2
from typing import NamedTuple

from rdnbr.core.primitives.bounded_map import BoundedMap
from rdnbr.core.primitives.timer_queue import TimerQueue

HALF_LIFE = 90.0
"""Seconds in which a penalty halves."""
SUPPRESS, REUSE = 4.0, 2.0
"""A port is damped when its penalty exceeds the one, until it has fallen to the other. Each loss adds 1 to it."""
LONGEST = 300.0
"""Seconds. After the last loss a port is damped for so long at most (RFC 2439 §4.2, the maximum hold-down)."""
CEILING = REUSE * 2 ** (LONGEST / HALF_LIFE)
"""The highest penalty: it falls to `REUSE` in `LONGEST` seconds."""

NEGLIGIBLE = 0.1
"""A penalty below this is forgotten: that of one loss after five minutes."""

PORTS = 4096
"""Ports that are remembered. The port that was lost longest ago is forgotten first, and is damped no more."""


class _Penalty(NamedTuple):
    points: float
    """At the time of the last loss."""
    at: float
    """When the port was last lost."""


class FlapDamping:
    """The penalties of ports, and which ports are damped."""

    def __init__(self) -> None:
        self._penalties: BoundedMap[str, _Penalty] = BoundedMap(PORTS)
        self._ends: TimerQueue[str] = TimerQueue()

    def record_loss(self, now: float, port: str) -> bool:
        """Record that a port with routes is gone; tell whether it is damped from now on, and was not before."""
        self._forget_old(now)
        last = self._penalties.get(port)
        decayed = 0.0 if last is None else _decayed(last, now)
        points = min((0.0 if decayed < NEGLIGIBLE else decayed) + 1.0, CEILING)
        before = self.is_damped(port)
        dropped = self._penalties.put(port, _Penalty(points, now))
        if dropped is not None and self.is_damped(dropped[0]):
            self._ends.set(dropped[0], now)
        if before or points > SUPPRESS:
            self._ends.set(port, now + HALF_LIFE * log2(points / REUSE))
        return self.is_damped(port) and not before

    def is_damped(self, port: str) -> bool:
        """Tell whether the routes of a port are held back."""
        return self.damped_until(port) is not None

    def damped_until(self, port: str) -> float | None:
        """Return when a port is damped no more, unless it is lost again; None if it is not damped."""
        return self._ends.deadline(port)

    def damped_ports(self) -> list[str]:
        """Return the names of the ports that are damped, the port that was lost longest ago first."""
        return [port for port in self._penalties if self.is_damped(port)]

    def pop_reusable(self, now: float) -> str | None:
        """Return a port that has just ceased to be damped, since its time is over; None: there is none."""
        due = self._ends.pop(now)
        return None if due is None else due[1]

    def forget(self, port: str) -> bool:
        """Forget the penalty of a port; tell whether it was damped."""
        damped = self.is_damped(port)
        self._penalties.pop(port)
        self._ends.discard(port)
        return damped

    def next_deadline(self) -> float | None:
        """Return when `pop_reusable` has a port; None: no port is damped."""
        return self._ends.next_deadline()

    def _forget_old(self, now: float) -> None:
        """Forget the ports whose penalty is negligible (RFC 2439 §4.8.7), those that were lost longest ago first."""
        while (oldest := self._penalties.oldest()) is not None:
            port, penalty = oldest
            if self.is_damped(port) or _decayed(penalty, now) >= NEGLIGIBLE:
                return
            self._penalties.pop(port)


def _decayed(penalty: _Penalty, now: float) -> float:
    decayed: float = penalty.points * 2 ** -((now - penalty.at) / HALF_LIFE)
    return decayed
