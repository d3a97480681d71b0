"""The state machine of one binding.

Rules
-----
1. An address follows whoever proves to use it, first come first served (RFC 6620), among those the allowlist permits.
2. Meaning to use an address (an ARP probe, a DAD solicitation) proves nothing: no route comes of it. The address is
   asked once its DAD is over, and its answer makes it VALID. A packet that comes from it proves no more, whatever the
   allowlist says; that address is asked at once.
3. Use proves enough where an allowlist vouches for the claimant: VALID at once, and asked. In open mode nobody
   vouches, so the answer is awaited first.
4. A binding that was quiet is asked; one that stays silent through all questions loses its route. Anything its
   anchor sends is an answer. A question to which the answer may be lost, since nobody listened for a while, or not read
   yet, was not put: all of them are put again.
5. The incumbent is asked first. A rival gets the address only when the incumbent was silent and the rival answers.
   Until then the route stays where it is. A rival that lost is not heard for a while.
6. Who moves too often is FROZEN: the incumbent keeps the address and rivals are not heard until it thaws.
7. What was in the kernel when rdnbr started is ADOPTED: served unchanged, asked, and withdrawn only when silent. Its
   port is surmised to be that of whoever first speaks with its MAC, who may be lying; so before it is withdrawn for
   silence, ever, or passes to a rival, it is asked on all ports, and so it is when that port goes. Of what had a
   neighbour left and no route, the guest is asked, and no route comes of it before the answer.
8. What lost its route is DEPARTED: remembered, so that its MAC is recognised when it shows up again.

States
------
    TENTATIVE   no route   claimed; asked, or waiting for the end of DAD
    VALID       route      evidence is fresh
    PROBING     route      asked, not answered yet
    CHALLENGED  route      a rival claims it; the incumbent is asked, then the rival
    FROZEN      route      as VALID and PROBING, but deaf to rivals
    ADOPTED     route      found in the kernel; asked, not answered yet
    DEPARTED    no route   remembered

`TABLE` is the whole machine: what is not in it does not happen, and `turn` raises. The times are in `schedule`.
"""

from enum import StrEnum
from typing import NamedTuple

from rdnbr.core.model.binding_state import State
from rdnbr.core.model.outputs import Verb
from rdnbr.core.model.reason import Reason


class BindingEvent(StrEnum):
    """What can happen to a binding."""

    PROOF = "proof"
    """Its anchor uses the address, and the allowlist vouches for it."""
    CLAIM = "claim"
    """Its anchor uses the address, or speaks as if; nobody vouches."""
    DAD = "dad"
    """Its anchor means to use the address once nobody objects."""
    ANSWER = "answer"
    """Its anchor answered our question."""
    ARRIVAL = "arrival"
    """The MAC it is remembered with is here (again)."""
    CHALLENGER_CLAIM = "challenger-claim"
    """Another permitted anchor claims the address."""
    CHALLENGER_ANSWER = "challenger-answer"
    """The rival answered our question, after the incumbent had its time."""
    CHALLENGER_GONE = "challenger-gone"
    """The port of the rival is gone."""
    ANNOUNCEMENT = "announcement"
    """Another permitted anchor announces an address whose rule says `vip`."""
    SILENCE = "silence"
    """All questions of this state were put, and none was answered."""
    ABANDONED = "abandoned"
    """Silence, and no evidence for so long that without the rival it would have been withdrawn already."""
    MOVES = "moves"
    """It has just moved, and too often."""
    FOUND = "found"
    """The kernel held it when rdnbr started."""
    DUE = "due"
    """Nothing was heard for a while."""
    THAW = "thaw"
    """It was frozen for long enough."""


class Transition(NamedTuple):
    """What comes of a stimulus."""

    state: State | None
    """The next state; None: the binding is forgotten."""
    verb: Verb | None
    """None: not worth telling anybody."""
    reason: Reason


_T, _V, _P = State.TENTATIVE, State.VALID, State.PROBING
_C, _F, _A, _D = State.CHALLENGED, State.FROZEN, State.ADOPTED, State.DEPARTED
_S = BindingEvent

_EVIDENCE = Transition(_V, Verb.REFRESHED, Reason.EVIDENCE)
_ANSWERED = Transition(_V, Verb.REFRESHED, Reason.ANSWERED)
_LEARNED: dict[BindingEvent, Transition] = {
    _S.PROOF: Transition(_V, Verb.LEARNED, Reason.FIRST_CLAIM),
    _S.CLAIM: Transition(_T, Verb.LEARNED, Reason.AWAITING_ANSWER),
    _S.DAD: Transition(_T, Verb.LEARNED, Reason.AWAITING_DAD),
}
_KEEPS = Transition(_V, Verb.KEPT, Reason.INCUMBENT_ANSWERED)

_ROWS: dict[State | None, dict[BindingEvent, Transition]] = {
    None: {
        **_LEARNED,
        _S.ARRIVAL: Transition(_T, Verb.LEARNED, Reason.ARRIVED),
        _S.FOUND: Transition(_A, Verb.ADOPTED, Reason.FOUND_IN_KERNEL),
    },
    _T: {
        _S.PROOF: Transition(_V, Verb.INSTALLED, Reason.EVIDENCE),
        _S.CLAIM: Transition(_T, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _S.DAD: Transition(_T, Verb.REFRESHED, Reason.AWAITING_DAD),
        _S.ARRIVAL: Transition(_T, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _S.ANSWER: Transition(_V, Verb.INSTALLED, Reason.ANSWERED),
        _S.CHALLENGER_CLAIM: Transition(_T, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _S.CHALLENGER_ANSWER: Transition(_V, Verb.INSTALLED, Reason.ANSWERED),
        _S.ANNOUNCEMENT: Transition(_V, Verb.INSTALLED, Reason.ANNOUNCED),
        _S.SILENCE: Transition(None, Verb.EXPIRED, Reason.SILENT),
    },
    _V: {
        _S.PROOF: _EVIDENCE,
        _S.CLAIM: _EVIDENCE,
        _S.DAD: Transition(_P, Verb.REFRESHED, Reason.AWAITING_DAD),
        _S.ARRIVAL: Transition(_P, Verb.REFRESHED, Reason.ARRIVED),
        _S.CHALLENGER_CLAIM: Transition(_C, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _S.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _S.DUE: Transition(_P, None, Reason.AWAITING_ANSWER),
        _S.MOVES: Transition(_F, Verb.FROZEN, Reason.MOVED_TOO_OFTEN),
    },
    _P: {
        _S.PROOF: _EVIDENCE,
        _S.CLAIM: _EVIDENCE,
        _S.DAD: Transition(_P, Verb.REFRESHED, Reason.AWAITING_DAD),
        _S.ARRIVAL: Transition(_P, Verb.REFRESHED, Reason.ARRIVED),
        _S.ANSWER: _ANSWERED,
        _S.CHALLENGER_CLAIM: Transition(_C, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _S.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _S.SILENCE: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
    },
    _C: {
        _S.PROOF: _KEEPS,
        _S.CLAIM: _KEEPS,
        _S.ANSWER: _KEEPS,
        # Neither proves that the incumbent has the address now: the question stands.
        _S.DAD: Transition(_C, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _S.ARRIVAL: Transition(_C, Verb.REFRESHED, Reason.AWAITING_ANSWER),
        _S.CHALLENGER_CLAIM: Transition(_C, Verb.REFUSED, Reason.BEING_DECIDED),
        _S.CHALLENGER_ANSWER: Transition(_V, Verb.MOVED, Reason.INCUMBENT_SILENT),
        _S.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _S.SILENCE: Transition(_P, Verb.KEPT, Reason.RIVAL_SILENT),
        _S.CHALLENGER_GONE: Transition(_P, Verb.KEPT, Reason.PORT_GONE),
        _S.ABANDONED: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
    },
    _F: {
        _S.PROOF: Transition(_F, Verb.REFRESHED, Reason.EVIDENCE),
        _S.CLAIM: Transition(_F, Verb.REFRESHED, Reason.EVIDENCE),
        _S.DAD: Transition(_F, Verb.REFRESHED, Reason.AWAITING_DAD),
        _S.ARRIVAL: Transition(_F, Verb.REFRESHED, Reason.ARRIVED),
        _S.ANSWER: Transition(_F, Verb.REFRESHED, Reason.ANSWERED),
        _S.CHALLENGER_CLAIM: Transition(_F, Verb.REFUSED, Reason.MOVED_TOO_OFTEN),
        _S.ANNOUNCEMENT: Transition(_F, Verb.REFUSED, Reason.MOVED_TOO_OFTEN),
        _S.THAW: Transition(_P, Verb.KEPT, Reason.THAWED),
        _S.SILENCE: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
    },
    _A: {
        _S.PROOF: _EVIDENCE,
        _S.CLAIM: _EVIDENCE,
        _S.DAD: Transition(_A, Verb.REFRESHED, Reason.AWAITING_DAD),
        _S.ARRIVAL: Transition(_A, Verb.REFRESHED, Reason.ARRIVED),
        _S.ANSWER: _ANSWERED,
        _S.CHALLENGER_CLAIM: Transition(_C, Verb.CHALLENGED, Reason.RIVAL_CLAIM),
        _S.ANNOUNCEMENT: Transition(_V, Verb.MOVED, Reason.ANNOUNCED),
        _S.SILENCE: Transition(_D, Verb.WITHDRAWN, Reason.SILENT),
    },
    _D: {
        **_LEARNED,
        _S.ARRIVAL: Transition(_T, Verb.LEARNED, Reason.ARRIVED),
        _S.SILENCE: Transition(None, Verb.EXPIRED, Reason.FORGOTTEN),
    },
}

TABLE: dict[tuple[State | None, BindingEvent], Transition] = {
    (state, stimulus): turn for state, row in _ROWS.items() for stimulus, turn in row.items()
}


class ImpossibleTransitionError(Exception):
    """A stimulus that the state has no row for: a mistake of ours, never of a guest's."""


def turn(state: State | None, stimulus: BindingEvent) -> Transition:
    """Look up what comes of a stimulus.

    Raises:
        ImpossibleTurnError: the table has no such row; nothing was changed.
    """
    try:
        return TABLE[state, stimulus]
    except KeyError:
        raise ImpossibleTransitionError(f"{stimulus} cannot happen in state {state}") from None
