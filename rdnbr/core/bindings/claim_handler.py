"""Hears claims: whose they are, whether the law permits them, and what that means for the binding.

A claim of the incumbent is evidence, one of anybody else a contention, one to an address that nobody has makes a
binding. What each of these leads to is in `machine`.
"""

from collections.abc import Mapping

from rdnbr.core.bindings.conflict import Conflicts
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import ANNOUNCEMENTS, Claim, Proof, Source
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Decision, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.probing.data_snooping import DataSnooping
from rdnbr.core.probing.discovery import Discovery
from rdnbr.core.probing.gateway_announcer import GatewayAnnouncer
from rdnbr.core.probing.gateway_defence import GatewayDefence
from rdnbr.core.wire.probe_frames import is_answer

IGNORED = frozenset(
    {
        Reason.OUTGOING,
        Reason.NOT_ARP_OR_NDP,
        Reason.TAGGED,
        Reason.ARP_OPERATION,
        Reason.LINK_LOCAL,
        Reason.NOT_NDP,
        Reason.UNKNOWN_PORT,
        Reason.UNKNOWN_MAC,
        Reason.LOOPED_BACK,
        Reason.NO_HINT,
    }
)
"""Reasons that find no fault with the sender."""

DEFENCE = 2.0
"""Seconds in which an unsolicited NA after another's DAD is the answer to that, and tells of no arrival. Such answers
go to all nodes, for who does DAD has no address yet (RFC 4861 §7.2.4). Linux takes less than a millisecond."""


class ClaimHandler:
    """Decides what a valid frame means."""

    def __init__(
        self,
        life: Transitions,
        contests: Conflicts,
        law: Authorization,
        limits: PortLimits,
        segments: Mapping[int, Segment],
        defence: GatewayDefence,
        welcome: GatewayAnnouncer,
        inquiries: Discovery,
        hints: DataSnooping,
    ) -> None:
        self._transitions = life
        self._conflicts = contests
        self._authorization = law
        self._limits = limits
        self._segments = segments
        self._gateway_defence = defence
        self._gateway_announcer = welcome
        self._discovery = inquiries
        self._data_snooping = hints

    def handle_claim(self, now: float, port: Port, claim: Claim) -> Reason:
        """Hear one claim, and return the reason it is counted under."""
        if claim.source is Source.NS_DAD:
            self._note_foreign_dad(now, port, claim)
        if claim.ether in self._authorization.node.macs or claim.mac in self._authorization.node.macs:  # F6
            return self.refuse(now, port, Reason.OWN_MAC, claim)
        if claim.ether != claim.mac:  # A5, S4, V5
            check = self._limits.policy(port.index).mac_check
            if check == "strict":
                return self.refuse(now, port, Reason.MAC_MISMATCH, claim)
            if check == "log":
                self._emit_refusal(now, Verb.NOTED, port, Reason.MAC_MISMATCH, claim)
        reason = self._handle_address_claim(now, port, claim)
        if self._gateway_announcer.record_arrival(now, port.index, claim):
            self._transitions.outputs += self._gateway_announcer.announce_to(port, claim.mac)
            self._transitions.outputs += self._discovery.start(now, port, claim.mac)
        return reason

    def _handle_address_claim(self, now: float, port: Port, claim: Claim) -> Reason:
        anchor = Anchor(port.index, claim.mac)
        if claim.address is None:
            return self._handle_presence(now, port, anchor, claim)
        verdict = self._authorization.authorize(claim.address, anchor, port.segment)
        if verdict.reason is not None:
            if verdict.reason is Reason.OWN_ADDRESS:
                self._transitions.outputs += self._gateway_defence.defend(now, port.segment, claim.address)
            return self.refuse(now, port, verdict.reason, claim, verdict.rule)
        segment = self._segments[port.segment]
        key = Key(segment.table, claim.address)
        binding = self._transitions.bindings.get(key)
        if binding is None or binding.state is State.DEPARTED:
            return self._handle_new_claim(now, port, key, anchor, claim, verdict.rule)
        if claim.source is Source.DATA:
            # Anybody can write any source into a packet; who has the address is asked without that.
            return self.refuse(now, port, Reason.NO_HINT, claim, verdict.rule)
        placed = binding.anchor.port is not None or binding.segment == port.segment
        if placed and binding.anchor.may_be(anchor):
            return self._handle_incumbent_claim(now, port, binding, anchor, claim, verdict.rule)
        return self._handle_challenger_claim(now, port, binding, anchor, claim, verdict.rule)

    def probe_departed(self, now: float, port: Port) -> None:
        """A port is there: ask who was on it, or should be, for a guest that sees its link return need not speak.

        It may be on another bridge now, or on one of the same name that was made anew.
        """
        for binding in self._transitions.bindings.departed_on_port(port.index):
            if self._limits.is_exhausted(now, port.index):
                break
            if binding.key.table == self._segments[port.segment].table:
                self._handle_arrival(now, binding, binding.anchor, port, binding.source)
        self._transitions.outputs += self._discovery.start(now, port, None)

    def probe_remnant(self, now: float, port: Port, key: Key, anchor: Anchor) -> None:
        """Somebody may have had an address before rdnbr started: ask, and believe nothing until it answers."""
        verdict = self._authorization.authorize(key.address, anchor, port.segment)
        if self._transitions.bindings.get(key) is not None or not verdict.permitted:
            return
        if self._limits.take_claim(now, port.index, key.address) is None:
            binding = Binding(key, port.segment, anchor, Source.ADOPTED, verdict.rule, now, now)
            self._transitions.apply(now, binding, BindingEvent.ARRIVAL, fresh=True)

    def refuse(
        self,
        now: float,
        port: Port | None,
        reason: Reason,
        claim: Claim | None = None,
        rule: Rule | None = None,
    ) -> Reason:
        """Tell that a frame is refused, or ignored where that is no fault of its sender."""
        if claim is not None and claim.source is Source.DATA:
            reason = Reason.NO_HINT
        verb = Verb.IGNORED if reason in IGNORED else Verb.REFUSED
        self._emit_refusal(now, verb, port, reason, claim, rule)
        return reason

    def _emit_refusal(
        self,
        now: float,
        verb: Verb,
        port: Port | None,
        reason: Reason,
        claim: Claim | None,
        rule: Rule | None = None,
    ) -> None:
        self._transitions.outputs.append(
            Decision(
                now,
                verb,
                reason,
                claim.address if claim else None,
                claim.mac if claim else None,
                port.name if port else None,
                None,
                rule.where if rule else None,
            )
        )

    def _handle_new_claim(
        self, now: float, port: Port, key: Key, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        if self._transitions.quarantine.is_quarantined(now, key, anchor):
            return self.refuse(now, port, Reason.QUARANTINED, claim, rule)
        departed = self._transitions.bindings.get(key)
        if departed is not None and departed.port_inferred and departed.anchor.mac != anchor.mac:
            # The owner is being asked, and has as long to answer as if it were contested.
            return self.refuse(now, port, Reason.BEING_DECIDED, claim, rule)
        # What is remembered has its place in the table already.
        bound = self._limits.take_claim if departed is None else self._limits.take_challenge
        excess = bound(now, port.index, key.address)
        if excess is not None:
            return self.refuse(now, port, excess, claim, rule)
        if departed is None:
            binding = Binding(key, port.segment, anchor, claim.source, rule, now, now)
        else:
            binding = departed
            self._transitions.relocate(now, binding, anchor, port.segment)
            binding.source, binding.rule = claim.source, rule
        binding.nonce = claim.nonce
        came = self._transitions.apply(now, binding, self._event_of(claim), fresh=departed is None)
        self._probe_other_addresses(now, port, key, anchor, claim)
        self._transitions.outputs += self._discovery.start(now, port, claim.mac)
        return came.reason

    def _probe_other_addresses(self, now: float, port: Port, key: Key, anchor: Anchor, claim: Claim) -> None:
        if self._limits.is_exhausted(now, port.index):
            return
        for other in self._transitions.bindings.of_mac(claim.mac):
            # Both families of a guest move together, but only one of them may have spoken.
            if other.state is State.DEPARTED and other.key.table == key.table:
                self._handle_arrival(now, other, anchor, port, claim.source)
                if self._limits.is_exhausted(now, port.index):
                    return

    def _handle_incumbent_claim(
        self, now: float, port: Port, binding: Binding, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        answered = binding.probes_sent > 0 and is_answer(claim, self._segments[binding.segment])
        stimulus = BindingEvent.ANSWER if answered else self._event_of(claim)
        # Meaning to use an address is no evidence of where it is.
        if binding.anchor.port is None and stimulus is not BindingEvent.DAD:
            _, most = self._limits.usage(port.index, binding.key.address)
            if self._transitions.count_inferred(port.index, len(binding.key.address)) >= most:
                # No guest had more before the start; who speaks with everybody's MAC is not everybody.
                return self.refuse(now, port, Reason.PORT_FULL, claim, rule)
            self._transitions.set_adopted_anchor(binding, anchor)
        if binding.rule is not rule:
            binding.rule = rule
            self._transitions.metrics.schedule_review(now, [binding])
        if stimulus is BindingEvent.DAD:
            binding.nonce = claim.nonce
        else:
            self._transitions.record_evidence(now, binding, answered=answered)
        came = self._transitions.apply(now, binding, stimulus)
        if (
            claim.source in ANNOUNCEMENTS
            and not (claim.source is Source.NA_UNSOLICITED and now < binding.last_foreign_dad + DEFENCE)
            and anchor.port is not None
            and self._transitions.may_renew(now, binding)
            and self._limits.take_probe(now, anchor.port) is None  # each renewal makes BGP speak
        ):
            self._transitions.renew(now, binding)
        if binding.state is State.TENTATIVE:
            if stimulus is not BindingEvent.DAD:
                if binding.probes_sent == 0:
                    self._transitions.outputs += self._transitions.timers.restart_probes(
                        now, binding, after_dad=False
                    )
            elif binding.challenger is None:
                # With a rival there are questions under way, and whoever merely means to use it puts none of them off.
                self._transitions.outputs += self._transitions.timers.restart_probes(
                    now, binding, after_dad=True
                )
        return came.reason

    def _handle_challenger_claim(
        self, now: float, port: Port, binding: Binding, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        if self._conflicts.is_awaited(binding, anchor) and is_answer(claim, self._segments[port.segment]):
            full = self._limits.refuse_full(port.index, binding.key.address)
            if full is not None:
                return self.refuse(now, port, full, claim, rule)
            return self._conflicts.challenger_wins(now, binding, claim.source, rule).reason
        invited = self._transitions.timers.all_ports_probed(binding) and is_answer(
            claim, self._segments[port.segment]
        )
        if not invited and self._transitions.quarantine.is_quarantined(now, binding.key, anchor):
            return self.refuse(now, port, Reason.QUARANTINED, claim, rule)
        if not claim.override and binding.state in WITH_ROUTE:  # V3
            return self.refuse(now, port, Reason.NO_OVERRIDE, claim, rule)
        if claim.nonce and claim.nonce == binding.nonce:  # S3
            return self.refuse(now, port, Reason.LOOPED_BACK, claim, rule)
        excess = self._limits.take_challenge(now, port.index, binding.key.address)
        if excess is not None:
            return self.refuse(now, port, excess, claim, rule)
        if rule is not None and rule.vip and claim.source in ANNOUNCEMENTS and claim.override:
            came = self._conflicts.move_announced(now, binding, anchor, port.segment, claim.source, rule)
        else:
            came = self._conflicts.challenge(now, binding, anchor, port.segment)
        if came.verb is Verb.REFUSED:
            return self.refuse(now, port, came.reason, claim, rule)
        return came.reason

    def _note_foreign_dad(self, now: float, port: Port, claim: Claim) -> None:
        """Whoever has the address hears this too and will answer, be it permitted or not."""
        if claim.address is None:
            return
        binding = self._transitions.bindings.get(Key(self._segments[port.segment].table, claim.address))
        if (
            binding is not None
            and binding.segment == port.segment
            and not binding.anchor.may_be(Anchor(port.index, claim.mac))
        ):
            binding.last_foreign_dad = now

    def _handle_presence(self, now: float, port: Port, anchor: Anchor, claim: Claim) -> Reason:
        table = self._segments[port.segment].table
        # A MAC may be bound to thousands of addresses: what is beyond the pace is not even looked at.
        if self._limits.is_exhausted(now, port.index):
            return self.refuse(now, port, Reason.TOO_MANY_NEW, claim)
        self._transitions.outputs += self._data_snooping.start(now, port.index)
        meant = False
        for binding in self._transitions.bindings.of_mac(anchor.mac):
            if binding.key.table == table and self._handle_arrival(now, binding, anchor, port, claim.source):
                meant = True
            if self._limits.is_exhausted(now, port.index):
                break
        # The allowlist may have a thousand rules about this guest.
        if self._limits.take_discovery(now, port.index):
            self._transitions.outputs += self._discovery.start(now, port, claim.mac)
        meant |= self._discovery.is_probing(port.index, claim.mac)
        return Reason.ARRIVED if meant else self.refuse(now, port, Reason.UNKNOWN_MAC, claim)

    def _handle_arrival(
        self, now: float, binding: Binding, anchor: Anchor, port: Port, source: Source
    ) -> bool:
        """Take note that the MAC of a binding is on a port; tell whether that meant anything."""
        departed = binding.state is State.DEPARTED
        at_home = binding.anchor.may_be(anchor)
        # Each arrival makes us ask: who speaks of many MACs, or often of one, must not use up the pace of questions.
        if self._limits.take_probe(now, port.index) is not None:
            return False
        if (departed or not at_home) and self._limits.refuse_full(
            port.index, binding.key.address
        ) is not None:
            return False
        verdict = self._authorization.authorize(binding.key.address, anchor, port.segment)
        if not verdict.permitted or self._transitions.quarantine.is_quarantined(now, binding.key, anchor):
            return False
        if departed:
            self._transitions.relocate(now, binding, anchor, port.segment)
            binding.source, binding.rule = source, verdict.rule
        elif not at_home:
            return self._conflicts.challenge(now, binding, anchor, port.segment).verb is not Verb.REFUSED
        self._transitions.apply(now, binding, BindingEvent.ARRIVAL)
        if self._transitions.may_renew(now, binding):
            self._transitions.renew(now, binding)
        return True

    def _event_of(self, claim: Claim) -> BindingEvent:
        if claim.proof is Proof.USE:
            # In open mode nobody vouches for the claimant, so its answer is awaited.
            return BindingEvent.CLAIM if self._authorization.allowlist is None else BindingEvent.PROOF
        # An address that speaks, if only unconfirmed, can be asked at once (S5); one in DAD cannot.
        return BindingEvent.CLAIM if claim.source in (Source.NS, Source.DATA) else BindingEvent.DAD
