"""Flushes bindings for the operator: their routes are withdrawn, and they are forgotten.

There may be 50,000 bindings, and the loop has frames to read meanwhile. So a flush of all bindings goes in slices.
"""

from collections.abc import Mapping
from itertools import islice

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.damped_ports import DampedPorts
from rdnbr.core.bindings.signs_of_life import SignsOfLife
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import IP
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port

BINDINGS_AT_ONCE = 60
"""Bindings of one slice; some ten milliseconds, with their routes."""


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
        self._left: dict[Key, None] = {}
        """What a flush of all bindings has not reached yet."""
        self._since = 0.0

    @property
    def is_over(self) -> bool:
        """Whether no binding is left to flush."""
        return not self._left

    def flush(self, now: float, address: IP | None) -> None:
        """Flush the bindings of one address, in all tables; None: all bindings, beginning with the first slice."""
        if address is None:
            self._since = now
            self._left |= dict.fromkeys(self._table.keys())
            self.handle_slice(now)
            return
        for binding in self._table.of_address(address):
            self._flush(now, binding)
            self._damped.release_port_of(now, binding)

    def handle_slice(self, now: float) -> None:
        """Flush the next bindings. Until the last of them is flushed, damped ports stay damped."""
        for key in list(islice(self._left, BINDINGS_AT_ONCE)):
            del self._left[key]  # one at a time: an exception costs one binding, not the slice
            binding = self._table.get(key)
            if binding is not None:
                self._flush(now, binding)
        if self.is_over:
            self._damped.release_all(now)

    def next_deadline(self) -> float | None:
        """Return when the next slice is due: at once; None: there is none."""
        return None if self.is_over else self._since

    def flush_port(self, now: float, name: str) -> None:
        """Flush the bindings on one port, also those that have departed from it."""
        for port in [port for port in self._ports.values() if port.name == name]:
            for binding in (*self._table.on_port(port.index), *self._table.departed_on_port(port.index)):
                self._flush(now, binding)
        self._damped.release_port(now, name)

    def _flush(self, now: float, binding: Binding) -> None:
        self._transitions.apply(now, binding, BindingEvent.FLUSHED)
        self._signs_of_life.remember_flushed(now, binding)
