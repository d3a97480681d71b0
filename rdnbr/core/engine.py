"""The engine: events with a time in them go in; decisions, questions and wishes come out.

It has no clock and does no input or output, so that the daemon and `replay` can drive the very same one. Every
method that takes an event returns what came of it, in order. Times are seconds, from whatever clock the caller
uses, and never go back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rdnbr.core.address import IP, MAC, ZERO_MAC
from rdnbr.core.allowlist import Allowlist
from rdnbr.core.binding import Anchor, Binding
from rdnbr.core.claim import Claim, Source
from rdnbr.core.contest import Contests
from rdnbr.core.court import Court
from rdnbr.core.decision import Output, State, Verb, Want
from rdnbr.core.frame import decode
from rdnbr.core.gateway import Defence
from rdnbr.core.hints import Hints
from rdnbr.core.inquiries import Inquiries
from rdnbr.core.law import Law
from rdnbr.core.lifecycle import Lifecycle
from rdnbr.core.limits import PortLimits
from rdnbr.core.machine import WITH_ROUTE, Stimulus
from rdnbr.core.node import Node
from rdnbr.core.packet import hint
from rdnbr.core.plan import Key
from rdnbr.core.reason import Reason
from rdnbr.core.settings import Settings
from rdnbr.core.standing import Standing, standing
from rdnbr.core.topology import Port, Segment
from rdnbr.core.view import GONE, View, view
from rdnbr.core.welcome import Welcome

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
        self._law = Law(allowlist, self._segments, self._ports)
        self._life = Lifecycle(settings, self._segments, self._ports)
        self._contests = Contests(settings, self._life)
        self._limits = PortLimits(settings, self._life.bindings)
        self._defence = Defence(self._segments, self._ports)
        self._welcome = Welcome(self._segments, self._ports, self._limits)
        self._inquiries = Inquiries(
            settings,
            self._segments,
            self._ports,
            self._law,
            self._limits,
            self._life.bindings,
            self._life.quarantine,
        )
        self._hints = Hints(settings)
        self._court = Court(
            self._life,
            self._contests,
            self._law,
            self._limits,
            self._segments,
            self._defence,
            self._welcome,
            self._inquiries,
            self._hints,
        )
        self._timed = (self._defence, self._welcome, self._inquiries, self._hints)
        self._bindings = self._life.bindings

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
        return self._law.allowlist is None

    @property
    def allowlist(self) -> Allowlist | None:
        """The allowlist in force; None in open mode."""
        return self._law.allowlist

    def configure(self, now: float, settings: Settings) -> None:
        """Other settings count from the next question on."""
        self._life.configure(now, settings)
        self._contests.configure(settings)
        self._limits.configure(settings, self._ports.values())
        self._inquiries.configure(settings)
        self._hints.configure(settings)

    def set_clock(self, now: float, wall: float) -> None:
        """At `now` it is `wall` seconds since 1970. Nothing but the stamps of newest-wins depends on it."""
        self._life.metrics.set_clock(now, wall)

    def segment_up(self, segment: Segment) -> list[Output]:
        """A segment appeared or changed."""
        before = self._segments.get(segment.index)
        self._segments[segment.index] = segment
        if before is not None and before.mac != segment.mac:
            self._welcome.tell_all(segment.index)
        return []

    def segment_gone(self, now: float, index: int) -> list[Output]:
        """A segment is gone, and its ports with it."""
        for port in [port for port in self._ports.values() if port.segment == index]:
            self._lose_port(now, port.index, Reason.SEGMENT_GONE)
        for binding in self._bindings.on_port(None):
            if binding.segment == index:
                self._life.depart(now, binding, Reason.SEGMENT_GONE)
        self._segments.pop(index, None)
        self._defence.forget(index)
        return self._take()

    def port_up(self, now: float, port: Port) -> list[Output]:
        """A port appeared or changed; on another segment than before it is another port."""
        before = self._ports.get(port.index)
        if before is not None and before.segment != port.segment:
            self._lose_port(now, port.index, Reason.PORT_GONE)
        self._ports[port.index] = port
        self._limits.open(port)
        if before is None or before.segment != port.segment:
            self._life.outputs += self._hints.open(now, port.index)
            self._court.look_for(now, port)
        elif before.name != port.name:
            self._close_counters(before)
            self._judge_again(now, self._bindings.on_port(port.index))
        return self._take()

    def port_gone(self, now: float, index: int) -> list[Output]:
        """A port is gone: so are, in the same turn, the routes of all its bindings."""
        self._lose_port(now, index, Reason.PORT_GONE)
        return self._take()

    def node_changed(self, now: float, node: Node) -> list[Output]:
        """The node's own addresses changed; what a guest may not have any more is withdrawn."""
        # Every port that comes or goes changes the node's MACs, which no verdict on a binding depends on.
        same = replace(node, macs=self._law.node.macs) == self._law.node
        self._law.node = node
        if not same:
            self._judge_again(now, self._bindings)
        return self._take()

    def allow(self, now: float, allowlist: Allowlist | None) -> list[Output]:
        """Another allowlist is the law now; what it does not permit is withdrawn."""
        self._law.allowlist = allowlist
        self._judge_again(now, self._bindings)
        for port in self._ports.values():
            self._life.outputs += self._inquiries.look_for(now, port, None)
        return self._take()

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
        verdict = self._law.verdict(key.address, anchor, device)
        found = Binding(key, device, anchor, Source.ADOPTED, verdict.rule, now, now)
        port = self._ports.get(heard_on or 0)
        if port is not None and port.segment == device:
            there = self._law.verdict(key.address, Anchor(port.index, anchor.mac), device)
            found.heard_on = port.index if there.permitted else None
        if verdict.reason is not None:
            self._life.outputs.append(Want(key, None))
            self._life.tell(now, found, Verb.WITHDRAWN, verdict.reason, None)
            return self._take()
        self._life.metrics.found(now, found, metric)
        self._life.turn(now, found, Stimulus.FOUND, fresh=True)
        return self._take()

    def recall(self, now: float, key: Key, mac: MAC, device: int, heard_on: int | None) -> list[Output]:
        """The kernel held a neighbour of this at the start, and no route: its guest is asked where it was heard."""
        port = self._ports.get(heard_on or 0)
        if port is not None and port.segment == device and self._segments[device].table == key.table:
            self._court.recall(now, port, key, Anchor(port.index, mac))
        return self._take()

    def flush(self, now: float, address: IP | None = None) -> list[Output]:
        """Withdraw and forget one address, or all."""
        for binding in self._bindings:
            if address is None or binding.key.address == address:
                verb = Verb.WITHDRAWN if binding.state in WITH_ROUTE else Verb.EXPIRED
                self._life.forget(now, binding, verb, Reason.FLUSHED)
        return self._take()

    def probe(self, now: float, address: IP) -> list[Output]:
        """Ask a quiet binding now; the others are being asked already."""
        for binding in self._bindings:
            if binding.key.address == address and binding.state is State.VALID:
                self._life.turn(now, binding, Stimulus.DUE)
        return self._take()

    def kernel_refused(self, now: float, key: Key, reason: Reason) -> list[Output]:
        """The kernel does not take the host of this key."""
        binding = self._bindings.get(key)
        if binding is not None and binding.state in WITH_ROUTE and binding.refused is not reason:
            binding.refused = reason
            self._life.tell(now, binding, Verb.REFUSED, reason, binding.state)
        return self._take()

    def kernel_accepted(self, now: float, key: Key) -> list[Output]:
        """The kernel holds the host of this key now, which it had refused."""
        binding = self._bindings.get(key)
        if binding is not None and binding.refused is not None:
            reason, binding.refused = binding.refused, None
            self._life.tell(now, binding, Verb.INSTALLED, reason, binding.state)
        return self._take()

    def frame(
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
            self._court.turn_down(now, None, Reason.UNKNOWN_PORT)
            self.counters[GONE, Reason.UNKNOWN_PORT] += 1
            return self._take()
        claim = decode(data, vlan, length)
        if isinstance(claim, Claim):
            self.claims += 1
        elif claim in _PACKETS:
            claim = self._hint(port, data) or claim
        if isinstance(claim, Claim):
            reason = self._court.hear(now, found, claim)
        else:
            reason = self._court.turn_down(now, found, claim)
        self.counters[found.name, reason] += 1
        return self._take()

    def tick(self, now: float, *, unread: bool = False) -> list[Output]:
        """Judge the deadlines that are due; call it when all that has arrived was handled.

        With `unread` it was not all: then nobody is taken to be silent, but asked again.
        """
        self._life.judge(now, unread=unread)
        self._life.review(now)
        for timed in self._timed:
            self._life.outputs += timed.judge(now)
        return self._take()

    def deadline(self) -> float | None:
        """Tell when `tick` is wanted next."""
        deadlines = (
            self._life.agenda.deadline(),
            self._life.metrics.deadline(),
            *(timed.deadline() for timed in self._timed),
        )
        return min((at for at in deadlines if at is not None), default=None)

    def bindings(self) -> list[View]:
        """Show all bindings, in the order they were first learned."""
        return [view(binding, self._segments, self._ports) for binding in self._bindings]

    def find(self, address: IP) -> list[View]:
        """Show the bindings of one address, in whatever table."""
        keys = {Key(segment.table, address) for segment in self._segments.values()}
        found = (self._bindings.get(key) for key in sorted(keys))
        return [view(binding, self._segments, self._ports) for binding in found if binding is not None]

    def explain(self, now: float, address: IP) -> Standing:
        """Tell all there is to say of one address, which changes nothing."""
        return standing(now, address, self._law, self._life, self._limits, self._segments, self._ports)

    def _take(self) -> list[Output]:
        outputs, self._life.outputs = self._life.outputs, []
        return outputs

    def _hint(self, port: int, frame: bytes) -> Claim | None:
        """Return what a packet hints at, the first time that it does."""
        if not self._hints.is_open(port):
            return None
        claim = hint(frame)
        if claim is None or claim.address is None:
            return None
        first = self._hints.take(port, claim.address)
        self._life.outputs += first
        return claim if first else None

    def _lose_port(self, now: float, index: int, reason: Reason) -> None:
        port = self._ports.get(index)
        if port is None:
            return
        for binding in self._bindings.on_port(index):
            self._life.depart(now, binding, reason)
        del self._ports[index]
        self._limits.close(index)
        self._welcome.close(index)
        self._inquiries.close(index)
        self._hints.close(index)
        self._life.agenda.close(index)
        self._contests.close(now, port)
        self._close_counters(port)

    def _close_counters(self, port: Port) -> None:
        for name, why in [key for key in self.counters if key[0] == port.name]:
            self.counters[GONE, why] += self.counters.pop((name, why))

    def _judge_again(self, now: float, bindings: Iterable[Binding]) -> None:
        """Withdraw what the law permits no more. The departed are judged when somebody arrives with them."""
        bindings = list(bindings)
        self._life.metrics.review(now, bindings)  # another rule may, or may no more, say `anycast`
        for binding in bindings:
            if binding.state is State.DEPARTED:
                continue
            verdict = self._law.verdict(binding.key.address, binding.anchor, binding.segment)
            if verdict.permitted:
                binding.rule = verdict.rule
                continue
            binding.rule = verdict.rule
            routed = binding.state in WITH_ROUTE
            self._life.forget(
                now, binding, Verb.WITHDRAWN if routed else Verb.EXPIRED, Reason.NO_LONGER_PERMITTED
            )
