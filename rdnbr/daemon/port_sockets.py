"""Keeps a packet socket open on each port of the engine, and retries a port whose socket cannot be opened."""

from collections.abc import Iterable
from dataclasses import dataclass

from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.back_off import BackOff
from rdnbr.daemon.parts import Parts

FIRST_WAIT, LAST_WAIT = 1.0, 60.0
"""Seconds until the next try after a socket could not be opened; doubles each time."""


@dataclass(slots=True)
class _Failed:
    port: Port
    why: str
    back_off: BackOff


class PortSockets:
    """The port sockets of one daemon."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._failed: dict[int, _Failed] = {}

    def update(self, now: float, links: Iterable[int], settings: Settings) -> None:
        """Open and close the sockets of these links (ifindexes), as the engine's ports require.

        A port whose socket cannot be opened is removed from the engine.
        """
        parts, engine = self._parts, self._parts.engine
        for index in links:
            port, failed = engine.ports.get(index), self._failed.get(index)
            if port is None:
                parts.receiver.close(index)
                self._failed.pop(index, None)
                continue
            if failed is not None and failed.port == port and not failed.back_off.is_due(now):
                parts.actuator.handle_outputs(engine.port_gone(now, index))
                continue
            try:
                parts.receiver.open(port, settings.policy(port.name).frames_per_second)
            except OSError as error:
                self._record_failure(now, port, str(error))
                parts.actuator.handle_outputs(engine.port_gone(now, index))
            else:
                self._failed.pop(index, None)

    def due(self, now: float) -> list[int]:
        """Return the ifindexes of the ports whose next try is due at `now`."""
        return [index for index, failed in self._failed.items() if failed.back_off.is_due(now)]

    def next_deadline(self) -> float | None:
        """Return the time of the earliest next try; None if all sockets are open."""
        return min(
            (failed.back_off.retry_at or 0.0 for failed in self._failed.values()),
            default=None,
        )

    def _record_failure(self, now: float, port: Port, why: str) -> None:
        parts, before = self._parts, self._failed.get(port.index)
        parts.actuator.count(KernelCounter.DEAF_PORTS)
        if before is None or (before.port, before.why) != (port, why):
            parts.log.warning("cannot listen", port=port.name, why=why)
        back_off = (
            BackOff(FIRST_WAIT, LAST_WAIT) if before is None or before.port != port else before.back_off
        )
        back_off.record_failure(now)
        self._failed[port.index] = _Failed(port, why, back_off)
