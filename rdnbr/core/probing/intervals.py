"""When the questions of a state are put.

A plan of questions is a row of waits: `waits[0]` before the first question, `waits[n]` between question n and
the next, and the last one between the last question and the verdict "silent". Each wait starts when the question
was really put, so that a stalled or paced process never shortens the time a guest has to answer.
"""

from math import ceil
from zlib import crc32

from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.settings import Timers

_BACKOFF = 1.5
CHALLENGES = 3
"""Questions to each side of a challenge."""

_GRID = 0.5
"""Seconds. Quiet bindings fall due on this grid, so that one wake-up asks many."""


def probing(timers: Timers) -> tuple[float, ...]:
    """Ask at once, then ever more patiently (RFC 7048)."""
    return (0.0, *(timers.probe_retrans * _BACKOFF**n for n in range(timers.probe_count)))


def tentative(timers: Timers) -> tuple[float, ...]:
    """Ask at once, often at first: a guest that has just spoken is awake."""
    tenth = timers.tentative / 10
    return (0.0, tenth, tenth * 1.5, tenth * 2.5, tenth * 2.5, tenth * 2.5)


def challenge(timers: Timers) -> tuple[float, ...]:
    """Ask the incumbent three times, then the rival three times."""
    step = timers.challenge / CHALLENGES
    return (0.0, *(step for _ in range(2 * CHALLENGES)))


def waits(state: State, timers: Timers) -> tuple[float, ...]:
    """Return the plan of questions of a state that asks."""
    match state:
        case State.TENTATIVE:
            return tentative(timers)
        case State.CHALLENGED:
            return challenge(timers)
        case State.DEPARTED:  # with a port where it was only surmised: its owner has as long as any incumbent
            return challenge(timers)[: CHALLENGES + 1]
        case _:
            return probing(timers)


def probes_challenger(asked: int) -> bool:
    """Tell whether the next question of a challenge goes to the rival; the incumbent was asked first."""
    return asked >= CHALLENGES


def spread(binding: Binding) -> float:
    """Return a number in [0, 1) that differs from binding to binding and from time to time, yet is no chance.

    Replay must give the same decisions each time, so nothing here is random.
    """
    return crc32(binding.key.address + binding.cycle.to_bytes(4)) / 2**32


def reprobe_at(binding: Binding, timers: Timers) -> float:
    """Tell when a quiet binding is to be asked: `reprobe` ± 25 % after its last evidence, on the grid."""
    at = binding.last_seen + timers.reprobe * (0.75 + 0.5 * spread(binding))
    return ceil(at / _GRID) * _GRID


def adopt_at(binding: Binding, timers: Timers) -> float:
    """Tell when an adopted binding is first asked, so that the grace suffices for all its questions."""
    room = max(0.0, timers.adopt_grace - sum(probing(timers)))
    return binding.state_since + room * spread(binding)
