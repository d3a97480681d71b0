"""`rdnbr probe ADDRESS`: probes that a person asks for. Silence has no consequence that it would not have anyhow."""

from operator import attrgetter

from rdnbr.core.bindings.departed import DepartedBindings
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import IP
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.probing.port_services import PortServices


class OperatorProbes:
    """Probes every address that it is given, known or not."""

    def __init__(self, transitions: Transitions, departed: DepartedBindings, services: PortServices) -> None:
        self._transitions = transitions
        self._departed = departed
        self._services = services

    def probe(self, now: float, address: IP, bindings: list[Binding]) -> None:
        """Probe an address.

        A bound address is probed where it is, at once. So is one that departed in silence. Any other is searched for,
        in the next turns, on every port that may have it.

        Args:
            now: the time.
            address: what to probe.
            bindings: the bindings of the address, in all tables.
        """
        known = [
            found for found in bindings if found.state is not State.DEPARTED or found.probed_on is not None
        ]
        for binding in sorted(known, key=attrgetter("serial")):
            if binding.state is State.VALID:
                self._transitions.apply(now, binding, BindingEvent.DUE)
            elif binding.state is State.DEPARTED:
                self._departed.probe_at_once(now, binding)
            else:
                self._transitions.timers.probe_once_more(now, binding)
        if not known:
            self._services.search(now, address)
