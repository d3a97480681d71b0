"""Writes decisions to the log, with limits, so that no guest can fill the log.

1. `refreshed` and `ignored` are logged at the level `debug`, and so is each route of a port that flaps. The port
   itself is logged, once when its routes are held back, and once when they are held back no more.
2. A new refusal is logged at once. The same refusal (port, reason, address) is logged again at most every `QUIET`
   seconds, with the number of repetitions that were left out. So are claims that were collected, and addresses that
   stay as they are since several guests answer for them: two guests may answer every probe for ever.
3. In `WINDOW` seconds, each port may cause `UNPROVEN` lines that cost a guest only a frame each (refusals, and claims
   that wait for an answer or got none), and `LINES` other lines. One line at the end of the window gives the number of
   the others.

Decisions that are not logged are still counted: `rdnbr show counters` counts every frame.
"""

from collections import Counter
from dataclasses import dataclass

from cachetools import LRUCache
from structlog.typing import FilteringBoundLogger

from rdnbr.core.model.address import IP, show_ip, show_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.reason import Reason

QUIET = 600.0
"""Seconds"""
WINDOW = 60.0
"""Seconds"""
UNPROVEN = 20
LINES = 300

_REMEMBERED = 4096
"""Number of such decisions remembered; the least recently used is forgotten first."""

_LEVELS = {
    Verb.REFRESHED: "debug",
    Verb.IGNORED: "debug",
    Verb.CHALLENGED: "warning",
    Verb.KEPT: "warning",
    Verb.REFUSED: "warning",
    Verb.HELD: "warning",
    Verb.RELEASED: "warning",
    Verb.FROZEN: "error",
}
"""All other decisions have the level `info`."""

_REPEATED = frozenset({Reason.COLLECTED, Reason.SEVERAL_ANSWERS})
"""Reasons of decisions that repeat as refusals do."""


@dataclass(slots=True)
class _Repetition:
    logged: float
    """When it was last logged, in seconds."""
    since: int = 0
    """Repetitions since then."""


class DecisionLog:
    """An observer that logs decisions. Times are those of the decisions."""

    def __init__(self, logger: FilteringBoundLogger, *, verbose: bool) -> None:
        """Log with `logger`. `verbose`: whether `logger` accepts the level `debug`."""
        self._logger = logger
        self._verbose = verbose
        self._repetitions: LRUCache[tuple[str | None, Reason, IP | None], _Repetition] = LRUCache(_REMEMBERED)
        self._begin = 0.0
        self._lines: Counter[tuple[str | None, bool]] = Counter()
        """Lines in this window, including those left out, by port and whether they are about unproven claims."""

    def __call__(self, decision: Decision, _frame: bytes | None = None) -> None:
        """Log a decision, or count it."""
        self.log_suppressed(decision.at)
        level = _LEVELS.get(decision.verb, "info")
        if decision.reason is Reason.DAMPED and decision.address is not None:
            level = "debug"
        if level == "debug":
            if self._verbose:
                self._write(level, decision, 0)
            return
        repeats = decision.verb is Verb.REFUSED or decision.reason in _REPEATED
        repeated = 0
        if repeats:
            known = self._repetitions.get((decision.port, decision.reason, decision.address))
            if known is not None and decision.at - known.logged < QUIET:
                known.since += 1
                return
            repeated = known.since if known is not None else 0
        unproven = repeats or decision.state is State.TENTATIVE or decision.verb is Verb.EXPIRED
        self._lines[decision.port, unproven] += 1
        if self._lines[decision.port, unproven] > (UNPROVEN if unproven else LINES):
            return
        if repeats:
            self._repetitions[decision.port, decision.reason, decision.address] = _Repetition(decision.at)
        self._write(level, decision, repeated)

    def log_suppressed(self, now: float) -> None:
        """If the window is over, log how many lines were left out. Call it regularly, also without decisions."""
        if now - self._begin < WINDOW:
            return
        for (port, unproven), lines in sorted(self._lines.items(), key=str):
            more = lines - (UNPROVEN if unproven else LINES)
            if more > 0:
                what = "refusals and unproven claims" if unproven else "decisions"
                sentence = f"… {more:,} more {what} on {port} in the last {now - self._begin:.0f} s"
                self._logger.warning(sentence, port=port, more=more)
        self._lines.clear()
        self._begin = now

    def _write(self, level: str, decision: Decision, repeated: int) -> None:
        facts: dict[str, str | int] = {}
        if decision.address is not None:
            facts["address"] = show_ip(decision.address)
        if decision.mac is not None:
            facts["mac"] = show_mac(decision.mac)
        if decision.port is not None:
            facts["port"] = decision.port
        facts["reason"] = decision.reason.value
        if decision.state is not None:
            facts["state"] = decision.state.value
        if decision.rule is not None:
            facts["rule"] = decision.rule
        if decision.challenger is not None:
            if decision.challenger.mac is not None:
                facts["rival_mac"] = show_mac(decision.challenger.mac)
            if decision.challenger.port is not None:
                facts["rival_port"] = decision.challenger.port
        if repeated:
            facts["repeated"] = repeated
        getattr(self._logger, level)(decision.verb.value, **facts)
