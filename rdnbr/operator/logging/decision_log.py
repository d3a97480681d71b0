"""The decisions as log lines, so few that no guest can fill a log.

1. `refreshed` and `ignored` are for debugging.
2. A refusal is logged when it is new; the same again (port, reason, address) at most every `QUIET` seconds, with the
   number of times it was not logged.
3. Each port may cause `UNPROVEN` lines of what costs a guest but a frame (refusals, and claims that wait for an answer
   or did not get one), and `LINES` of anything else, in `WINDOW` seconds. The rest is one line at the end of that time,
   with their number.

What is not logged is still counted: `rdnbr show counters` has every frame.
"""

from collections import Counter
from dataclasses import dataclass

from cachetools import LRUCache
from structlog.typing import FilteringBoundLogger

from rdnbr.core.model.address import IP, show_ip, show_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.outputs import Decision, Verb
from rdnbr.core.model.reason import Reason

QUIET = 600.0
"""Seconds"""
WINDOW = 60.0
"""Seconds"""
UNPROVEN = 20
LINES = 300

_REMEMBERED = 4096
"""Refusals known again; the one not seen for longest is forgotten."""

_LEVELS = {
    Verb.REFRESHED: "debug",
    Verb.IGNORED: "debug",
    Verb.CHALLENGED: "warning",
    Verb.KEPT: "warning",
    Verb.REFUSED: "warning",
    Verb.FROZEN: "error",
}
"""All others are `info`."""


@dataclass(slots=True)
class _Refusal:
    logged: float
    """When, in seconds."""
    since: int = 0
    """How often it was refused since then."""


class DecisionLog:
    """An observer that logs. Time is that of the decisions."""

    def __init__(self, logger: FilteringBoundLogger, *, verbose: bool) -> None:
        """Log with `logger`; `verbose` when it also takes what is for debugging."""
        self._logger = logger
        self._verbose = verbose
        self._refusals: LRUCache[tuple[str | None, Reason, IP | None], _Refusal] = LRUCache(_REMEMBERED)
        self._begin = 0.0
        self._lines: Counter[tuple[str | None, bool]] = Counter()
        """Lines wanted in this window, by port and whether they are of what is unproven."""

    def __call__(self, decision: Decision) -> None:
        """Log a decision, or count it."""
        self.log_suppressed(decision.at)
        level = _LEVELS.get(decision.verb, "info")
        if level == "debug":
            if self._verbose:
                self._write(level, decision, 0)
            return
        refused = decision.verb is Verb.REFUSED
        repeated = 0
        if refused:
            known = self._refusals.get((decision.port, decision.reason, decision.address))
            if known is not None and decision.at - known.logged < QUIET:
                known.since += 1
                return
            repeated = known.since if known is not None else 0
        unproven = refused or decision.state is State.TENTATIVE or decision.verb is Verb.EXPIRED
        self._lines[decision.port, unproven] += 1
        if self._lines[decision.port, unproven] > (UNPROVEN if unproven else LINES):
            return
        if refused:
            self._refusals[decision.port, decision.reason, decision.address] = _Refusal(decision.at)
        self._write(level, decision, repeated)

    def log_suppressed(self, now: float) -> None:
        """Say what was left out, when the time for it has come; call it now and then also when nothing happens."""
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
