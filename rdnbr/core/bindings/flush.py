"""Flushes bindings for the operator: their routes are withdrawn, and they are forgotten."""

from collections.abc import Mapping

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.damped_ports import DampedPorts
from rdnbr.core.bindings.signs_of_life import SignsOfLife
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import IP
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.interfaces import Port


class Flush:
    """Flushes by address, by port, or everything. What is flushed is not damped any more."""

    def __init__(
        self,
        table: BindingTable,
        transitions: Transitions,
        damped: DampedPorts,
        signs_of_life: SignsOfLife,
        ports: Mapping[int, Port],
    ) -> None:
        self._table = table
        self._ports = ports
        self._transitions = transitions
        self._damped = damped
        self._signs_of_life = signs_of_life

    def flush(self, now: float, address: IP | None) -> None:
        """Flush the bindings of one address, in all tables; None: all bindings."""
        for binding in self._table:
            if address is None or binding.key.address == address:
                self._flush(now, binding)
                self._damped.release_port_of(now, binding)
        if address is None:
            self._damped.release_all(now)

    def flush_port(self, now: float, name: str) -> None:
        """Flush the bindings on one port, also those that have departed from it."""
        for port in [port for port in self._ports.values() if port.name == name]:
            for binding in (*self._table.on_port(port.index), *self._table.departed_on_port(port.index)):
                self._flush(now, binding)
        self._damped.release_port(now, name)

    def _flush(self, now: float, binding: Binding) -> None:
        self._transitions.apply(now, binding, BindingEvent.FLUSHED)
        self._signs_of_life.remember_flushed(now, binding)
