"""When each binding is looked at next, and asked: all that time brings about, whatever guests do or leave undone.

`schedule` has the plans of questions, `questions` says to whom they go and at what pace.
"""

from collections.abc import Mapping

from rdnbr.core import schedule
from rdnbr.core.binding import Binding
from rdnbr.core.deadlines import Deadlines
from rdnbr.core.decision import Probe, State
from rdnbr.core.plan import Key
from rdnbr.core.questions import Questions
from rdnbr.core.settings import Settings
from rdnbr.core.topology import Port, Segment

LATE = 1.0
"""Seconds. A deadline judged later than this says more about the node than about the guest."""


class Agenda:
    """One deadline for each binding."""

    def __init__(
        self, settings: Settings, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        self._questions = Questions(settings, segments, ports)
        self._deadlines: Deadlines[Key] = Deadlines()
        self._timers = settings.timers

    def configure(self, settings: Settings) -> None:
        """Use these settings from the next question on."""
        self._timers = settings.timers
        self._questions.configure(settings)

    def ask(self, now: float, binding: Binding) -> list[Probe]:
        """Put the next question of the binding's state, or wait for the pace to allow one.

        Who waits has one turn: with another for each of its frames a guest would put off its port's next question, and
        with that the verdict on whatever it claims, for as long as it likes.
        """
        if now < binding.turn_at:
            self._deadlines.set(binding.key, binding.turn_at)
            return []
        wait = self._questions.wait(now, binding)
        if wait > 0:
            binding.turn_at = now + wait
            self._deadlines.set(binding.key, binding.turn_at)
            return []
        probes = list(self._questions.put(binding))
        binding.asked += 1
        if binding.asked_since is None:
            binding.asked_since = now
        self._deadlines.set(binding.key, now + schedule.waits(binding.state, self._timers)[binding.asked])
        return probes

    def ask_anew(self, now: float, binding: Binding, *, after_dad: bool) -> list[Probe]:
        """Start the questions of its state anew: at once, or when a DAD that has just begun has ended."""
        binding.asked = 0
        if not after_dad:
            return self.ask(now, binding)
        self._deadlines.set(binding.key, now + self._dad(binding))
        return []

    def hurry(self, now: float, binding: Binding) -> None:
        """Its next question need not wait for its turn any longer."""
        if now < binding.turn_at:
            binding.turn_at = now
            self._deadlines.set(binding.key, now)

    def rest(self, binding: Binding) -> None:
        """Leave it alone for as long as it may be quiet, or frozen."""
        at = schedule.reprobe_at(binding, self._timers)
        if binding.state is State.FROZEN:
            at = min(at, binding.frozen_until)
        self._deadlines.set(binding.key, at)

    def adopt(self, binding: Binding) -> None:
        """Ask it within the grace."""
        self._deadlines.set(binding.key, schedule.adopt_at(binding, self._timers))

    def remember(self, now: float, binding: Binding) -> None:
        """Let it be forgotten when it has been gone for long enough."""
        self._deadlines.set(binding.key, max(now, binding.entered + self._timers.departed))

    def forget(self, binding: Binding) -> None:
        """It is no more."""
        self._deadlines.discard(binding.key)

    def close(self, port: int) -> None:
        """A port is gone."""
        self._questions.close(port)

    def pop(self, now: float) -> tuple[Key, bool] | None:
        """Return the next binding that is due, and whether it has been for long; None if none is."""
        due = self._deadlines.pop(now)
        return None if due is None else (due[1], now - due[0] > LATE)

    def deadline(self) -> float | None:
        """Tell when `pop` has something to return."""
        return self._deadlines.next()

    def due(self, binding: Binding) -> float | None:
        """Tell when a binding is looked at next."""
        return self._deadlines.of(binding.key)

    def is_quiet(self, now: float, binding: Binding) -> bool:
        """Tell whether nothing was heard of it for so long that it is to be asked."""
        return schedule.reprobe_at(binding, self._timers) <= now

    def has_asked_all(self, binding: Binding) -> bool:
        """Tell whether all questions of its state were put; more than all, when a reload has made them fewer."""
        return binding.asked >= len(schedule.waits(binding.state, self._timers)) - 1

    def has_asked_everywhere(self, binding: Binding) -> bool:
        """Tell whether all ports have been asked for an address whose own port keeps silent."""
        return binding.asked > 0 and self._questions.is_wide(binding, binding.asked - 1)

    def is_abandoned(self, now: float, binding: Binding) -> bool:
        """Tell whether a contested binding would have been withdrawn already if there were no rival.

        That it was quiet for so long is not enough: after a stall it was, and has hardly been asked yet.
        """
        questions = sum(schedule.probing(self._timers))
        quiet = now - binding.last_seen > self._timers.reprobe * 1.25 + questions
        return quiet and binding.asked_since is not None and now - binding.asked_since >= questions

    def _dad(self, binding: Binding) -> float:
        """Return how long a DAD in progress is left alone, in seconds."""
        return self._timers.dad_ipv4 if len(binding.key.address) == 4 else self._timers.dad_ipv6
