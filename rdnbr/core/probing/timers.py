"""The timer of each binding: when it is probed next, and when its state ends.

`intervals` has the waits between probes; `prober` builds the probes and limits their rate.
"""

from rdnbr.core.model.binding import Binding, Unsent
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.engine_outputs import Emit, UnsentProbe
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.rule import is_static
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.timer_queue import TimerQueue, earliest
from rdnbr.core.probing import intervals, slow_probing
from rdnbr.core.probing.data_snooping import DataSnooping
from rdnbr.core.probing.prober import Prober
from rdnbr.core.probing.slow_probing import SlowPace

LATE = 1.0
"""Seconds. A timer that is handled later than this shows that the loop was stalled, so answers may be lost."""

UNSENT_RETRY = 1.0
"""Seconds after which a probe is tried again that the port did not take."""

_CERTAIN_AFTER = 3
"""Probes sent for an adopted binding when all ports were silent to one: the first may go to a single port."""

NO_GATEWAY_RETRY = 60.0
"""Seconds after which a probe is tried again for which there was no gateway address. The return of the address ends
this wait at once; so the number of waiting bindings does not matter."""


class BindingTimers:
    """One timer for each binding."""

    def __init__(
        self, settings: Settings, prober: Prober, slow_pace: SlowPace, snooping: DataSnooping, emit: Emit
    ) -> None:
        self._use_timers(settings)
        self._prober = prober
        self._slow_pace = slow_pace
        self._snooping = snooping
        self._emit = emit
        self._queue: TimerQueue[Key] = TimerQueue()
        self._without_gateway: dict[Key, None] = {}
        """Bindings that wait for a gateway address, in the order in which they began to wait."""
        self._to_resume: dict[Key, float] = {}
        """Those that are to be probed, and since when: a gateway address is back."""

    def configure(self, settings: Settings) -> None:
        """Use other intervals and rates from the next probe on."""
        self._use_timers(settings)
        self._prober.configure(settings)
        self._slow_pace.configure(settings)

    def probe(self, now: float, binding: Binding) -> None:
        """Send the next probe of the state, or wait until the rate limiter has a token.

        A binding that waits for the rate limiter keeps its place. A new place for each frame would let a guest postpone
        its own verification for ever, and with it the decision on whatever it claims.
        """
        if now < binding.wait_until:
            self._set(binding.key, binding.wait_until)
            return
        if self._prober.lacks_gateway(binding):
            self._hold(binding, Unsent.NO_GATEWAY, now + NO_GATEWAY_RETRY)
            self._await_gateway(binding)
            return
        wait = self._prober.reserve(now, binding)
        if wait > 0:
            binding.wait_until = now + wait
            self._set(binding.key, binding.wait_until)
            return
        for probe in self._prober.build_probes(now, binding):
            self._emit(probe)
        binding.unsent = None
        binding.probes_sent += 1
        if binding.probing_since is None:
            binding.probing_since = now
        waits = self._waits[binding.state]
        at = now + waits[binding.probes_sent]
        if self.all_probes_sent(binding):
            if binding.state is State.ADOPTED and binding.probing_since < binding.state_since:
                # An earlier run began the sequence, and the guest has had most of the time for its answer.
                at = max(now + waits[1], min(at, binding.probing_since + sum(waits)))
        else:
            at = max(at, min(at + waits[binding.probes_sent + 1], self._prober.postpones_until(binding)))
        self._set(binding.key, at)
        port = binding.likely_port
        if port is not None and self.awaits_packet(binding):
            self._snooping.await_source(port, binding.key.address, at)

    def probe_once_more(self, now: float, binding: Binding) -> None:
        """Send the next probe of a binding beside its sequence, which goes on as if this probe had not been sent."""
        for probe in self._prober.build_probes(now, binding):
            self._emit(probe)

    def probe_slowly(self, now: float, binding: Binding) -> None:
        """Send the next probe of a DEPARTED binding that is probed on, or wait for its place in the rate."""
        has_place = binding.wait_until > binding.state_since
        at = now if has_place else self._slow_pace.reserve(now)
        if at > now:
            binding.wait_until = at
            self._set(binding.key, at)
            return
        binding.wait_until = binding.state_since
        probe = self._prober.build_slow_probe(now, binding)
        if probe is not None:
            self._emit(probe)
            binding.probes_sent += 1
        self.schedule_slow_probe(now, binding)
        if probe is None:
            self._await_gateway(binding)

    def schedule_slow_probe(self, now: float, binding: Binding) -> None:
        """Probe a DEPARTED binding later."""
        self._set(binding.key, slow_probing.next_at(now, binding.probes_sent))

    def await_answers(self, now: float, binding: Binding, seconds: float, *, ask: bool) -> None:
        """Judge no silence within some seconds, since claims are being collected; `ask`: all ports, besides."""
        if ask:
            self.probe_once_more(now, binding)
        due = self.deadline_of(binding)
        if due is not None and due < now + seconds:
            self._set(binding.key, now + seconds)

    def probe_again_later(self, now: float, binding: Binding) -> None:
        """Begin the sequence of a binding anew after `reprobe`."""
        binding.probes_sent = 0
        binding.probing_since = None
        self._set(binding.key, now + self.settings.reprobe)

    def restart_probes(self, now: float, binding: Binding, *, after_dad: bool) -> None:
        """Start the probe sequence of the state: at once, or after a DAD that has just begun has ended."""
        binding.probes_sent = 0
        if after_dad:
            self._set(binding.key, now + self._dad(binding))
        else:
            self.probe(now, binding)

    def probe_unsent(self, now: float, binding: Binding) -> None:
        """Handle that the port of the anchor did not take a probe: it was none, and the sequence starts again.

        While a TENTATIVE binding has a challenger, the anchor may keep its port from taking frames only to delay the
        challenger. It has no route to lose.
        """
        is_probed = binding.state in WITH_ROUTE and binding.state is not State.STATIC
        if is_probed or (binding.state is State.TENTATIVE and binding.challenger is None):
            self._hold(binding, Unsent.PORT, now + UNSENT_RETRY)

    def segment_changed(self, now: float, before: Segment | None, segment: Segment) -> None:
        """Probe what waits for a gateway address that is back now, as fast as the rate of probes permits."""
        if before is None or not segment.has_more_gateways_than(before):
            return
        self._to_resume |= dict.fromkeys(self._without_gateway, now)
        self._without_gateway = {}

    def end_wait(self, now: float, binding: Binding) -> None:
        """Let the next probe no longer wait for the rate limiter."""
        if now < binding.wait_until:
            binding.wait_until = now
            self._set(binding.key, now)

    def schedule_reprobe(self, binding: Binding) -> None:
        """Probe the binding when it has been quiet for `reprobe`; a frozen one no later than its freeze ends."""
        at = intervals.reprobe_at(binding, self.settings)
        if binding.state is State.FROZEN:
            at = binding.frozen_until if is_static(binding.rule) else min(at, binding.frozen_until)
        self._set(binding.key, at)

    def schedule_adoption(self, binding: Binding) -> None:
        """Probe an adopted binding within `adopt_grace`."""
        self._set(binding.key, intervals.adopt_at(binding, self.settings))

    def probe_adopted_by(self, at: float, binding: Binding) -> None:
        """Probe an adopted binding at `at`, unless it is due before."""
        self._set(binding.key, min(at, intervals.adopt_at(binding, self.settings)))

    def resume_probes(self, now: float, binding: Binding, probes_sent: int, since: float) -> None:
        """Go on with the probe sequence of an adopted binding that an earlier run began at `since`.

        The sequence must be recent. Its last probe is sent again, since no run withdraws a route without a probe of its
        own.
        """
        waits = self._waits[State.ADOPTED]
        if now - since <= self.settings.adopt_grace + sum(waits):
            binding.probes_sent = min(probes_sent, len(waits) - 2)
            binding.probing_since = since if binding.probes_sent else None

    def schedule_forget(self, now: float, binding: Binding, *, since: float | None = None) -> None:
        """Forget a DEPARTED binding `departed` seconds after it departed, or after `since`."""
        if since is None:
            since = binding.state_since
        self._set(binding.key, max(now, since + self.settings.departed))

    def retry(self, key: Key, at: float) -> None:
        """Let the timer of a binding expire at `at`, for its handling has failed."""
        self._set(key, at)

    def cancel(self, key: Key) -> None:
        """Stop the timer of a binding, which is forgotten or handled."""
        self._without_gateway.pop(key, None)
        self._to_resume.pop(key, None)
        self._queue.discard(key)

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex)."""
        self._prober.port_gone(port)

    def pop_due(self, now: float) -> tuple[Key, bool] | None:
        """Return the next binding that is due, and whether it is handled late; None: none is due."""
        if self._to_resume:
            key = next(iter(self._to_resume))
            self.cancel(key)
            return key, False
        due = self._queue.pop(now)
        return None if due is None else (due[1], now - due[0] > LATE)

    def next_deadline(self) -> float | None:
        """Return when the next binding is due; None: there is none."""
        return earliest(self._queue.next_deadline(), next(iter(self._to_resume.values()), None))

    def deadline_of(self, binding: Binding) -> float | None:
        """Return when a binding is due."""
        return self._to_resume.get(binding.key, self._queue.deadline(binding.key))

    def is_quiet(self, now: float, binding: Binding) -> bool:
        """Tell whether the last evidence is so old that the binding is to be probed."""
        return intervals.reprobe_at(binding, self.settings) <= now

    def all_probes_sent(self, binding: Binding) -> bool:
        """Tell whether all probes of the state were sent; after a reload with fewer probes, more than all."""
        return binding.probes_sent >= len(self._waits[binding.state]) - 1

    def all_ports_probed(self, binding: Binding) -> bool:
        """Tell whether the last probe went to all ports of the segment, since the binding's own port is silent."""
        return binding.probes_sent > 0 and self._prober.probes_all_ports(binding, binding.probes_sent - 1)

    def awaits_packet(self, binding: Binding) -> bool:
        """Tell whether a guest has left a probe unanswered, so that an IP packet from its address counts as well.

        If its port is not certain, all ports must have been probed before, so that the owner on another one has had
        its time: the packet may come from the guest that forged the frame from which the port was inferred.
        """
        sent = binding.probes_sent
        if binding.state not in (State.PROBING, State.CHALLENGED, State.FROZEN, State.ADOPTED):
            return False
        if binding.anchor.port is None:
            return sent >= _CERTAIN_AFTER
        if binding.port_inferred:
            return sent >= 2 and self._prober.probes_all_ports(binding, sent - 2)
        return sent >= 2 or (sent > 0 and self.all_probes_sent(binding))

    def is_abandoned(self, now: float, binding: Binding) -> bool:
        """Tell whether a CHALLENGED binding would have been withdrawn already if it had no challenger.

        Its silence alone is not enough: after a stall the last evidence is old although hardly a probe was sent.
        """
        sequence = sum(intervals.probing(self.settings))
        quiet = now - binding.last_seen > self.settings.reprobe * 1.25 + sequence
        return quiet and binding.probing_since is not None and now - binding.probing_since >= sequence

    def _use_timers(self, settings: Settings) -> None:
        self.settings = settings.timers
        self._waits = {state: intervals.waits(state, settings.timers) for state in State}

    def _set(self, key: Key, at: float) -> None:
        self._without_gateway.pop(key, None)
        self._to_resume.pop(key, None)
        self._queue.set(key, at)

    def _await_gateway(self, binding: Binding) -> None:
        self._without_gateway[binding.key] = None
        self._emit(UnsentProbe(binding.segment, binding.key.address))

    def _hold(self, binding: Binding, why: Unsent, until: float) -> None:
        """Begin the sequence again at `until`; probes from before are too old by then to count."""
        binding.unsent = why
        binding.probes_sent = 0
        binding.probing_since = None
        self._set(binding.key, until)

    def _dad(self, binding: Binding) -> float:
        """Return the seconds for which the address of a DAD is not probed."""
        return self.settings.dad_ipv4 if len(binding.key.address) == 4 else self.settings.dad_ipv6
