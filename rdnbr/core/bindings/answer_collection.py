"""Collects the claims to an address that several ports were asked for, so that the fastest guest does not win.

A guest with proxy ARP (RFC 1027) answers for addresses that it does not have. Two questions go to several ports: for an
adopted address whose MAC is not known, and for an address that nobody has claimed. Their answers wait for a moment.
Then these come before the others, in this order:

1. a claimant whom the allowlist names by `port=`, `mac=` or `vm=`;
2. an advertisement with the Override flag; one without it may be that of a proxy (RFC 4861 §7.2.8);
3. for an adopted address, a claimant that was there before rdnbr started: the forwarding database of the bridge had its
   MAC on its port. For IPv4 only an answer to the last probe of a sequence counts so, the one from 0.0.0.0: Linux
   answers it for its own addresses only (net/ipv4/arp.c, arp_process), and a proxy may have been there while the entry
   of the owner, which had been quiet for five minutes, was not there any more.

If more than one claimant is left, that is a conflict, and nobody gets the address.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.rule import Rule
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.primitives.timer_queue import TimerQueue
from rdnbr.core.probing.port_services import PortServices
from rdnbr.core.wire.probe_frames import UNSPECIFIED4, is_probe_answer

COLLECTED = 0.2
"""Seconds after the first claim in which further ones count. Hosts answer within some milliseconds; a proxy may delay
its answers by 0.8 s (`proxy_delay`), and then comes too late."""

CLAIMANTS = 8
"""Claimants remembered for an address. Two are a conflict already."""


class Answer(NamedTuple):
    """One claim that the policy permits."""

    port: Port
    claim: Claim
    rule: Rule | None
    """The allowlist rule that permits it; None in open mode."""
    was_there: bool
    """Whether the forwarding database had the claimant before rdnbr started, and that counts."""

    @property
    def anchor(self) -> Anchor:
        """The anchor that claims the address."""
        return Anchor(self.port.index, self.claim.mac)

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """How much speaks for the claimant."""
        is_named = self.rule is not None and bool(self.rule.qualifiers)
        return is_named, self.claim.override, self.was_there


class AnswerCollection:
    """The claims that wait, by the key of their address."""

    def __init__(
        self,
        table: BindingTable,
        transitions: Transitions,
        services: PortServices,
        limits: PortLimits,
        segments: Mapping[int, Segment],
    ) -> None:
        self._table = table
        self._transitions = transitions
        self._services = services
        self._limits = limits
        self._segments = segments
        self._fdb_ports: Mapping[tuple[int, MAC], int] = {}
        self._answers: dict[Key, dict[Anchor, Answer]] = {}
        self._ends: TimerQueue[Key] = TimerQueue()

    def remember_fdb(self, fdb_ports: Mapping[tuple[int, MAC], int]) -> None:
        """Remember who was there when rdnbr started: the port of each segment and MAC (ifindexes)."""
        self._fdb_ports = fdb_ports

    def collect(self, now: float, key: Key, port: Port, claim: Claim, rule: Rule | None) -> bool:
        """Collect a claim if others may claim the address with as much right; tell whether it has to wait for them."""
        binding = self._table.get(key)
        unknown = binding is not None and _is_unknown(binding) and binding.segment == port.segment
        if claim.proof is not Proof.USE or not (unknown or self._answers_search(port, claim, binding)):
            return False
        answer = Answer(port, claim, rule, unknown and self._was_there(port, claim))
        found = self._answers.get(key)
        if found is None:
            self._answers[key] = {answer.anchor: answer}
            self._ends.set(key, now + COLLECTED)
            if unknown and binding is not None:
                # Who has not been asked yet is asked now, at the pace of the claims of this port.
                ask = not binding.probes_sent and self._limits.refuse_probe(now, port.index) is None
                self._transitions.timers.await_answers(now, binding, COLLECTED, ask=ask)
        elif answer.anchor in found or len(found) < CLAIMANTS:
            found[answer.anchor] = answer
        return True

    def settle(self, now: float) -> Iterator[tuple[Answer | None, list[Answer]]]:
        """Yield, for each address whose time is over, the claim that wins, if one does, and those that do not."""
        while (due := self._ends.pop(now)) is not None:
            key = due[1]
            answers = sorted(self._answers.pop(key).values(), key=lambda answer: answer.rank, reverse=True)
            winner, *losers = answers
            if not losers or losers[0].rank < winner.rank:
                yield winner, losers
                continue
            binding = self._table.get(key)
            if binding is not None and _is_unknown(binding):
                self._transitions.dispute(now, binding)
            yield None, answers

    def next_deadline(self) -> float | None:
        """Return when `settle` has something to yield; None: nothing was collected."""
        return self._ends.next_deadline()

    def port_renamed(self, port: Port) -> None:
        """Let the claims of a port be those of the port under its new name, which other rules may name."""
        for found in self._answers.values():
            for anchor in [anchor for anchor in found if anchor.port == port.index]:
                found[anchor] = found[anchor]._replace(port=port)

    def port_gone(self, port: int) -> None:
        """Forget the claims of a port (ifindex)."""
        for key, found in list(self._answers.items()):
            for anchor in [anchor for anchor in found if anchor.port == port]:
                del found[anchor]
            if not found:
                del self._answers[key]
                self._ends.discard(key)

    def _was_there(self, port: Port, claim: Claim) -> bool:
        if self._fdb_ports.get((port.segment, claim.ether)) != port.index:
            return False
        return claim.source is Source.NA or (
            claim.source is Source.ARP_REPLY and claim.target == UNSPECIFIED4
        )

    def _answers_search(self, port: Port, claim: Claim, binding: Binding | None) -> bool:
        """Tell whether a claim answers a probe that went to several ports for an address that nobody has."""
        if binding is not None and binding.state is not State.DEPARTED:
            return False
        assert claim.address is not None
        ports = self._services.searched_ports(claim.address)
        return len(ports) > 1 and port.index in ports and is_probe_answer(claim, self._segments[port.segment])


def _is_unknown(binding: Binding) -> bool:
    """Tell whether nothing is known of the anchor of an adopted binding, so that every guest may be it."""
    return binding.anchor == (None, ZERO_MAC) and binding.state in (State.ADOPTED, State.CHALLENGED)
