"""Notes the addresses that guests ask for, by ARP or NS, and that nobody on their bridge answers for.

A guest asks for its gateway, which is the bridge. One that asks for another address has a wrong gateway, or a netmask
that makes it take other hosts for its neighbours. It is learned and routed all the same, and its packets go nowhere.

A host repeats an unanswered question each second, three times or more (RFC 4861 §7.2.2, and Linux for ARP), and to a
group address. A question that is answered is not repeated so. That is all that is needed: no answer is read.
"""

from collections.abc import Iterator, Mapping

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.claim import Claim, Source
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.question import Question

MOST = 8
"""Questions that are kept of one port: those asked last."""
IN_A_ROW = 3
"""Repetitions that show that nobody answers."""
_GAP = 3.0
"""Seconds within which a question is a repetition."""
FRESH = 120.0
"""Seconds after which a question is forgotten."""
_QUESTIONS = frozenset({Source.ARP_REQUEST, Source.NS})


class UnansweredQuestions:
    """The latest questions of each port."""

    def __init__(self, table: BindingTable, segments: Mapping[int, Segment]) -> None:
        self._table = table
        self._segments = segments
        self._by_port: dict[int, dict[tuple[MAC, IP], Question]] = {}
        """By ifindex; the question asked last comes last."""

    def note(self, now: float, port: int, claim: Claim, bridge: Segment) -> None:
        """Note the question that a frame to a group address asks, if it asks one.

        Args:
            now: when the frame arrived.
            port: ifindex.
            claim: what the frame claims.
            bridge: the segment of the port, which answers for its own addresses.
        """
        address, target = claim.address, claim.target
        if claim.source not in _QUESTIONS or address is None or target is None:
            return
        if any(target == entry.address for entry in bridge.addresses):
            return
        asked = self._by_port.setdefault(port, {})
        before = asked.pop((claim.mac, target), None)
        repeated = 1
        if before is not None and (before.repeated >= IN_A_ROW or now < before.last + _GAP):
            repeated = before.repeated + 1
        elif len(asked) >= MOST:
            del asked[next(iter(asked))]
        asked[claim.mac, target] = Question(claim.mac, address, target, repeated, now)

    def of_port(self, now: float, port: Port) -> Iterator[Question]:
        """Yield the questions of a port that were repeated, while nobody on its bridge has what they ask for."""
        table = self._segments[port.segment].table
        for one in self._by_port.get(port.index, {}).values():
            if one.repeated >= IN_A_ROW and now < one.last + FRESH:
                asked_for = self._table.get(Key(table, one.target))
                if asked_for is None or asked_for.segment != port.segment:
                    yield one

    def port_gone(self, port: int) -> None:
        """Forget the questions of a port (ifindex)."""
        self._by_port.pop(port, None)
