"""Arrivals: the MAC of a binding is on a port, again or for the first time since rdnbr runs.

An arrival proves nothing of an address. What is remembered for the MAC is probed on the port, and a binding that is
elsewhere is challenged. Each arrival takes a token of its port.
"""

from collections.abc import Mapping

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.conflict import Conflicts
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.static_bindings import StaticBindings
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import MAC
from rdnbr.core.model.binding import Anchor, Binding, NewAnchor
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.engine_outputs import Verb
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.rule import is_static
from rdnbr.core.policy.policy import Policy
from rdnbr.core.probing.port_services import PortServices


class Arrivals:
    """Handles MACs that are on a port, for the bindings that are remembered with them."""

    def __init__(
        self,
        policy: Policy,
        table: BindingTable,
        transitions: Transitions,
        conflicts: Conflicts,
        static: StaticBindings,
        services: PortServices,
        segments: Mapping[int, Segment],
    ) -> None:
        self._policy = policy
        self._limits = policy.limits
        self._quarantine = policy.quarantine
        self._table = table
        self._transitions = transitions
        self._conflicts = conflicts
        self._static = static
        self._services = services
        self._segments = segments

    def handle_arrival(
        self,
        now: float,
        binding: Binding,
        anchor: Anchor,
        port: Port,
        source: Source,
        physical_mac: MAC | None,
    ) -> bool:
        """Handle that the MAC of a binding is on a port; tell whether the binding is affected."""
        departed = binding.state is State.DEPARTED
        at_anchor = binding.anchor.may_be(anchor)
        # Each arrival causes probes. A guest that sends many MACs, or one MAC often, must not use up the probe rate.
        if self._limits.refuse_probe(now, port.index) is not None:
            return False
        if (departed or not at_anchor) and self._limits.refuse_full(port.index, binding.key.address):
            return False
        if at_anchor and physical_mac is None:
            physical_mac = binding.physical_mac
        verdict = self._policy.authorization.authorize(
            binding.key.address, anchor, port.segment, physical_mac, live=binding.state in WITH_ROUTE
        )
        if not verdict.permitted or self._quarantine.is_quarantined(now, binding.key, anchor):
            return False
        to = None
        if departed:
            to = NewAnchor(anchor, port.segment, source, verdict.rule, physical_mac)
        elif not at_anchor:
            row = self._conflicts.challenge(now, binding, anchor, port.segment)
            return row.verb is not Verb.REFUSED
        event = BindingEvent.STATIC if departed and is_static(verdict.rule) else BindingEvent.ARRIVAL
        self._transitions.apply(now, binding, event, to=to)
        self._transitions.renew_stamp(now, binding)
        return True

    def probe_departed(self, now: float, port: Port) -> None:
        """Probe the departed bindings of a port that has appeared: a guest whose link returns need not send anything.

        The port may be on another bridge now, or on a bridge of the same name that was made anew. Where its bridge
        has another table now, since it has moved into a VRF or out of one, the guest is probed for what it had.
        """
        for binding in self._table.departed_on_port(port.index):
            if self._limits.is_exhausted(now, port.index):
                break
            if binding.key.table == self._segments[port.segment].table:
                self.handle_arrival(now, binding, binding.anchor, port, binding.source, binding.physical_mac)
            else:
                self._services.probe_remembered(now, port, binding.anchor.mac, binding.key.address)
        self._static.bind(now, port, None)
        self._services.discover(now, port, None)

    def probe_other_addresses(self, now: float, port: Port, key: Key, anchor: Anchor, claim: Claim) -> None:
        """Probe the departed addresses of the claimant's MAC.

        A guest moves with all its addresses, of both families, and may have claimed only one of them.
        """
        if self._limits.is_exhausted(now, port.index):
            return
        for other in self._table.of_mac(claim.mac):
            if other.state is State.DEPARTED and other.key.table == key.table:
                self.handle_arrival(now, other, anchor, port, claim.source, claim.physical_mac)
                if self._limits.is_exhausted(now, port.index):
                    return

    def challenge_other_addresses(
        self, now: float, port: Port, binding: Binding, before: Anchor, to: NewAnchor
    ) -> None:
        """Let a MAC challenge its other addresses at the anchor `before`, since `binding` has passed to `to`."""
        for other in self._table.of_mac(before.mac):
            if self._limits.is_exhausted(now, port.index):
                break
            same = other.key.table == binding.key.table and other.anchor == before
            if same and other.state is not State.DEPARTED:
                self.handle_arrival(now, other, to.anchor, port, to.source, to.physical_mac)
