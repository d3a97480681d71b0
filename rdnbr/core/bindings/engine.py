"""The engine: events with a time in them go in; decisions, questions and wishes come out.

It has no clock and does no input or output, so that the daemon and `replay` can drive the very same one. Every
method that takes an event returns what came of it, in order. Times are seconds, from whatever clock the caller
uses, and never go back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rdnbr.core.bindings.claim_handler import ClaimHandler
from rdnbr.core.bindings.conflict import Conflicts
from rdnbr.core.bindings.explanation import Explanation, standing
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import DesiredHost, Output, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.core.model.snapshot import GONE, BindingSnapshot, view
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.core.probing.data_snooping import DataSnooping
from rdnbr.core.probing.discovery import Discovery
from rdnbr.core.probing.gateway_announcer import GatewayAnnouncer
from rdnbr.core.probing.gateway_defence import GatewayDefence
from rdnbr.core.wire.decode import decode
from rdnbr.core.wire.ip_source import hint

_PACKETS = frozenset({Reason.NOT_ARP_OR_NDP, Reason.NOT_NDP})
"""What IP packets are counted under, but for those that are looked at."""


class Engine:
    """Decides whose address is where."""

    def __init__(self, settings: Settings, allowlist: Allowlist | None) -> None:
        self.counters: Counter[tuple[str, Reason]] = Counter()
        """Frames by port name and reason: each frame counts once."""
        self.claims = 0
        """Frames that were valid claims, whatever became of them."""
        self._segments: dict[int, Segment] = {}
        self._ports: dict[int, Port] = {}
        self._authorization = Authorization(allowlist, self._segments, self._ports)
        self._transitions = Transitions(settings, self._segments, self._ports)
        self._conflicts = Conflicts(settings, self._transitions)
        self._limits = PortLimits(settings, self._transitions.bindings)
        self._gateway_defence = GatewayDefence(self._segments, self._ports)
        self._gateway_announcer = GatewayAnnouncer(self._segments, self._ports, self._limits)
        self._discovery = Discovery(
            settings,
            self._segments,
            self._ports,
            self._authorization,
            self._limits,
            self._transitions.bindings,
            self._transitions.quarantine,
        )
        self._data_snooping = DataSnooping(settings)
        self._claim_handler = ClaimHandler(
            self._transitions,
            self._conflicts,
            self._authorization,
            self._limits,
            self._segments,
            self._gateway_defence,
            self._gateway_announcer,
            self._discovery,
            self._data_snooping,
        )
        self._timed = (self._gateway_defence, self._gateway_announcer, self._discovery, self._data_snooping)
        self._bindings = self._transitions.bindings

    @property
    def segments(self) -> Mapping[int, Segment]:
        """The segments served, by ifindex."""
        return self._segments

    @property
    def ports(self) -> Mapping[int, Port]:
        """The ports listened on, by ifindex."""
        return self._ports

    @property
    def open_mode(self) -> bool:
        """Whether there is no allowlist."""
        return self._authorization.allowlist is None

    @property
    def allowlist(self) -> Allowlist | None:
        """The allowlist in force; None in open mode."""
        return self._authorization.allowlist

    def configure(self, now: float, settings: Settings) -> None:
        """Other settings count from the next question on."""
        self._transitions.configure(now, settings)
        self._conflicts.configure(settings)
        self._limits.configure(settings, self._ports.values())
        self._discovery.configure(settings)
        self._data_snooping.configure(settings)

    def set_clock(self, now: float, wall: float) -> None:
        """At `now` it is `wall` seconds since 1970. Nothing but the stamps of newest-wins depends on it."""
        self._transitions.metrics.set_clock(now, wall)

    def segment_changed(self, segment: Segment) -> list[Output]:
        """A segment appeared or changed."""
        before = self._segments.get(segment.index)
        self._segments[segment.index] = segment
        if before is not None and before.mac != segment.mac:
            self._gateway_announcer.announce_to_all(segment.index)
        return []

    def segment_gone(self, now: float, index: int) -> list[Output]:
        """A segment is gone, and its ports with it."""
        for port in [port for port in self._ports.values() if port.segment == index]:
            self._remove_port(now, port.index, Reason.SEGMENT_GONE)
        for binding in self._bindings.on_port(None):
            if binding.segment == index:
                self._transitions.depart(now, binding, Reason.SEGMENT_GONE)
        self._segments.pop(index, None)
        self._gateway_defence.segment_gone(index)
        return self._drain_outputs()

    def port_changed(self, now: float, port: Port) -> list[Output]:
        """A port appeared or changed; on another segment than before it is another port."""
        before = self._ports.get(port.index)
        if before is not None and before.segment != port.segment:
            self._remove_port(now, port.index, Reason.PORT_GONE)
        self._ports[port.index] = port
        self._limits.set_port(port)
        if before is None or before.segment != port.segment:
            self._transitions.outputs += self._data_snooping.start(now, port.index)
            self._claim_handler.probe_departed(now, port)
        elif before.name != port.name:
            self._merge_counters(before)
            self._reauthorize(now, self._bindings.on_port(port.index))
        return self._drain_outputs()

    def port_gone(self, now: float, index: int) -> list[Output]:
        """A port is gone: so are, in the same turn, the routes of all its bindings."""
        self._remove_port(now, index, Reason.PORT_GONE)
        return self._drain_outputs()

    def local_addresses_changed(self, now: float, node: LocalAddresses) -> list[Output]:
        """The node's own addresses changed; what a guest may not have any more is withdrawn."""
        # Every port that comes or goes changes the node's MACs, which no verdict on a binding depends on.
        same = replace(node, macs=self._authorization.node.macs) == self._authorization.node
        self._authorization.node = node
        if not same:
            self._reauthorize(now, self._bindings)
        return self._drain_outputs()

    def set_allowlist(self, now: float, allowlist: Allowlist | None) -> list[Output]:
        """Another allowlist is the law now; what it does not permit is withdrawn."""
        self._authorization.allowlist = allowlist
        self._reauthorize(now, self._bindings)
        for port in self._ports.values():
            self._transitions.outputs += self._discovery.start(now, port, None)
        return self._drain_outputs()

    def adopt(
        self,
        now: float,
        key: Key,
        mac: MAC | None,
        device: int,
        heard_on: int | None = None,
        metric: int | None = None,
    ) -> list[Output]:
        """The kernel held this when rdnbr started; without a MAC where the route had lost its neighbour.

        `metric` is its route's, which stays if it is one that this node would give.

        `heard_on` is the ifindex of the port on which the bridge last heard the MAC. Any guest of the bridge can have
        made it say so, by one frame with that source before the start. So it decides where the first question goes,
        which spares hundreds of other ports a copy, and nothing else: the port stays unknown until the guest is heard,
        and the further questions go to all ports. Whoever forged it delays the true owner's answer by one question.
        """
        segment = self._segments.get(device)
        if segment is None or segment.table != key.table or self._bindings.get(key) is not None:
            return []
        anchor = Anchor(None, mac or ZERO_MAC)
        verdict = self._authorization.authorize(key.address, anchor, device)
        found = Binding(key, device, anchor, Source.ADOPTED, verdict.rule, now, now)
        port = self._ports.get(heard_on or 0)
        if port is not None and port.segment == device:
            there = self._authorization.authorize(key.address, Anchor(port.index, anchor.mac), device)
            found.fdb_port = port.index if there.permitted else None
        if verdict.reason is not None:
            self._transitions.outputs.append(DesiredHost(key, None))
            self._transitions.emit_decision(now, found, Verb.WITHDRAWN, verdict.reason, None)
            return self._drain_outputs()
        self._transitions.metrics.adopt_metric(now, found, metric)
        self._transitions.apply(now, found, BindingEvent.FOUND, fresh=True)
        return self._drain_outputs()

    def probe_remnant(
        self, now: float, key: Key, mac: MAC, device: int, heard_on: int | None
    ) -> list[Output]:
        """The kernel held a neighbour of this at the start, and no route: its guest is asked where it was heard."""
        port = self._ports.get(heard_on or 0)
        if port is not None and port.segment == device and self._segments[device].table == key.table:
            self._claim_handler.probe_remnant(now, port, key, Anchor(port.index, mac))
        return self._drain_outputs()

    def flush(self, now: float, address: IP | None = None) -> list[Output]:
        """Withdraw and forget one address, or all."""
        for binding in self._bindings:
            if address is None or binding.key.address == address:
                verb = Verb.WITHDRAWN if binding.state in WITH_ROUTE else Verb.EXPIRED
                self._transitions.forget(now, binding, verb, Reason.FLUSHED)
        return self._drain_outputs()

    def probe(self, now: float, address: IP) -> list[Output]:
        """Ask a quiet binding now; the others are being asked already."""
        for binding in self._bindings:
            if binding.key.address == address and binding.state is State.VALID:
                self._transitions.apply(now, binding, BindingEvent.DUE)
        return self._drain_outputs()

    def kernel_refused(self, now: float, key: Key, reason: Reason) -> list[Output]:
        """The kernel does not take the host of this key."""
        binding = self._bindings.get(key)
        if binding is not None and binding.state in WITH_ROUTE and binding.refused is not reason:
            binding.refused = reason
            self._transitions.emit_decision(now, binding, Verb.REFUSED, reason, binding.state)
        return self._drain_outputs()

    def kernel_accepted(self, now: float, key: Key) -> list[Output]:
        """The kernel holds the host of this key now, which it had refused."""
        binding = self._bindings.get(key)
        if binding is not None and binding.refused is not None:
            reason, binding.refused = binding.refused, None
            self._transitions.emit_decision(now, binding, Verb.INSTALLED, reason, binding.state)
        return self._drain_outputs()

    def handle_frame(
        self, now: float, port: int, data: bytes, vlan: int | None = None, length: int | None = None
    ) -> list[Output]:
        """A frame arrived on a port.

        Args:
            now: when it arrived.
            port: ifindex of the port.
            data: the frame from its Ethernet header on, perhaps cut short.
            vlan: VID of the tag the kernel took off; None for none, and for a priority tag.
            length: bytes on the wire, where more than `data` has.
        """
        found = self._ports.get(port)
        if found is None:
            self._claim_handler.refuse(now, None, Reason.UNKNOWN_PORT)
            self.counters[GONE, Reason.UNKNOWN_PORT] += 1
            return self._drain_outputs()
        claim = decode(data, vlan, length)
        if isinstance(claim, Claim):
            self.claims += 1
        elif claim in _PACKETS:
            claim = self._snoop_source(port, data) or claim
        if isinstance(claim, Claim):
            reason = self._claim_handler.handle_claim(now, found, claim)
        else:
            reason = self._claim_handler.refuse(now, found, claim)
        self.counters[found.name, reason] += 1
        return self._drain_outputs()

    def expire_timers(self, now: float, *, unread: bool = False) -> list[Output]:
        """Judge the deadlines that are due; call it when all that has arrived was handled.

        With `unread` it was not all: then nobody is taken to be silent, but asked again.
        """
        self._transitions.expire(now, unread=unread)
        self._transitions.review_metrics(now)
        for timed in self._timed:
            self._transitions.outputs += timed.expire(now)
        return self._drain_outputs()

    def next_deadline(self) -> float | None:
        """Tell when `tick` is wanted next."""
        deadlines = (
            self._transitions.timers.next_deadline(),
            self._transitions.metrics.next_deadline(),
            *(timed.next_deadline() for timed in self._timed),
        )
        return min((at for at in deadlines if at is not None), default=None)

    def snapshot(self) -> list[BindingSnapshot]:
        """Show all bindings, in the order they were first learned."""
        return [view(binding, self._segments, self._ports) for binding in self._bindings]

    def snapshot_address(self, address: IP) -> list[BindingSnapshot]:
        """Show the bindings of one address, in whatever table."""
        keys = {Key(segment.table, address) for segment in self._segments.values()}
        found = (self._bindings.get(key) for key in sorted(keys))
        return [view(binding, self._segments, self._ports) for binding in found if binding is not None]

    def explain(self, now: float, address: IP) -> Explanation:
        """Tell all there is to say of one address, which changes nothing."""
        return standing(
            now, address, self._authorization, self._transitions, self._limits, self._segments, self._ports
        )

    def _drain_outputs(self) -> list[Output]:
        outputs, self._transitions.outputs = self._transitions.outputs, []
        return outputs

    def _snoop_source(self, port: int, frame: bytes) -> Claim | None:
        """Return what a packet hints at, the first time that it does."""
        if not self._data_snooping.is_active(port):
            return None
        claim = hint(frame)
        if claim is None or claim.address is None:
            return None
        first = self._data_snooping.record_source(port, claim.address)
        self._transitions.outputs += first
        return claim if first else None

    def _remove_port(self, now: float, index: int, reason: Reason) -> None:
        port = self._ports.get(index)
        if port is None:
            return
        for binding in self._bindings.on_port(index):
            self._transitions.depart(now, binding, reason)
        del self._ports[index]
        self._limits.remove_port(index)
        self._gateway_announcer.port_gone(index)
        self._discovery.port_gone(index)
        self._data_snooping.port_gone(index)
        self._transitions.timers.port_gone(index)
        self._conflicts.port_gone(now, port)
        self._merge_counters(port)

    def _merge_counters(self, port: Port) -> None:
        for name, why in [key for key in self.counters if key[0] == port.name]:
            self.counters[GONE, why] += self.counters.pop((name, why))

    def _reauthorize(self, now: float, bindings: Iterable[Binding]) -> None:
        """Withdraw what the law permits no more. The departed are judged when somebody arrives with them."""
        bindings = list(bindings)
        self._transitions.metrics.schedule_review(
            now, bindings
        )  # another rule may, or may no more, say `anycast`
        for binding in bindings:
            if binding.state is State.DEPARTED:
                continue
            verdict = self._authorization.authorize(binding.key.address, binding.anchor, binding.segment)
            if verdict.permitted:
                binding.rule = verdict.rule
                continue
            binding.rule = verdict.rule
            routed = binding.state in WITH_ROUTE
            self._transitions.forget(
                now, binding, Verb.WITHDRAWN if routed else Verb.EXPIRED, Reason.NO_LONGER_PERMITTED
            )
