"""Authorizes bindings anew after the allowlist or the node's own addresses have changed, in slices.

A reload may concern 50,000 bindings, and the loop has frames to read meanwhile. So each call handles one slice. New
claims are authorized by the new allowlist from the first moment on.
"""

from collections.abc import Iterable, Mapping
from itertools import islice

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.covering_prefixes import CoveringPrefixes
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.static_bindings import StaticBindings
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import MAC
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.rule import is_static
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.probing.port_services import PortServices

BINDINGS_AT_ONCE = 250
"""Bindings of one slice that stay as they are."""
CHANGE = 5
"""How many of those are as much work as one binding that is withdrawn."""
RULES_AT_ONCE = 200
"""Rules that the search of ports for named addresses looks at in one slice. It searches whole ports."""


class Reauthorization:
    """The bindings and ports that the new allowlist has not reached yet."""

    def __init__(
        self,
        authorization: Authorization,
        table: BindingTable,
        transitions: Transitions,
        static: StaticBindings,
        services: PortServices,
        ports: Mapping[int, Port],
        covering: CoveringPrefixes,
    ) -> None:
        self._authorization = authorization
        self._table = table
        self._transitions = transitions
        self._static = static
        self._services = services
        self._ports = ports
        self._covering = covering
        self._bindings: dict[Key, None] = {}
        self._to_discover: dict[int, None] = {}
        self._since = 0.0

    @property
    def is_over(self) -> bool:
        """Whether all bindings and ports were handled."""
        return not self._bindings and not self._to_discover

    def start(self, now: float, *, discover: bool) -> None:
        """Handle all bindings, also those that were handled before, beginning with the first slice.

        With `discover` all ports are searched afterwards for guests that may have been refused before.
        """
        self._since = now
        # Bindings that are still left come first: frequent starts must not keep the last ones waiting for ever.
        self._bindings |= dict.fromkeys(self._table.keys())
        if discover:
            self._to_discover = dict.fromkeys(self._ports)
        self.handle_slice(now)

    def handle_slice(self, now: float) -> None:
        """Handle the next slice: bindings first, then ports."""
        effort = 0
        for key in list(islice(self._bindings, BINDINGS_AT_ONCE)):
            del self._bindings[key]  # one at a time: an exception costs one binding, not the slice
            binding = self._table.get(key)
            if binding is not None:
                effort += 1 + CHANGE * self.authorize(now, [binding])
            if effort >= BINDINGS_AT_ONCE:
                return
        if self._bindings:
            return
        effort = 0
        while self._to_discover and effort < RULES_AT_ONCE:
            index = next(iter(self._to_discover))
            del self._to_discover[index]
            port = self._ports.get(index)
            if port is not None:
                effort += self._discover(now, port)

    def _discover(self, now: float, port: Port) -> int:
        """Search a port for the addresses that the allowlist names; return the effort."""
        allowlist, effort = self._authorization.allowlist, 1
        for mac in (None, *self._named_macs(port.index)):
            self._static.bind(now, port, mac)
            self._services.discover(now, port, mac)
            effort += 0 if allowlist is None else allowlist.count_naming(mac, port.name)
        return effort

    def _named_macs(self, port: int) -> list[MAC]:
        """Return the MACs on a port (ifindex) that the new rules name; their guests may have been here for long."""
        allowlist = self._authorization.allowlist
        if allowlist is None:
            return []
        macs = {binding.anchor.mac: None for binding in self._table.on_port(port)}
        return [mac for mac in macs if allowlist.names_mac(mac)]

    def authorize(self, now: float, bindings: Iterable[Binding]) -> int:
        """Withdraw bindings that are not permitted any more. A DEPARTED binding is authorized when its MAC arrives.

        Returns:
            How many bindings have changed.
        """
        bindings, changed = list(bindings), 0
        self._transitions.metrics.schedule_review(now, bindings)  # `anycast` may be new, or gone
        for binding in bindings:
            if binding.state is State.DEPARTED:
                continue
            address, live = binding.key.address, binding.state in WITH_ROUTE
            verdict = self._authorization.authorize(
                address, binding.anchor, binding.segment, binding.physical_mac, live=live
            )
            binding.rule = verdict.rule
            if not verdict.permitted:
                self._transitions.apply(now, binding, BindingEvent.NOT_PERMITTED)
                changed += 1
                continue
            if live:
                self._covering.record(address, verdict.rule)
            if is_static(binding.rule) != (binding.state is State.STATIC) and binding.anchor.port is not None:
                event = BindingEvent.STATIC if is_static(binding.rule) else BindingEvent.NOT_STATIC
                self._transitions.apply(now, binding, event)
                changed += 1
        return changed

    def next_deadline(self) -> float | None:
        """Return when the next slice is due: at once; None: there is none."""
        return None if self.is_over else self._since
