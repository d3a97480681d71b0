"""Ports that flap: counts their losses, and installs what was held back when a port is damped no more.

`policy.flap_damping` says which ports are damped, and `transitions` holds the routes of their bindings back. A damped
binding is learned, probed and challenged like any other, so that its route is right when it is installed.
"""

from collections.abc import Mapping

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import WITH_ROUTE
from rdnbr.core.model.engine_outputs import Decision, Emit, Verb
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.reason import Reason
from rdnbr.core.policy.flap_damping import FlapDamping

AT_ONCE = 20
"""Ports whose damping ends in one call; the others wait for the next call, so that frames do not wait for them."""


class DampedPorts:
    """Tells the damping which ports are lost, and carries out its end."""

    def __init__(
        self,
        damping: FlapDamping,
        table: BindingTable,
        transitions: Transitions,
        ports: Mapping[int, Port],
        emit: Emit,
    ) -> None:
        self._damping = damping
        self._table = table
        self._transitions = transitions
        self._ports = ports
        self._emit = emit

    def record_loss(self, now: float, port: Port) -> None:
        """Record that a port is lost, before the routes of its bindings are withdrawn."""
        routed = any(binding.state in WITH_ROUTE for binding in self._table.on_port(port.index))
        if routed and self._damping.record_loss(now, port.name):
            self._emit(Decision(now, Verb.HELD, Reason.DAMPED, port=port.name))

    def review(self, now: float, port: int) -> None:
        """Hold back or install the routes of a port (ifindex), whose damping or whose name has changed."""
        for binding in self._table.on_port(port):
            if binding.state in WITH_ROUTE:
                self._transitions.review_damping(now, binding)

    def release_port(self, now: float, name: str) -> None:
        """End the damping of a port, and forget its losses, for the operator says so."""
        if self._damping.forget(name):
            self._release(now, name)

    def release_port_of(self, now: float, binding: Binding) -> None:
        """End the damping of the port of a binding, for the operator has named its address."""
        port = self._ports.get(binding.anchor.port or 0)
        if port is not None:
            self.release_port(now, port.name)

    def release_all(self, now: float) -> None:
        """End the damping of all ports, for the operator says so."""
        for name in self._damping.damped_ports():
            self.release_port(now, name)

    def expire_timers(self, now: float) -> None:
        """End the damping of up to `AT_ONCE` ports whose time is over."""
        for _ in range(AT_ONCE):
            name = self._damping.pop_reusable(now)
            if name is None:
                return
            self._release(now, name)

    def _release(self, now: float, name: str) -> None:
        self._emit(Decision(now, Verb.RELEASED, Reason.DAMPED, port=name))
        for port in [port for port in self._ports.values() if port.name == name]:
            self.review(now, port.index)
