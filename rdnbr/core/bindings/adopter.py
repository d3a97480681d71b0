"""Adopts what the kernel held when rdnbr started: hosts that are routed, and neighbours that have lost their route."""

from collections.abc import Mapping

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.covering_prefixes import CoveringPrefixes
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.static_bindings import StaticBindings
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.bindings.unproved_adoptions import UnprovedAdoptions
from rdnbr.core.model.address import MAC, ZERO_MAC
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.rule import is_static
from rdnbr.core.policy.policy import Policy

UNHEARD_APART = 0.05
"""Seconds between the first probes of adopted guests whose MAC has no forwarding entry: they come first, yet each of
their probes goes to all ports."""


class Adopter:
    """Makes bindings of the kernel's entries; `adoption` says which entries are adopted."""

    def __init__(
        self,
        policy: Policy,
        table: BindingTable,
        transitions: Transitions,
        static: StaticBindings,
        covering: CoveringPrefixes,
        unproved: UnprovedAdoptions,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
    ) -> None:
        self._authorization = policy.authorization
        self._limits = policy.limits
        self._table = table
        self._transitions = transitions
        self._static = static
        self._covering = covering
        self._unproved = unproved
        self._next_unheard = 0.0
        """When the next guest without a forwarding entry is probed."""
        self._segments = segments
        self._ports = ports

    def adopt(
        self,
        now: float,
        key: Key,
        mac: MAC | None,
        device: int,
        fdb_port: int | None = None,
        metric: int | None = None,
        earlier: AdoptionNote | None = None,
        pinned_port: int | None = None,
    ) -> None:
        """Adopt a host that the kernel held when rdnbr started.

        Args:
            now: when rdnbr started.
            key: table and address of its route.
            mac: of its neighbour entry; None where the route had lost its neighbour.
            device: ifindex of its segment.
            fdb_port: ifindex of the port in the bridge's forwarding database. Any guest of the bridge can have put it
                there, by one frame with that source MAC before the start. So the port only gets the first probe, which
                spares hundreds of other ports a copy. It stays unknown until a frame arrives, and further probes go to
                all ports. A forger delays the answer of the true owner by one probe. Without an entry the guest has
                probably left, and is probed first.
            metric: of its route. It stays if this node would give it.
            earlier: what an earlier run noted of the binding.
            pinned_port: ifindex of the port that an earlier run pinned the MAC to. No guest can have written a pin, so
                the port is known, and a frame from another port is the claim of a challenger.
        """
        segment = self._segments.get(device)
        if segment is None or segment.table != key.table or self._table.get(key) is not None:
            return
        pinned = self._ports.get(pinned_port or 0)
        is_pinned = pinned is not None and pinned.segment == device and mac is not None
        anchor = Anchor(pinned_port if is_pinned else None, mac or ZERO_MAC)
        verdict = self._authorization.authorize(key.address, anchor, device, live=True)
        if earlier is not None and not earlier.is_about(key, anchor.mac, now):
            earlier = None
        since = now if earlier is None else earlier.since
        binding = Binding(key, device, anchor, Source.ADOPTED, verdict.rule, since, since)
        port = self._ports.get(fdb_port or 0)
        if port is not None and port.segment == device:
            there = self._authorization.authorize(
                key.address, Anchor(port.index, anchor.mac), device, live=True
            )
            binding.fdb_port = port.index if there.permitted else None
        if verdict.permitted:
            self._transitions.metrics.adopt_metric(now, binding, metric)
            self._transitions.apply(now, binding, BindingEvent.FOUND_IN_KERNEL)
            if mac is not None:  # else its rule, which may say `connected`, is not known
                self._covering.record(key.address, verdict.rule)
            self._static.settle_adopted(now, binding)
            if fdb_port is None and binding.state is State.ADOPTED:
                self._transitions.timers.probe_adopted_by(self._reserve_unheard(now), binding)
            self._unproved.begin(now, binding, earlier)
        else:
            self._transitions.apply(now, binding, BindingEvent.FOUND_NOT_PERMITTED, reason=verdict.reason)

    def _reserve_unheard(self, now: float) -> float:
        """Return when the next guest without a forwarding entry is probed, and take that time."""
        at = max(now, self._next_unheard)
        self._next_unheard = at + UNHEARD_APART
        return at

    def probe_orphaned_neighbour(
        self, now: float, key: Key, mac: MAC, device: int, fdb_port: int | None
    ) -> None:
        """Probe a guest that had an address before rdnbr started; no route is installed before it answers.

        Args:
            now: when rdnbr started.
            key: table and address.
            mac: of its neighbour entry.
            device: ifindex of its segment.
            fdb_port: ifindex of the port in the bridge's forwarding database. Without it nobody is probed.
        """
        port = self._ports.get(fdb_port or 0)
        if port is None or port.segment != device or self._segments[device].table != key.table:
            return
        anchor = Anchor(port.index, mac)
        verdict = self._authorization.authorize(key.address, anchor, port.segment)
        if self._table.get(key) is not None or not verdict.permitted:
            return
        if self._limits.refuse_claim(now, port.index, key.address) is None:
            binding = Binding(key, port.segment, anchor, Source.ADOPTED, verdict.rule, now, now)
            event = BindingEvent.STATIC if is_static(verdict.rule) else BindingEvent.ARRIVAL
            self._transitions.apply(now, binding, event)
