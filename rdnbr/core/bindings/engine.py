"""The engine: events with a time in them go in; decisions, probes and desired hosts come out.

The engine has no clock and does no input or output, so that the daemon and `replay` drive the very same one. Every
method that takes an event returns the outputs of that event, in order. Times are seconds, on whatever clock the caller
uses, and never go back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rdnbr.core.bindings.engine_parts import make_parts
from rdnbr.core.bindings.frame_counters import FrameCounters
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.engine_outputs import Output, Probe
from rdnbr.core.model.explanation import Explanation
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.question import Question
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.core.model.snapshot import GONE, BindingSnapshot, binding_snapshot, segment_name
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.local_addresses import LocalAddresses
from rdnbr.core.primitives.timer_queue import earliest
from rdnbr.core.wire.decode import decode

_IP_PACKETS = frozenset({Reason.NOT_ARP_OR_NDP, Reason.NOT_NDP})
"""The reasons of IP packets, except for those that data snooping looks at."""


class Engine:
    """Decides which address is at which anchor."""

    def __init__(self, settings: Settings, allowlist: Allowlist | None) -> None:
        self.counters = FrameCounters()
        self.claims = 0
        """Frames that were valid claims, whatever was decided of them."""
        self._outputs: list[Output] = []
        """Outputs of the present event."""
        self._segments: dict[int, Segment] = {}
        self._ports: dict[int, Port] = {}
        parts = make_parts(settings, allowlist, self._segments, self._ports, self._outputs.append)
        self._table = parts.table
        self._policy = parts.policy
        self._departed = parts.departed
        self._unproved = parts.unproved
        self._damping = parts.damping
        self._damped_ports = parts.damped_ports
        self._transitions = parts.transitions
        self._conflicts = parts.conflicts
        self._services = parts.services
        self._signs_of_life = parts.signs_of_life
        self._claim_handler = parts.claim_handler
        self._arrivals = parts.arrivals
        self._adopter = parts.adopter
        self._flush = parts.flush
        self._questions = parts.questions
        self._explanations = parts.explanations
        self._expiry = parts.expiry
        self._operator_probes = parts.operator_probes
        self._covering = parts.covering
        self._reauthorization = parts.reauthorization

    @property
    def segments(self) -> Mapping[int, Segment]:
        """The segments served, by ifindex."""
        return self._segments

    @property
    def ports(self) -> Mapping[int, Port]:
        """The ports listened on, by ifindex."""
        return self._ports

    @property
    def allowlist(self) -> Allowlist | None:
        """The allowlist in force; None in open mode."""
        return self._policy.authorization.allowlist

    @property
    def open_mode(self) -> bool:
        """Whether there is no allowlist."""
        return self.allowlist is None

    @property
    def reauthorizing(self) -> bool:
        """Whether bindings are left that the latest allowlist, or change of the node's addresses, has not reached."""
        return not self._reauthorization.is_over

    @property
    def flushing(self) -> bool:
        """Whether bindings are left that a flush of all bindings has not reached."""
        return not self._flush.is_over

    @property
    def count(self) -> int:
        """The number of bindings, DEPARTED ones too."""
        return len(self._table)

    def count_on_port(self, port: int) -> int:
        """Return how many addresses are bound on a port (ifindex)."""
        return sum(self._table.count_on_port(port, size) for size in (4, 16))

    def configure(self, now: float, settings: Settings) -> None:
        """Use other settings from the next probe on."""
        self._transitions.metrics.configure(now, settings)
        self._transitions.timers.configure(settings)
        self._conflicts.configure(settings)
        self._policy.limits.configure(settings, self._ports.values())
        self._services.configure(settings)

    def set_clock(self, now: float, wall: float) -> None:
        """Set the wall time at `now`, in seconds since 1970. Only the stamps of newest-wins depend on it."""
        self._transitions.metrics.set_clock(now, wall)

    def segment_changed(self, now: float, segment: Segment) -> list[Output]:
        """Handle a segment that appeared or changed. A gateway address that is back ends the wait of its probes."""
        before = self._segments.get(segment.index)
        self._segments[segment.index] = segment
        self._services.segment_changed(before, segment)
        self._transitions.timers.segment_changed(now, before, segment)
        return self.drain_outputs()

    def segment_gone(self, now: float, index: int) -> list[Output]:
        """Handle a segment that is gone, and its ports with it."""
        for port in [port for port in self._ports.values() if port.segment == index]:
            self._remove_port(now, port.index, BindingEvent.SEGMENT_GONE)
        for binding in self._table.on_port(None):
            if binding.segment == index:
                self._transitions.apply(now, binding, BindingEvent.SEGMENT_GONE)
        self._segments.pop(index, None)
        self._services.segment_gone(index)
        return self.drain_outputs()

    def port_changed(self, now: float, port: Port) -> list[Output]:
        """Handle a port that appeared or changed; a port that moved to another segment is another port."""
        before = self._ports.get(port.index)
        if before is not None and before.segment != port.segment:
            self._remove_port(now, port.index, BindingEvent.PORT_GONE)
            before = None
        self._ports[port.index] = port
        self._policy.limits.set_port(port)
        if before is None:
            self._services.port_up(now, port.index)
            self._arrivals.probe_departed(now, port)
        elif before.name != port.name:
            self.counters.port_gone(before.name)
            self._claim_handler.answers.port_renamed(port)
            self._reauthorization.authorize(now, self._table.on_port(port.index))
            self._damped_ports.review(now, port.index)
        return self.drain_outputs()

    def port_gone(self, now: float, index: int, *, segment_gone: bool = False) -> list[Output]:
        """Handle a port that is gone, perhaps with its segment: the routes of all its bindings go with this event."""
        event = BindingEvent.SEGMENT_GONE if segment_gone else BindingEvent.PORT_GONE
        self._remove_port(now, index, event)
        return self.drain_outputs()

    def local_addresses_changed(self, now: float, local_addresses: LocalAddresses) -> list[Output]:
        """Handle a change of the node's own addresses; bindings that are not permitted any more are withdrawn.

        A binding whose address a connected prefix contains now keeps its route.
        """
        # Every port that comes or goes changes the node's MACs, and no verdict on a binding depends on those.
        before = self._policy.authorization.local_addresses
        self._policy.authorization.local_addresses = local_addresses
        if replace(local_addresses, macs=before.macs) != before:
            self._covering.local_addresses_changed()
            self._reauthorization.start(now, discover=before.have_more_than(local_addresses))
        return self.drain_outputs()

    def set_allowlist(self, now: float, allowlist: Allowlist | None) -> list[Output]:
        """Put another allowlist into force; bindings that it does not permit are withdrawn.

        New claims are authorized by the new allowlist at once. Where there are many bindings, `expire_timers` goes on
        with them while `reauthorizing` is true.
        """
        self._policy.authorization.allowlist = allowlist
        self._reauthorization.start(now, discover=True)
        return self.drain_outputs()

    def remember_fdb(self, fdb_ports: Mapping[tuple[int, MAC], int]) -> None:
        """Remember which guests were there when rdnbr started, as some adopted routes have lost their neighbours.

        Args:
            fdb_ports: the port (ifindex) of each bridge (ifindex) and MAC in the bridges' forwarding databases.
        """
        self._claim_handler.answers.remember_fdb(fdb_ports)

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
    ) -> list[Output]:
        """Adopt a host that the kernel held when rdnbr started (`Adopter.adopt` has the arguments)."""
        self._adopter.adopt(now, key, mac, device, fdb_port, metric, earlier, pinned_port)
        return self.drain_outputs()

    def probe_orphaned_neighbour(
        self, now: float, key: Key, mac: MAC, device: int, fdb_port: int | None
    ) -> list[Output]:
        """Probe a guest of which the kernel held a neighbour and no route at the start, on the port where it is."""
        self._adopter.probe_orphaned_neighbour(now, key, mac, device, fdb_port)
        return self.drain_outputs()

    def find_guest(
        self, now: float, segment: int, port: int | None, mac: MAC, addresses: Iterable[IP]
    ) -> list[Output]:
        """Look for a guest that was on a segment before the segment was served (`SignsOfLife.find_guest`)."""
        self._signs_of_life.find_guest(now, segment, port, mac, addresses)
        return self.drain_outputs()

    def query_listeners(self, segment: int) -> None:
        """Have all guests of a segment that was not served before show that they are there."""
        self._services.query_listeners(segment)

    def flush(self, now: float, address: IP | None = None) -> list[Output]:
        """Withdraw and forget the bindings of one address, or all bindings; a guest that is there is found again.

        Where there are many bindings, `expire_timers` goes on with them while `flushing` is true.
        """
        self._flush.flush(now, address)
        return self.drain_outputs()

    def flush_port(self, now: float, name: str) -> list[Output]:
        """Withdraw and forget the bindings on the port with this name."""
        self._flush.flush_port(now, name)
        return self.drain_outputs()

    def damped_until(self, port: str) -> float | None:
        """Return until when the routes of a port are held back, since the port flaps; None if they are not."""
        return self._damping.damped_until(port)

    def probe(self, now: float, address: IP) -> list[Output]:
        """Probe an address now, known or not; `searched_ports` says where it is searched for."""
        bindings = self._table.of_address(address)
        for binding in bindings:
            self._damped_ports.release_port_of(now, binding)
        self._operator_probes.probe(now, address, bindings)
        return self.drain_outputs()

    def searched_ports(self, address: IP) -> list[str]:
        """Return the names of the ports on which an address is searched for that nobody has claimed."""
        return [self._ports[index].name for index in self._services.searched_ports(address)]

    def probe_unsent(self, now: float, probe: Probe) -> None:
        """Handle that a probe could not be sent on its port: it was no probe."""
        port = self._ports.get(probe.port)
        if port is not None:
            key = Key(self._segments[port.segment].table, probe.address)
            self._transitions.probe_unsent(now, key, Anchor(probe.port, probe.mac))

    def kernel_refused(self, now: float, key: Key, reason: Reason) -> list[Output]:
        """Handle that the kernel does not accept the host of a key."""
        self._transitions.kernel_refused(now, key, reason)
        return self.drain_outputs()

    def kernel_accepted(self, now: float, key: Key) -> list[Output]:
        """Handle that the kernel holds the host of a key now, which it had refused."""
        self._transitions.kernel_accepted(now, key)
        return self.drain_outputs()

    def handle_frame(
        self, now: float, port: int, data: bytes, vlan: int | None = None, length: int | None = None
    ) -> list[Output]:
        """Handle a frame that arrived on a port.

        Args:
            now: when it arrived.
            port: ifindex of the port.
            data: the frame from its Ethernet header on; it may be cut short.
            vlan: VID of the tag that the kernel removed; None for an untagged and for a priority-tagged frame.
            length: bytes on the wire, where that is more than `data` has.
        """
        at = self._ports.get(port)
        if at is None:
            self._claim_handler.refuse(now, None, Reason.UNKNOWN_PORT)
            self.counters.count(GONE, Reason.UNKNOWN_PORT)
            return self.drain_outputs()
        claim = decode(data, vlan, length)
        if isinstance(claim, Claim):
            self.claims += claim.source is not Source.PRESENCE
            if data[0] & 1:
                self._questions.note(now, port, claim, self._segments[at.segment])
        elif claim in _IP_PACKETS:
            claim = self._services.snoop_source(now, port, data) or claim
        if isinstance(claim, Claim):
            reason = self._claim_handler.handle_claim(now, at, claim)
        else:
            reason = self._claim_handler.refuse(now, at, claim)
        self.counters.count(at.name, reason)
        return self.drain_outputs()

    def handle_slice(self, now: float) -> list[Output]:
        """Go on while `flushing` or `reauthorizing`, without handling any timer."""
        self._handle_slice(now)
        return self.drain_outputs()

    def expire_timers(self, now: float, *, unread: bool = False) -> list[Output]:
        """Handle the timers that are due; to be called after everything that has arrived was handled.

        With `unread` frames are left: then no binding counts as silent, and its probes start again.
        """
        self._handle_slice(now)
        self._claim_handler.settle_answers(now)
        self._unproved.expire_timers(now, unread=unread)
        self._expiry.expire_timers(now, unread=unread)
        self._damped_ports.expire_timers(now)
        self._transitions.review_metrics(now)
        self._services.expire_timers(now)
        return self.drain_outputs()

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: nothing is waiting."""
        return earliest(
            self._transitions.timers.next_deadline(),
            self._transitions.metrics.next_deadline(),
            self._unproved.next_deadline(),
            self._damping.next_deadline(),
            self._services.next_deadline(),
            self._claim_handler.answers.next_deadline(),
            self._reauthorization.next_deadline(),
            self._flush.next_deadline(),
        )

    def snapshot(self) -> list[BindingSnapshot]:
        """Return all bindings, in the order in which they were first learned."""
        return [binding_snapshot(binding, self._segments, self._ports) for binding in self._table]

    def keys(self) -> list[Key]:
        """Return the keys of all bindings."""
        return [binding.key for binding in self._table]

    def snapshot_key(self, key: Key) -> BindingSnapshot | None:
        """Return the binding of a key, or None."""
        binding = self._table.get(key)
        return None if binding is None else binding_snapshot(binding, self._segments, self._ports)

    def place_and_state(self, key: Key) -> tuple[str, State] | None:
        """Return the name of the segment and the state of the binding of a key, or None."""
        binding = self._table.get(key)
        return None if binding is None else (segment_name(binding, self._segments), binding.state)

    def snapshot_address(self, address: IP) -> list[BindingSnapshot]:
        """Return the bindings of one address, the oldest first."""
        found = self._table.of_address(address)
        return [binding_snapshot(binding, self._segments, self._ports) for binding in found]

    def builtin_refusal(self, address: IP) -> Reason | None:
        """Return why no guest may have an address, whatever the allowlist says, or None."""
        return self._policy.authorization.builtin_refusal(address)

    def explain(self, now: float, address: IP) -> Explanation:
        """Return all that is known of one address; nothing is changed."""
        return self._explanations.build(now, address)

    def unanswered_questions(self, now: float, port: int) -> list[Question]:
        """Return what guests on a port (ifindex) ask for, while nobody on its bridge has it."""
        return list(self._questions.of_port(now, self._ports[port]))

    def drain_outputs(self) -> list[Output]:
        """Return the outputs that no event has returned: those of an event that ended in an exception."""
        outputs = self._outputs[:]
        self._outputs.clear()
        return outputs

    def _handle_slice(self, now: float) -> None:
        if self.flushing:
            self._flush.handle_slice(now)
        elif self.reauthorizing:
            self._reauthorization.handle_slice(now)

    def _remove_port(self, now: float, index: int, event: BindingEvent) -> None:
        port = self._ports.get(index)
        if port is None:
            return
        if event is BindingEvent.PORT_GONE:
            self._damped_ports.record_loss(now, port)
        for binding in self._table.on_port(index):
            self._transitions.apply(now, binding, event)
        self._departed.port_gone(now, index)
        del self._ports[index]
        self._policy.limits.remove_port(index)
        self._services.port_gone(index)
        self._signs_of_life.port_gone(index)
        self._questions.port_gone(index)
        self._transitions.timers.port_gone(index)
        self._conflicts.port_gone(now, port)
        self._claim_handler.answers.port_gone(index)
        self.counters.port_gone(port.name)
