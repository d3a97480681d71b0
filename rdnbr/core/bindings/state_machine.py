"""The state machine of one binding, after RFC 6620 (FCFS SAVI) and RFC 4861 §7.3 (neighbour unreachability detection).

Rules
-----
1. The first permitted anchor that proves to use an address gets the address (RFC 6620: first come, first served).
2. An ARP probe and a DAD solicitation announce an intent and prove nothing. They install no route. The address is
   probed after DAD has ended, and the answer makes the binding VALID. The source of an IP packet proves no more than
   that, with or without an allowlist, and is probed at once; but see rule 4.
3. With an allowlist, use of the address is enough: the binding is VALID at once, and is then probed. In open mode
   nobody vouches for the claimant, so the binding waits for the answer.
4. A quiet binding is probed. A binding that answers no probe of the sequence loses its route. Every frame from its
   anchor that shows use counts as an answer. If the loop was stalled, or frames are unread, an answer may be lost or
   waiting. Such probes do not count, and the probe sequence starts again. Once it has left a probe unanswered, an IP
   packet from its address, MAC and port counts too; while its port is only inferred, after all ports were probed.
5. The incumbent is probed first. A challenger gets the address only when the incumbent is silent and the challenger
   answers. Until then the route stays with the incumbent. Claims of a challenger that lost are ignored for a while.
6. A binding that moves too often is FROZEN: the incumbent keeps the address and claims of challengers are ignored until
   the freeze ends.
7. A route that the kernel held when rdnbr started is ADOPTED: it stays unchanged, its guest is probed, and the route is
   withdrawn only for silence. The kernel's routes do not say on which port an adopted binding lives. If its MAC is
   pinned to a port (`enforce`), the port is known, as it was before. Else the port is inferred from the first frame
   with its MAC, and that frame may be forged. While the port is only inferred, all ports are probed before the binding
   is withdrawn for silence, given to a challenger, or lost with its port. If the kernel held only a neighbour and no
   route, the guest is probed, and a route is installed only after its answer. If rdnbr is killed before the guest was
   proved, the next run goes on where this one stopped (`unproved_adoptions`).
8. A binding that lost its route is DEPARTED: it is remembered, so that its MAC is recognised when the MAC returns. If
   it fell silent and its port is there, it is probed on, more and more seldom, since its guest may only answer. Its
   answer makes it VALID again, and silence changes nothing (`departed`).
9. A binding whose rule says `static` is not probed, since its guest need not answer (`static_bindings`). It begins with
   any claim of its anchor, is routed while its port is there, and a challenger does not get its address.

States
------
    TENTATIVE   no route   claimed; probed, or waiting for the end of DAD
    VALID       route      evidence is fresh
    PROBING     route      probed, not answered yet
    CHALLENGED  route      a challenger claims the address; the incumbent is probed, then the challenger
    FROZEN      route      as VALID and PROBING, but claims of challengers are ignored
    ADOPTED     route      found in the kernel; probed, not answered yet
    STATIC      route      the rule says `static`; not probed, claims of challengers are refused
    DEPARTED    no route   remembered

`TABLE` is the whole machine. A pair of state and event that has no row cannot happen, and `transition` raises. Nothing
but `transitions.Transitions.apply` changes a state. The intervals are in `probing.intervals`.
"""

from enum import StrEnum
from typing import NamedTuple

from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Verb
from rdnbr.core.model.reason import Reason


class BindingEvent(StrEnum):
    """What can happen to a binding."""

    PROOF = "proof"
    """The anchor uses the address, and the allowlist vouches for the anchor."""
    CLAIM = "claim"
    """The anchor uses the address, or sends unconfirmed from it; nobody vouches for the anchor."""
    DAD = "dad"
    """The anchor does duplicate address detection (RFC 4862 §5.4, RFC 5227 §2.1)."""
    ANSWER = "answer"
    """The anchor answered a probe of ours."""
    ARRIVAL = "arrival"
    """The MAC that the binding is remembered with is on a port (again)."""
    CHALLENGER_CLAIM = "challenger-claim"
    """Another permitted anchor claims the address."""
    THIRD_CLAIM = "third-claim"
    """A third anchor claims the address while two are being probed."""
    CHALLENGER_ANSWER = "challenger-answer"
    """The challenger answered a probe of ours, after the incumbent had its time to answer."""
    CHALLENGER_GONE = "challenger-gone"
    """The port of the challenger is gone."""
    CHALLENGER_INHERITS = "challenger-inherits"
    """The port of the incumbent is gone while the challenger's port is there."""
    ANNOUNCEMENT = "announcement"
    """Another permitted anchor announces an address whose rule says `vip`."""
    SILENCE = "silence"
    """All probes of this state were sent, and none was answered."""
    NOT_RETURNED = "not-returned"
    """The binding had departed, then its MAC or another guest claimed it, and that claim came to nothing."""
    ABANDONED = "abandoned"
    """Silence, and no evidence for so long that without the challenger the binding would have been withdrawn before."""
    MOVED_TOO_OFTEN = "moved-too-often"
    """The binding has just moved, and moved too often."""
    STATIC = "static"
    """The anchor is there, and the rule that permits it says `static`."""
    NOT_STATIC = "not-static"
    """The rule does not say `static` any more."""
    FOUND_IN_KERNEL = "found-in-kernel"
    """The kernel held the route when rdnbr started."""
    FOUND_NOT_PERMITTED = "found-not-permitted"
    """The kernel held the route when rdnbr started, and its guest may not have the address now. The decision names the
    reason that the authorization gave."""
    DUE = "due"
    """Nothing was heard from the anchor for the reprobe interval."""
    FREEZE_OVER = "freeze-over"
    """The freeze has lasted for its time."""
    RETENTION_OVER = "retention-over"
    """The binding was remembered for its time, or newer departed bindings need the room."""
    PORT_GONE = "port-gone"
    """The port of the anchor is gone."""
    SEGMENT_GONE = "segment-gone"
    """The segment is gone, and its ports with it."""
    NOT_PERMITTED = "not-permitted"
    """The allowlist or the node's own addresses have changed, and the anchor may not have the address any more."""
    FLUSHED = "flushed"
    """The operator flushed the address."""


class Transition(NamedTuple):
    """What an event leads to."""

    state: State | None
    """The next state; None: the binding is forgotten."""
    verb: Verb | None
    """The decision that is emitted; None: no decision."""
    reason: Reason
    """The reason of the decision."""


_T, _V, _P = State.TENTATIVE, State.VALID, State.PROBING
_C, _F, _A, _D = State.CHALLENGED, State.FROZEN, State.ADOPTED, State.DEPARTED
_S = State.STATIC
_E = BindingEvent

_EVIDENCE = Transition(_V, Verb.REFRESHED, Reason.EVIDENCE)
_ANSWERED = Transition(_V, Verb.REFRESHED, Reason.ANSWERED)
_LEARNED: dict[BindingEvent, Transition] = {
    _E.PROOF: Transition(_V, Verb.LEARNED, Reason.FIRST_CLAIM),
    _E.CLAIM: Transition(_T, Verb.LEARNED, Reason.AWAITING_ANSWER),
    _E.DAD: Transition(_T, Verb.LEARNED, Reason.AWAITING_DAD),
    _E.ARRIVAL: Transition(_T, Verb.LEARNED, Reason.ARRIVED),
    _E.STATIC: Transition(_S, Verb.LEARNED, Reason.STATIC),
}
_NOW_STATIC = Transition(_S, Verb.REFRESHED, Reason.STATIC)
_KEEPS = Transition(_V, Verb.KEPT, Reason.INCUMBENT_ANSWERED)

_ROUTE_ENDS: dict[BindingEvent, Transition] = {
    _E.PORT_GONE: Transition(_D, Verb.WITHDRAWN, Reason.PORT_GONE),
    _E.SEGMENT_GONE: Transition(_D, Verb.WITHDRAWN, Reason.SEGMENT_GONE),
    _E.NOT_PERMITTED: Transition(None, Verb.WITHDRAWN, Reason.NO_LONGER_PERMITTED),
    _E.FLUSHED: Transition(None, Verb.WITHDRAWN, Reason.FLUSHED),
}
"""What ends a binding that has a route, in every such state."""

_ROWS: dict[State | None, dict[BindingEvent, Transition]] = {
    None: {
        **_LEARNED,
        _E.FOUND_IN_KERNEL: Transition(_A, Verb.ADOPTED, Reason.FOUND_IN_KERNEL),
        _E.FOUND_NOT_PERMITTED: Transition(None, Verb.WITHDRAWN, Reason.NOT_PERMITTED),
    },
    _T: {
        _E.PROOF: Transition(_V, Verb.INSTALLED, Reason.EVIDENCE),
        _E.CLAIM: Transition(_T, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _E.DAD: Transition(_T, Verb.REFRESHED, Reason.AWAITING_DAD),
        _E.ARRIVAL: Transition(_T, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _E.ANSWER: Transition(_V, Verb.INSTALLED, Reason.ANSWERED),
        _E.CHALLENGER_CLAIM: Transition(_T, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _E.THIRD_CLAIM: Transition(_T, Verb.REFUSED, Reason.BEING_DECIDED),
        _E.CHALLENGER_ANSWER: Transition(_V, Verb.INSTALLED, Reason.ANSWERED),
        _E.ANNOUNCEMENT: Transition(_V, Verb.INSTALLED, Reason.ANNOUNCED),
        _E.STATIC: Transition(_S, Verb.INSTALLED, Reason.STATIC),
        _E.SILENCE: Transition(None, Verb.EXPIRED, Reason.SILENT),
        _E.NOT_RETURNED: Transition(_D, Verb.EXPIRED, Reason.SILENT),
        _E.PORT_GONE: Transition(None, Verb.EXPIRED, Reason.PORT_GONE),
        _E.SEGMENT_GONE: Transition(None, Verb.EXPIRED, Reason.SEGMENT_GONE),
        _E.NOT_PERMITTED: Transition(None, Verb.EXPIRED, Reason.NO_LONGER_PERMITTED),
        _E.FLUSHED: Transition(None, Verb.EXPIRED, Reason.FLUSHED),
    },
    _V: {
        _E.PROOF: _EVIDENCE,
        _E.CLAIM: _EVIDENCE,
        _E.DAD: Transition(_P, Verb.REFRESHED, Reason.AWAITING_DAD),
        _E.ARRIVAL: Transition(_P, Verb.REFRESHED, Reason.ARRIVED),
        _E.CHALLENGER_CLAIM: Transition(_C, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _E.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _E.DUE: Transition(_P, None, Reason.AWAITING_ANSWER),
        _E.MOVED_TOO_OFTEN: Transition(_F, Verb.FROZEN, Reason.MOVED_TOO_OFTEN),
        _E.STATIC: _NOW_STATIC,
        **_ROUTE_ENDS,
    },
    _P: {
        _E.PROOF: _EVIDENCE,
        _E.CLAIM: _EVIDENCE,
        _E.DAD: Transition(_P, Verb.REFRESHED, Reason.AWAITING_DAD),
        _E.ARRIVAL: Transition(_P, Verb.REFRESHED, Reason.ARRIVED),
        _E.ANSWER: _ANSWERED,
        _E.CHALLENGER_CLAIM: Transition(_C, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _E.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _E.SILENCE: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
        _E.STATIC: _NOW_STATIC,
        **_ROUTE_ENDS,
    },
    _C: {
        _E.PROOF: _KEEPS,
        _E.CLAIM: _KEEPS,
        _E.ANSWER: _KEEPS,
        # Neither proves that the incumbent has the address now, so the probes of the challenge go on.
        _E.DAD: Transition(_C, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _E.ARRIVAL: Transition(_C, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _E.THIRD_CLAIM: Transition(_C, Verb.REFUSED, Reason.BEING_DECIDED),
        _E.CHALLENGER_ANSWER: Transition(_V, Verb.MOVED, Reason.INCUMBENT_SILENT),
        _E.CHALLENGER_GONE: Transition(_P, Verb.KEPT, Reason.PORT_GONE),
        _E.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _E.SILENCE: Transition(_P, Verb.KEPT, Reason.RIVAL_SILENT),
        _E.ABANDONED: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
        _E.STATIC: _NOW_STATIC,
        **_ROUTE_ENDS,
    },
    _F: {
        _E.PROOF: Transition(_F, Verb.REFRESHED, Reason.EVIDENCE),
        _E.CLAIM: Transition(_F, Verb.REFRESHED, Reason.EVIDENCE),
        _E.DAD: Transition(_F, Verb.REFRESHED, Reason.AWAITING_DAD),
        _E.ARRIVAL: Transition(_F, Verb.REFRESHED, Reason.ARRIVED),
        _E.ANSWER: Transition(_F, Verb.REFRESHED, Reason.ANSWERED),
        _E.CHALLENGER_CLAIM: Transition(_F, Verb.REFUSED, Reason.MOVED_TOO_OFTEN),
        _E.ANNOUNCEMENT: Transition(_F, Verb.REFUSED, Reason.MOVED_TOO_OFTEN),
        _E.FREEZE_OVER: Transition(_P, Verb.KEPT, Reason.THAWED),
        _E.STATIC: _NOW_STATIC,
        _E.SILENCE: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
        **_ROUTE_ENDS,
    },
    _A: {
        _E.PROOF: _EVIDENCE,
        _E.CLAIM: _EVIDENCE,
        _E.DAD: Transition(_A, Verb.REFRESHED, Reason.AWAITING_DAD),
        _E.ARRIVAL: Transition(_A, Verb.REFRESHED, Reason.ARRIVED),
        _E.ANSWER: _ANSWERED,
        _E.CHALLENGER_CLAIM: Transition(_C, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _E.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _E.SILENCE: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
        _E.STATIC: _NOW_STATIC,
        **_ROUTE_ENDS,
    },
    _S: {
        _E.PROOF: Transition(_S, Verb.REFRESHED, Reason.EVIDENCE),
        _E.CLAIM: Transition(_S, Verb.REFRESHED, Reason.EVIDENCE),
        _E.DAD: Transition(_S, Verb.REFRESHED, Reason.EVIDENCE),
        _E.ARRIVAL: Transition(_S, Verb.REFRESHED, Reason.ARRIVED),
        _E.CHALLENGER_CLAIM: Transition(_S, Verb.REFUSED, Reason.STATIC),
        _E.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _E.MOVED_TOO_OFTEN: Transition(_F, Verb.FROZEN, Reason.MOVED_TOO_OFTEN),
        _E.NOT_STATIC: Transition(_P, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        **_ROUTE_ENDS,
    },
    _D: {
        **_LEARNED,
        _E.ANSWER: Transition(_V, Verb.LEARNED, Reason.ANSWERED),
        _E.CHALLENGER_INHERITS: Transition(_T, Verb.LEARNED, Reason.ARRIVED),
        _E.RETENTION_OVER: Transition(None, Verb.EXPIRED, Reason.FORGOTTEN),
        _E.FLUSHED: Transition(None, Verb.EXPIRED, Reason.FLUSHED),
    },
}

TABLE: dict[tuple[State | None, BindingEvent], Transition] = {
    (state, event): row for state, rows in _ROWS.items() for event, row in rows.items()
}


class ImpossibleTransitionError(Exception):
    """The table has no row for this state and event: a fault of rdnbr, never of a guest."""


def transition(state: State | None, event: BindingEvent) -> Transition:
    """Return the row of a state and an event.

    Raises:
        ImpossibleTransitionError: the table has no such row; nothing was changed.
    """
    try:
        return TABLE[state, event]
    except KeyError:
        raise ImpossibleTransitionError(f"{event} cannot happen in state {state}") from None
