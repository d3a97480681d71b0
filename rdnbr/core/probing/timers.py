"""When each binding is looked at next, and asked: all that time brings about, whatever guests do or leave undone.

`schedule` has the plans of questions, `questions` says to whom they go and at what pace.
"""

from collections.abc import Mapping

from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Probe
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.timer_queue import TimerQueue
from rdnbr.core.probing import intervals
from rdnbr.core.probing.prober import Prober

LATE = 1.0
"""Seconds. A deadline judged later than this says more about the node than about the guest."""


class BindingTimers:
    """One deadline for each binding."""

    def __init__(
        self, settings: Settings, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        self._questions = Prober(settings, segments, ports)
        self._deadlines: TimerQueue[Key] = TimerQueue()
        self._timers = settings.timers

    def configure(self, settings: Settings) -> None:
        """Use these settings from the next question on."""
        self._timers = settings.timers
        self._questions.configure(settings)

    def probe(self, now: float, binding: Binding) -> list[Probe]:
        """Put the next question of the binding's state, or wait for the pace to allow one.

        Who waits has one turn: with another for each of its frames a guest would put off its port's next question, and
        with that the verdict on whatever it claims, for as long as it likes.
        """
        if now < binding.wait_until:
            self._deadlines.set(binding.key, binding.wait_until)
            return []
        wait = self._questions.reserve(now, binding)
        if wait > 0:
            binding.wait_until = now + wait
            self._deadlines.set(binding.key, binding.wait_until)
            return []
        probes = list(self._questions.build_probes(binding))
        binding.probes_sent += 1
        if binding.probing_since is None:
            binding.probing_since = now
        self._deadlines.set(
            binding.key, now + intervals.waits(binding.state, self._timers)[binding.probes_sent]
        )
        return probes

    def restart_probes(self, now: float, binding: Binding, *, after_dad: bool) -> list[Probe]:
        """Start the questions of its state anew: at once, or when a DAD that has just begun has ended."""
        binding.probes_sent = 0
        if not after_dad:
            return self.probe(now, binding)
        self._deadlines.set(binding.key, now + self._dad(binding))
        return []

    def end_wait(self, now: float, binding: Binding) -> None:
        """Its next question need not wait for its turn any longer."""
        if now < binding.wait_until:
            binding.wait_until = now
            self._deadlines.set(binding.key, now)

    def schedule_reprobe(self, binding: Binding) -> None:
        """Leave it alone for as long as it may be quiet, or frozen."""
        at = intervals.reprobe_at(binding, self._timers)
        if binding.state is State.FROZEN:
            at = min(at, binding.frozen_until)
        self._deadlines.set(binding.key, at)

    def schedule_adoption(self, binding: Binding) -> None:
        """Ask it within the grace."""
        self._deadlines.set(binding.key, intervals.adopt_at(binding, self._timers))

    def schedule_forget(self, now: float, binding: Binding) -> None:
        """Let it be forgotten when it has been gone for long enough."""
        self._deadlines.set(binding.key, max(now, binding.state_since + self._timers.departed))

    def cancel(self, binding: Binding) -> None:
        """It is no more."""
        self._deadlines.discard(binding.key)

    def port_gone(self, port: int) -> None:
        """A port is gone."""
        self._questions.port_gone(port)

    def pop_due(self, now: float) -> tuple[Key, bool] | None:
        """Return the next binding that is due, and whether it has been for long; None if none is."""
        due = self._deadlines.pop(now)
        return None if due is None else (due[1], now - due[0] > LATE)

    def next_deadline(self) -> float | None:
        """Tell when `pop` has something to return."""
        return self._deadlines.next_deadline()

    def deadline_of(self, binding: Binding) -> float | None:
        """Tell when a binding is looked at next."""
        return self._deadlines.deadline(binding.key)

    def is_quiet(self, now: float, binding: Binding) -> bool:
        """Tell whether nothing was heard of it for so long that it is to be asked."""
        return intervals.reprobe_at(binding, self._timers) <= now

    def all_probes_sent(self, binding: Binding) -> bool:
        """Tell whether all questions of its state were put; more than all, when a reload has made them fewer."""
        return binding.probes_sent >= len(intervals.waits(binding.state, self._timers)) - 1

    def all_ports_probed(self, binding: Binding) -> bool:
        """Tell whether all ports have been asked for an address whose own port keeps silent."""
        return binding.probes_sent > 0 and self._questions.probes_all_ports(binding, binding.probes_sent - 1)

    def is_abandoned(self, now: float, binding: Binding) -> bool:
        """Tell whether a contested binding would have been withdrawn already if there were no rival.

        That it was quiet for so long is not enough: after a stall it was, and has hardly been asked yet.
        """
        questions = sum(intervals.probing(self._timers))
        quiet = now - binding.last_seen > self._timers.reprobe * 1.25 + questions
        return quiet and binding.probing_since is not None and now - binding.probing_since >= questions

    def _dad(self, binding: Binding) -> float:
        """Return how long a DAD in progress is left alone, in seconds."""
        return self._timers.dad_ipv4 if len(binding.key.address) == 4 else self._timers.dad_ipv6
