"""When the probes of a state are sent, and in which form.

A probe sequence is a tuple of waits, in seconds: `waits[0]` before the first probe, `waits[n]` between probe n and the
next one, and the last wait between the last probe and the event SILENCE. Each wait starts when its probe was really
sent, so that a stalled or rate-limited process never shortens the time that a guest has for its answer.
"""

from enum import StrEnum
from math import ceil
from zlib import crc32

from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.settings import Timers

_BACKOFF = 1.5
CHALLENGE_PROBES = 3
"""Probes to each side of a conflict."""

BROADCAST_AFTER = 3
"""Unicast probes of a sequence before a broadcast one; of the shorter sequence of a conflict, one. The guest may use
another MAC now, and some hosts answer multicast solicitations only."""

_GRID = 0.5
"""Seconds. Quiet bindings are due on this grid, so that one wake-up probes many of them."""


class Form(StrEnum):
    """How a probe reaches its guest."""

    UNICAST = "unicast"
    BROADCAST = "broadcast"
    """To all hosts on the port; for NDP, to the solicited-node group of the address."""
    ZERO_SENDER = "zero-sender"
    """As BROADCAST; an ARP request comes from 0.0.0.0, unless a guest on the port may be in DAD (`dad_times`)."""


def probing(timers: Timers) -> tuple[float, ...]:
    """Return the waits of PROBING: the first probe at once, the next ones at growing intervals (RFC 7048)."""
    return (0.0, *(timers.probe_retrans * _BACKOFF**n for n in range(timers.probe_count)))


def tentative(timers: Timers) -> tuple[float, ...]:
    """Return the waits of TENTATIVE: short at first, since a guest that has just sent a frame is awake."""
    tenth = timers.tentative / 10
    return (0.0, tenth, tenth * 1.5, tenth * 2.5, tenth * 2.5, tenth * 2.5)


def challenge(timers: Timers) -> tuple[float, ...]:
    """Return the waits of CHALLENGED: three probes to the incumbent, then three to the challenger."""
    step = timers.challenge / CHALLENGE_PROBES
    return (0.0, *(step for _ in range(2 * CHALLENGE_PROBES)))


def waits(state: State, timers: Timers) -> tuple[float, ...]:
    """Return the waits of a state that probes."""
    match state:
        case State.TENTATIVE:
            return tentative(timers)
        case State.CHALLENGED:
            return challenge(timers)
        case State.DEPARTED:  # lost with a port that was only inferred: the guest has as long as an incumbent
            return challenge(timers)[: CHALLENGE_PROBES + 1]
        case _:
            return probing(timers)


def form(state: State, probes_sent: int, timers: Timers) -> Form:
    """Return the form of the probe after `probes_sent` probes: no host is silent that was asked in one form only."""
    match state:
        case State.DEPARTED:  # goes to all ports; only the guest with this MAC is asked
            return Form.UNICAST
        case State.CHALLENGED:
            number, count, unicasts = probes_sent % CHALLENGE_PROBES, CHALLENGE_PROBES, 1
        case _:
            number, count, unicasts = probes_sent, len(waits(state, timers)) - 1, BROADCAST_AFTER
    last = number >= count - 1
    if number < unicasts and not last:
        return Form.UNICAST
    return Form.ZERO_SENDER if last and count > 1 else Form.BROADCAST


def forms(state: State, timers: Timers) -> tuple[Form, ...]:
    """Return the forms of all probes of a state, in their order."""
    return tuple(form(state, probes_sent, timers) for probes_sent in range(len(waits(state, timers))))


def probes_challenger(probes_sent: int) -> bool:
    """Tell whether the next probe of a conflict goes to the challenger; the incumbent is probed first."""
    return probes_sent >= CHALLENGE_PROBES


def spread(binding: Binding) -> float:
    """Return a number in [0, 1) that differs between bindings and between cycles.

    The number is not random: replay must give the same decisions each time.
    """
    return crc32(binding.key.address + binding.cycle.to_bytes(4)) / 2**32


def reprobe_at(binding: Binding, timers: Timers) -> float:
    """Return when a quiet binding is probed: `reprobe` ± 25 % after its last evidence, on the grid."""
    at = binding.last_seen + timers.reprobe * (0.75 + 0.5 * spread(binding))
    return ceil(at / _GRID) * _GRID


def adopt_at(binding: Binding, timers: Timers) -> float:
    """Return when an adopted binding is first probed, so that all its probes fit into `adopt_grace`.

    The grace began when the binding was first adopted, which may have been in an earlier run.
    """
    room = max(0.0, timers.adopt_grace - sum(probing(timers)))
    return binding.since + room * spread(binding)
