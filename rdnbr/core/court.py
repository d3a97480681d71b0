"""Hears claims: whose they are, whether the law permits them, and what that means for the binding.

A claim of the incumbent is evidence, one of anybody else a contention, one to an address that nobody has makes a
binding. What each of these leads to is in `machine`.
"""

from collections.abc import Mapping

from rdnbr.core.binding import Anchor, Binding
from rdnbr.core.claim import ANNOUNCEMENTS, Claim, Proof, Source
from rdnbr.core.contest import Contests
from rdnbr.core.decision import Decision, State, Verb
from rdnbr.core.gateway import Defence
from rdnbr.core.hints import Hints
from rdnbr.core.inquiries import Inquiries
from rdnbr.core.law import Law
from rdnbr.core.lifecycle import Lifecycle
from rdnbr.core.limits import PortLimits
from rdnbr.core.machine import WITH_ROUTE, Stimulus
from rdnbr.core.plan import Key
from rdnbr.core.probe import is_answer
from rdnbr.core.reason import Reason
from rdnbr.core.rule import Rule
from rdnbr.core.topology import Port, Segment
from rdnbr.core.welcome import Welcome

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


class Court:
    """Decides what a valid frame means."""

    def __init__(
        self,
        life: Lifecycle,
        contests: Contests,
        law: Law,
        limits: PortLimits,
        segments: Mapping[int, Segment],
        defence: Defence,
        welcome: Welcome,
        inquiries: Inquiries,
        hints: Hints,
    ) -> None:
        self._life = life
        self._contests = contests
        self._law = law
        self._limits = limits
        self._segments = segments
        self._defence = defence
        self._welcome = welcome
        self._inquiries = inquiries
        self._hints = hints

    def hear(self, now: float, port: Port, claim: Claim) -> Reason:
        """Hear one claim, and return the reason it is counted under."""
        if claim.source is Source.NS_DAD:
            self._note_doubt(now, port, claim)
        if claim.ether in self._law.node.macs or claim.mac in self._law.node.macs:  # F6
            return self.turn_down(now, port, Reason.OWN_MAC, claim)
        if claim.ether != claim.mac:  # A5, S4, V5
            check = self._limits.policy(port.index).mac_check
            if check == "strict":
                return self.turn_down(now, port, Reason.MAC_MISMATCH, claim)
            if check == "log":
                self._tell(now, Verb.NOTED, port, Reason.MAC_MISMATCH, claim)
        reason = self._judge(now, port, claim)
        if self._welcome.has_arrived(now, port.index, claim):
            self._life.outputs += self._welcome.greet(port, claim.mac)
            self._life.outputs += self._inquiries.look_for(now, port, claim.mac)
        return reason

    def _judge(self, now: float, port: Port, claim: Claim) -> Reason:
        anchor = Anchor(port.index, claim.mac)
        if claim.address is None:
            return self._presence(now, port, anchor, claim)
        verdict = self._law.verdict(claim.address, anchor, port.segment)
        if verdict.reason is not None:
            if verdict.reason is Reason.OWN_ADDRESS:
                self._life.outputs += self._defence.correct(now, port.segment, claim.address)
            return self.turn_down(now, port, verdict.reason, claim, verdict.rule)
        segment = self._segments[port.segment]
        key = Key(segment.table, claim.address)
        binding = self._life.bindings.get(key)
        if binding is None or binding.state is State.DEPARTED:
            return self._unclaimed(now, port, key, anchor, claim, verdict.rule)
        if claim.source is Source.DATA:
            # Anybody can write any source into a packet; who has the address is asked without that.
            return self.turn_down(now, port, Reason.NO_HINT, claim, verdict.rule)
        placed = binding.anchor.port is not None or binding.segment == port.segment
        if placed and binding.anchor.may_be(anchor):
            return self._incumbent(now, port, binding, anchor, claim, verdict.rule)
        return self._rival(now, port, binding, anchor, claim, verdict.rule)

    def look_for(self, now: float, port: Port) -> None:
        """A port is there: ask who was on it, or should be, for a guest that sees its link return need not speak.

        It may be on another bridge now, or on one of the same name that was made anew.
        """
        for binding in self._life.bindings.departed_from(port.index):
            if self._limits.exhausted(now, port.index):
                break
            if binding.key.table == self._segments[port.segment].table:
                self._arrival(now, binding, binding.anchor, port, binding.source)
        self._life.outputs += self._inquiries.look_for(now, port, None)

    def recall(self, now: float, port: Port, key: Key, anchor: Anchor) -> None:
        """Somebody may have had an address before rdnbr started: ask, and believe nothing until it answers."""
        verdict = self._law.verdict(key.address, anchor, port.segment)
        if self._life.bindings.get(key) is not None or not verdict.permitted:
            return
        if self._limits.claim(now, port.index, key.address) is None:
            binding = Binding(key, port.segment, anchor, Source.ADOPTED, verdict.rule, now, now)
            self._life.turn(now, binding, Stimulus.ARRIVAL, fresh=True)

    def turn_down(
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
        self._tell(now, verb, port, reason, claim, rule)
        return reason

    def _tell(
        self,
        now: float,
        verb: Verb,
        port: Port | None,
        reason: Reason,
        claim: Claim | None,
        rule: Rule | None = None,
    ) -> None:
        self._life.outputs.append(
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

    def _unclaimed(
        self, now: float, port: Port, key: Key, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        if self._life.quarantine.holds(now, key, anchor):
            return self.turn_down(now, port, Reason.QUARANTINED, claim, rule)
        departed = self._life.bindings.get(key)
        if departed is not None and departed.surmised and departed.anchor.mac != anchor.mac:
            # The owner is being asked, and has as long to answer as if it were contested.
            return self.turn_down(now, port, Reason.BEING_DECIDED, claim, rule)
        # What is remembered has its place in the table already.
        bound = self._limits.claim if departed is None else self._limits.contention
        excess = bound(now, port.index, key.address)
        if excess is not None:
            return self.turn_down(now, port, excess, claim, rule)
        if departed is None:
            binding = Binding(key, port.segment, anchor, claim.source, rule, now, now)
        else:
            binding = departed
            self._life.relocate(now, binding, anchor, port.segment)
            binding.source, binding.rule = claim.source, rule
        binding.nonce = claim.nonce
        came = self._life.turn(now, binding, self._stimulus(claim), fresh=departed is None)
        self._bring_along(now, port, key, anchor, claim)
        self._life.outputs += self._inquiries.look_for(now, port, claim.mac)
        return came.reason

    def _bring_along(self, now: float, port: Port, key: Key, anchor: Anchor, claim: Claim) -> None:
        if self._limits.exhausted(now, port.index):
            return
        for other in self._life.bindings.of_mac(claim.mac):
            # Both families of a guest move together, but only one of them may have spoken.
            if other.state is State.DEPARTED and other.key.table == key.table:
                self._arrival(now, other, anchor, port, claim.source)
                if self._limits.exhausted(now, port.index):
                    return

    def _incumbent(
        self, now: float, port: Port, binding: Binding, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        answered = binding.asked > 0 and is_answer(claim, self._segments[binding.segment])
        stimulus = Stimulus.ANSWER if answered else self._stimulus(claim)
        # Meaning to use an address is no evidence of where it is.
        if binding.anchor.port is None and stimulus is not Stimulus.DAD:
            _, most = self._limits.room(port.index, binding.key.address)
            if self._life.surmised(port.index, len(binding.key.address)) >= most:
                # No guest had more before the start; who speaks with everybody's MAC is not everybody.
                return self.turn_down(now, port, Reason.PORT_FULL, claim, rule)
            self._life.place(binding, anchor)
        if binding.rule is not rule:
            binding.rule = rule
            self._life.metrics.review(now, [binding])
        if stimulus is Stimulus.DAD:
            binding.nonce = claim.nonce
        else:
            self._life.evidence(now, binding, answered=answered)
        came = self._life.turn(now, binding, stimulus)
        if (
            claim.source in ANNOUNCEMENTS
            and not (claim.source is Source.NA_UNSOLICITED and now < binding.doubted + DEFENCE)
            and anchor.port is not None
            and self._life.may_renew(now, binding)
            and self._limits.arrival(now, anchor.port) is None  # each renewal makes BGP speak
        ):
            self._life.renew(now, binding)
        if binding.state is State.TENTATIVE:
            if stimulus is not Stimulus.DAD:
                if binding.asked == 0:
                    self._life.outputs += self._life.agenda.ask_anew(now, binding, after_dad=False)
            elif binding.rival is None:
                # With a rival there are questions under way, and whoever merely means to use it puts none of them off.
                self._life.outputs += self._life.agenda.ask_anew(now, binding, after_dad=True)
        return came.reason

    def _rival(
        self, now: float, port: Port, binding: Binding, anchor: Anchor, claim: Claim, rule: Rule | None
    ) -> Reason:
        if self._contests.awaits(binding, anchor) and is_answer(claim, self._segments[port.segment]):
            full = self._limits.full(port.index, binding.key.address)
            if full is not None:
                return self.turn_down(now, port, full, claim, rule)
            return self._contests.win(now, binding, claim.source, rule).reason
        invited = self._life.agenda.has_asked_everywhere(binding) and is_answer(
            claim, self._segments[port.segment]
        )
        if not invited and self._life.quarantine.holds(now, binding.key, anchor):
            return self.turn_down(now, port, Reason.QUARANTINED, claim, rule)
        if not claim.override and binding.state in WITH_ROUTE:  # V3
            return self.turn_down(now, port, Reason.NO_OVERRIDE, claim, rule)
        if claim.nonce and claim.nonce == binding.nonce:  # S3
            return self.turn_down(now, port, Reason.LOOPED_BACK, claim, rule)
        excess = self._limits.contention(now, port.index, binding.key.address)
        if excess is not None:
            return self.turn_down(now, port, excess, claim, rule)
        if rule is not None and rule.vip and claim.source in ANNOUNCEMENTS and claim.override:
            came = self._contests.follow(now, binding, anchor, port.segment, claim.source, rule)
        else:
            came = self._contests.contend(now, binding, anchor, port.segment)
        if came.verb is Verb.REFUSED:
            return self.turn_down(now, port, came.reason, claim, rule)
        return came.reason

    def _note_doubt(self, now: float, port: Port, claim: Claim) -> None:
        """Whoever has the address hears this too and will answer, be it permitted or not."""
        if claim.address is None:
            return
        binding = self._life.bindings.get(Key(self._segments[port.segment].table, claim.address))
        if (
            binding is not None
            and binding.segment == port.segment
            and not binding.anchor.may_be(Anchor(port.index, claim.mac))
        ):
            binding.doubted = now

    def _presence(self, now: float, port: Port, anchor: Anchor, claim: Claim) -> Reason:
        table = self._segments[port.segment].table
        # A MAC may be bound to thousands of addresses: what is beyond the pace is not even looked at.
        if self._limits.exhausted(now, port.index):
            return self.turn_down(now, port, Reason.TOO_MANY_NEW, claim)
        self._life.outputs += self._hints.open(now, port.index)
        meant = False
        for binding in self._life.bindings.of_mac(anchor.mac):
            if binding.key.table == table and self._arrival(now, binding, anchor, port, claim.source):
                meant = True
            if self._limits.exhausted(now, port.index):
                break
        # The allowlist may have a thousand rules about this guest.
        if self._limits.search(now, port.index):
            self._life.outputs += self._inquiries.look_for(now, port, claim.mac)
        meant |= self._inquiries.expects(port.index, claim.mac)
        return Reason.ARRIVED if meant else self.turn_down(now, port, Reason.UNKNOWN_MAC, claim)

    def _arrival(self, now: float, binding: Binding, anchor: Anchor, port: Port, source: Source) -> bool:
        """Take note that the MAC of a binding is on a port; tell whether that meant anything."""
        departed = binding.state is State.DEPARTED
        at_home = binding.anchor.may_be(anchor)
        # Each arrival makes us ask: who speaks of many MACs, or often of one, must not use up the pace of questions.
        if self._limits.arrival(now, port.index) is not None:
            return False
        if (departed or not at_home) and self._limits.full(port.index, binding.key.address) is not None:
            return False
        verdict = self._law.verdict(binding.key.address, anchor, port.segment)
        if not verdict.permitted or self._life.quarantine.holds(now, binding.key, anchor):
            return False
        if departed:
            self._life.relocate(now, binding, anchor, port.segment)
            binding.source, binding.rule = source, verdict.rule
        elif not at_home:
            return self._contests.contend(now, binding, anchor, port.segment).verb is not Verb.REFUSED
        self._life.turn(now, binding, Stimulus.ARRIVAL)
        if self._life.may_renew(now, binding):
            self._life.renew(now, binding)
        return True

    def _stimulus(self, claim: Claim) -> Stimulus:
        if claim.proof is Proof.USE:
            # In open mode nobody vouches for the claimant, so its answer is awaited.
            return Stimulus.CLAIM if self._law.allowlist is None else Stimulus.PROOF
        # An address that speaks, if only unconfirmed, can be asked at once (S5); one in DAD cannot.
        return Stimulus.CLAIM if claim.source in (Source.NS, Source.DATA) else Stimulus.DAD
