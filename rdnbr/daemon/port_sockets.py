"""Keeps an ear on each port the engine serves; ports that cannot be heard are tried again, ever more seldom."""

from dataclasses import dataclass

from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.settings import Settings
from rdnbr.daemon.actuator import Actuator
from rdnbr.daemon.kernel_counters import KernelCounter

FIRST_WAIT, LAST_WAIT = 1.0, 60.0
"""Seconds until a port that could not be heard is tried again; doubles each time."""


@dataclass(frozen=True, slots=True)
class _Deaf:
    port: Port
    why: str
    wait: float
    until: float


class PortSockets:
    """The ears of one daemon, port for port."""

    def __init__(self, works: Actuator) -> None:
        self._works = works
        self._deaf: dict[int, _Deaf] = {}

    def update(self, now: float, settings: Settings) -> None:
        """Listen on the engine's ports and on no others; a port that cannot be heard is taken from the engine."""
        works, engine = self._works, self._works.engine
        for index in [index for index in works.receiver if index not in engine.ports]:
            works.receiver.close(index)
        self._deaf = {index: deaf for index, deaf in self._deaf.items() if index in engine.ports}
        for port in list(engine.ports.values()):
            deaf = self._deaf.get(port.index)
            if deaf is not None and (deaf.port != port or deaf.until <= now):
                self._deaf.pop(port.index)
            elif deaf is not None:
                works.take(now, engine.port_gone(now, port.index))
                continue
            try:
                works.receiver.open(port, settings.policy(port.name).frames_per_second)
            except OSError as error:
                self._note(now, port, str(error), deaf)
                works.take(now, engine.port_gone(now, port.index))

    def next_deadline(self) -> float | None:
        """Tell when a port is to be tried again."""
        return min((deaf.until for deaf in self._deaf.values()), default=None)

    def _note(self, now: float, port: Port, why: str, before: _Deaf | None) -> None:
        self._works.kernel_counters[KernelCounter.DEAF_PORTS] += 1
        if before is None or (before.port, before.why) != (port, why):
            self._works.log.warning("cannot listen", port=port.name, why=why)
        wait = FIRST_WAIT if before is None else min(before.wait * 2, LAST_WAIT)
        self._deaf[port.index] = _Deaf(port, why, wait, now + wait)
