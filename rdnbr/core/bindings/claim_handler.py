"""Handles claims: as evidence, as a challenge, or as the beginning of a binding.

A claim of the incumbent is evidence. A claim of another anchor is a challenge. A claim to an address that nobody has
makes a binding. `policy` says whether the claim is permitted, `state_machine` what each of these events leads to.
"""

from collections.abc import Mapping

from rdnbr.core.bindings.answer_collection import AnswerCollection
from rdnbr.core.bindings.arrivals import Arrivals
from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.conflict import Conflicts
from rdnbr.core.bindings.move_limit import moved_just_now
from rdnbr.core.bindings.signs_of_life import SignsOfLife
from rdnbr.core.bindings.state_machine import BindingEvent, Transition
from rdnbr.core.bindings.static_bindings import StaticBindings
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.binding import Anchor, Binding, NewAnchor
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import ANNOUNCEMENTS, Claim, Proof, Source
from rdnbr.core.model.engine_outputs import Decision, Emit, Verb
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Rule, is_static
from rdnbr.core.model.virtual_router_mac import is_virtual_router_mac
from rdnbr.core.policy.policy import Policy
from rdnbr.core.probing.port_services import PortServices
from rdnbr.core.wire.probe_frames import is_probe_answer

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
"""Reasons that are no fault of the sender: the decision is `ignored`, not `refused`."""

DAD_ANSWER_TIME = 2.0
"""Seconds after a foreign DAD solicitation in which an unsolicited NA is the answer to it, and not an arrival. Such an
answer goes to all nodes, since a node that does DAD has no address yet (RFC 4861 §7.2.4). Linux answers within a
millisecond."""

LONGEST_DAD = 10.0
"""Seconds from the first DAD for an unbound address in which further ones postpone its probes. RFC 5227 §1.1 takes 7 s
at most. A guest that goes on must not keep an address from its owner for ever."""


class ClaimHandler:
    """Decides what a valid frame means for the bindings."""

    def __init__(
        self,
        policy: Policy,
        table: BindingTable,
        transitions: Transitions,
        conflicts: Conflicts,
        static: StaticBindings,
        services: PortServices,
        arrivals: Arrivals,
        signs_of_life: SignsOfLife,
        segments: Mapping[int, Segment],
        emit: Emit,
    ) -> None:
        self._policy = policy
        self._limits = policy.limits
        self._quarantine = policy.quarantine
        self._table = table
        self._transitions = transitions
        self._conflicts = conflicts
        self._static = static
        self._services = services
        self._arrivals = arrivals
        self._signs_of_life = signs_of_life
        self._segments = segments
        self._emit = emit
        self.answers = AnswerCollection(table, transitions, services, policy.limits, segments)

    def handle_claim(self, now: float, port: Port, claim: Claim) -> Reason:
        """Handle one claim, and return the reason that its frame is counted under."""
        if claim.source is Source.NS_DAD:
            self._note_foreign_dad(now, port, claim)
        elif claim.source is Source.ARP_PROBE and claim.address is not None:
            self._services.record_dad(now, port.index, claim.address)
        own_macs = self._policy.authorization.local_addresses.macs
        if (port.segment, claim.ether) in own_macs or (port.segment, claim.mac) in own_macs:  # F6
            return self.refuse(now, port, Reason.OWN_MAC, claim)
        if claim.ether != claim.mac and not is_virtual_router_mac(claim.mac):  # A5, S4, V5
            check = self._limits.policy(port.index).mac_check
            if check == "strict":
                return self.refuse(now, port, Reason.MAC_MISMATCH, claim)
            if check == "log":
                self._emit_refusal(now, Verb.NOTED, port, Reason.MAC_MISMATCH, claim)
        reason = self._handle_sender(now, port, claim)
        if self._services.sender_seen(now, port, claim):
            self._static.bind(now, port, claim.mac)
        self._signs_of_life.note(now, port, claim.mac)
        return reason

    def refuse(
        self,
        now: float,
        port: Port | None,
        reason: Reason,
        claim: Claim | None = None,
        rule: Rule | None = None,
    ) -> Reason:
        """Emit that a frame is refused, or ignored where the reason is no fault of its sender; return the reason."""
        if claim is not None and claim.source is Source.DATA:
            reason = Reason.NO_HINT
        verb = Verb.IGNORED if reason in IGNORED else Verb.REFUSED
        self._emit_refusal(now, verb, port, reason, claim, rule)
        return reason

    def _handle_sender(self, now: float, port: Port, claim: Claim, *, settled: bool = False) -> Reason:
        """Handle a claim; `settled`: it was collected, and no other claim is as good."""
        anchor = Anchor(port.index, claim.mac)
        if claim.source is Source.PRESENCE:
            return self.refuse(now, port, Reason.NOT_NDP, claim)
        if claim.address is None:
            return self._handle_presence(now, port, anchor, claim)
        key = Key(self._segments[port.segment].table, claim.address)
        binding = self._table.get(key)
        physical_mac = claim.physical_mac
        if physical_mac is None and binding is not None and binding.anchor == anchor:
            physical_mac = binding.physical_mac
        live = binding is not None and binding.state in WITH_ROUTE
        verdict = self._policy.authorization.authorize(
            claim.address, anchor, port.segment, physical_mac, live=live
        )
        if verdict.reason is not None:
            if (
                verdict.reason is Reason.OWN_ADDRESS and claim.source is not Source.DATA
            ):  # a packet tells no neighbour
                self._services.defend_gateway(now, port.segment, claim.address)
            return self.refuse(now, port, verdict.reason, claim, verdict.rule)
        if not settled and self.answers.collect(now, key, port, claim, verdict.rule):
            self._emit_refusal(now, Verb.NOTED, port, Reason.COLLECTED, claim, verdict.rule)
            return Reason.COLLECTED
        if claim.source is Source.DATA and not self._counts(binding, anchor, verdict.rule):
            return self.refuse(now, port, Reason.NO_HINT, claim, verdict.rule)
        if binding is None or binding.state is State.DEPARTED:
            return self._handle_new_claim(now, port, key, anchor, claim, verdict.rule)
        same_mac = binding.anchor.mac == anchor.mac and binding.segment == port.segment
        if binding.state is State.STATIC and binding.port_inferred and same_mac:
            # Its port was that of the forwarding database at the start. This frame names the address.
            self._transitions.infer_port(now, binding, anchor)
            binding.port_inferred = False
        same_segment = binding.anchor.port is not None or binding.segment == port.segment
        if same_segment and binding.anchor.may_be(anchor):
            return self._handle_incumbent_claim(now, port, binding, anchor, claim, verdict.rule)
        return self._handle_challenger_claim(now, port, binding, anchor, claim, verdict.rule)

    def _counts(self, binding: Binding | None, anchor: Anchor, rule: Rule | None) -> bool:
        """Tell whether the source of a packet means anything. A guest can write any source address into a packet.

        A static address has no probe that could verify the packet. A binding has probes of its own that verify its
        anchor. While the anchor leaves them unanswered, its packet is evidence (RFC 6620 §3.2.2): on its own port it
        can forge a packet no better than an answer.
        """
        if is_static(rule):
            return False
        if binding is None or binding.state is State.DEPARTED:
            return True
        at_anchor = anchor == (binding.likely_port, binding.anchor.mac)
        return at_anchor and self._transitions.timers.awaits_packet(binding)

    def settle_answers(self, now: float) -> None:
        """Decide between the claims to addresses that several ports were asked for, whose time is over."""
        for winner, losers in self.answers.settle(now):
            if winner is not None:
                self._handle_sender(now, winner.port, winner.claim, settled=True)
            for loser in losers:
                self.refuse(now, loser.port, Reason.SEVERAL_ANSWERS, loser.claim, loser.rule)

    def _handle_new_claim(
        self, now: float, port: Port, key: Key, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        if self._quarantine.is_quarantined(now, key, anchor):
            return self.refuse(now, port, Reason.QUARANTINED, claim, rule)
        departed = self._table.get(key)
        if departed is not None and departed.port_inferred and departed.anchor.mac != anchor.mac:
            # The owner is being probed, and has as long for its answer as an incumbent.
            return self.refuse(now, port, Reason.BEING_DECIDED, claim, rule)
        # A departed binding has its place in the table already.
        refuse = self._limits.refuse_claim if departed is None else self._limits.refuse_challenge
        excess = refuse(now, port.index, key.address)
        if excess is not None:
            return self.refuse(now, port, excess, claim, rule)
        event = BindingEvent.STATIC if is_static(rule) else self._event_of(claim)
        if departed is None:
            binding = Binding(key, port.segment, anchor, claim.source, rule, now, now, nonce=claim.nonce)
            binding.physical_mac = claim.physical_mac
            row = self._transitions.apply(now, binding, event)
        else:
            departed.nonce = claim.nonce
            asked = departed.anchor == anchor and departed.probes_sent > 0
            if (
                asked
                and event is not BindingEvent.STATIC
                and is_probe_answer(claim, self._segments[port.segment])
            ):
                event = BindingEvent.ANSWER
            to = NewAnchor(anchor, port.segment, claim.source, rule, claim.physical_mac)
            row = self._transitions.apply(now, departed, event, to=to)
        self._arrivals.probe_other_addresses(now, port, key, anchor, claim)
        self._services.discover(now, port, claim.mac)
        return row.reason

    def _handle_incumbent_claim(
        self, now: float, port: Port, binding: Binding, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        answered = binding.probes_sent > 0 and is_probe_answer(claim, self._segments[binding.segment])
        event = BindingEvent.ANSWER if answered else self._event_of(claim)
        if is_static(rule) and binding.state not in (State.STATIC, State.FROZEN):
            event = BindingEvent.STATIC
        # DAD announces an intent, and is no evidence of where the address is.
        if binding.anchor.port is None and event is not BindingEvent.DAD:
            _, most = self._limits.usage(port.index, binding.key.address)
            if self._transitions.count_inferred(port.index, len(binding.key.address)) >= most:
                # Before the restart no guest had more addresses than its limit. A port that claims more adopted
                # bindings than that is forging MACs.
                return self.refuse(now, port, Reason.PORT_FULL, claim, rule)
            self._transitions.infer_port(now, binding, anchor)
        if binding.rule is not rule:
            binding.rule = rule
            self._transitions.metrics.schedule_review(now, [binding])
        if event is BindingEvent.DAD:
            binding.nonce = claim.nonce
        if claim.physical_mac is not None and (answered or binding.physical_mac is None):
            binding.physical_mac = claim.physical_mac  # later ones only at the pace of our probes
        row = self._transitions.apply(now, binding, event)
        self._renew_stamp(now, binding, anchor, claim)
        if binding.state is State.TENTATIVE:
            if event is not BindingEvent.DAD:
                if binding.probes_sent == 0:
                    self._transitions.timers.restart_probes(now, binding, after_dad=False)
            elif binding.challenger is None and now < binding.state_since + LONGEST_DAD:
                # With a challenger, probes are under way, and a DAD does not postpone them.
                self._transitions.timers.restart_probes(now, binding, after_dad=True)
        return row.reason

    def _renew_stamp(self, now: float, binding: Binding, anchor: Anchor, claim: Claim) -> None:
        """Renew the stamp of a binding whose anchor announces itself (`mobility = "newest-wins"`)."""
        answers_dad = (
            claim.source is Source.NA_UNSOLICITED and now < binding.last_foreign_dad + DAD_ANSWER_TIME
        )
        if (
            claim.source in ANNOUNCEMENTS
            and not answers_dad
            and anchor.port is not None
            and self._transitions.may_renew_stamp(now, binding)
            and self._limits.refuse_probe(now, anchor.port) is None  # each renewal makes BGP send an update
        ):
            self._transitions.renew_stamp(now, binding)

    def _handle_challenger_claim(
        self, now: float, port: Port, binding: Binding, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        answer = is_probe_answer(claim, self._segments[port.segment])
        to = NewAnchor(anchor, port.segment, claim.source, rule, claim.physical_mac)
        if answer and self._conflicts.is_awaited(binding, anchor):
            full = self._limits.refuse_full(port.index, binding.key.address)
            if full is not None:
                return self.refuse(now, port, full, claim, rule)
            to = to._replace(segment=binding.challenger_segment)
            return self._hand_over(now, port, binding, BindingEvent.CHALLENGER_ANSWER, to).reason
        invited = answer and self._transitions.timers.all_ports_probed(binding)
        if not invited and self._quarantine.is_quarantined(now, binding.key, anchor):
            return self.refuse(now, port, Reason.QUARANTINED, claim, rule)
        if not claim.override and binding.state in WITH_ROUTE:  # V3
            return self.refuse(now, port, Reason.NO_OVERRIDE, claim, rule)
        if claim.nonce and claim.nonce == binding.nonce:  # S3
            return self.refuse(now, port, Reason.LOOPED_BACK, claim, rule)
        excess = self._limits.refuse_challenge(now, port.index, binding.key.address)
        if excess is not None:
            return self.refuse(now, port, excess, claim, rule)
        if rule is not None and rule.vip and claim.source in ANNOUNCEMENTS and claim.override:
            if moved_just_now(now, binding):
                return self.refuse(now, port, Reason.MOVED_TOO_OFTEN, claim, rule)
            row = self._hand_over(now, port, binding, BindingEvent.ANNOUNCEMENT, to)
        else:
            row = self._conflicts.challenge(now, binding, anchor, port.segment)
        if row.verb is Verb.REFUSED:
            return self.refuse(now, port, row.reason, claim, rule)
        return row.reason

    def _hand_over(
        self, now: float, port: Port, binding: Binding, event: BindingEvent, to: NewAnchor
    ) -> Transition:
        """Pass an address to the anchor that claims it, and let it challenge the other addresses of its MAC.

        A MAC moves with all its addresses, as that of a virtual router does when another host becomes active.
        """
        before = binding.anchor
        row = self._conflicts.hand_over(now, binding, event, to)
        if binding.anchor == to.anchor and before.mac == to.anchor.mac:
            self._arrivals.challenge_other_addresses(now, port, binding, before, to)
        return row

    def _note_foreign_dad(self, now: float, port: Port, claim: Claim) -> None:
        """Note a DAD for a bound address: its owner receives the solicitation and answers, permitted or not."""
        if claim.address is None:
            return
        binding = self._table.get(Key(self._segments[port.segment].table, claim.address))
        if (
            binding is not None
            and binding.segment == port.segment
            and not binding.anchor.may_be(Anchor(port.index, claim.mac))
        ):
            binding.last_foreign_dad = now

    def _handle_presence(self, now: float, port: Port, anchor: Anchor, claim: Claim) -> Reason:
        """Handle a RARP, which names a MAC and no address: probe the addresses that are remembered for the MAC."""
        table = self._segments[port.segment].table
        # A MAC may have thousands of bindings; without a token none of them is looked at.
        if self._limits.is_exhausted(now, port.index):
            return self.refuse(now, port, Reason.TOO_MANY_NEW, claim)
        self._services.snoop_data(now, port.index)
        known = False
        for binding in self._table.of_mac(anchor.mac):
            if binding.key.table == table and self._arrivals.handle_arrival(
                now, binding, anchor, port, claim.source, claim.physical_mac
            ):
                known = True
            if self._limits.is_exhausted(now, port.index):
                break
        # The allowlist may have a thousand rules that name this guest.
        if self._limits.take_discovery(now, port.index):
            self._services.discover(now, port, claim.mac)
        known |= self._services.is_discovering(port.index, claim.mac)
        return Reason.ARRIVED if known else self.refuse(now, port, Reason.UNKNOWN_MAC, claim)

    def _event_of(self, claim: Claim) -> BindingEvent:
        if claim.proof is Proof.USE:
            # In open mode nobody vouches for the claimant, so its answer is awaited.
            open_mode = self._policy.authorization.allowlist is None
            return BindingEvent.CLAIM if open_mode else BindingEvent.PROOF
        # An address that sends, if only unconfirmed, can be probed at once (S5); an address in DAD cannot.
        return BindingEvent.CLAIM if claim.source in (Source.NS, Source.DATA) else BindingEvent.DAD

    def _emit_refusal(
        self,
        now: float,
        verb: Verb,
        port: Port | None,
        reason: Reason,
        claim: Claim | None,
        rule: Rule | None = None,
    ) -> None:
        self._emit(
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
