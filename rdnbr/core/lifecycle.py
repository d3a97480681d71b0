"""The lives of bindings: turns of the machine, and what each of them sets going.

`machine` says what state comes next, `agenda` when it is looked at again, `metrics` how its route is marked; here the
consequences are carried out: what is told, and what the kernel should hold.
"""

from collections import OrderedDict
from collections.abc import Mapping

from rdnbr.core import machine
from rdnbr.core.address import ZERO_MAC
from rdnbr.core.agenda import Agenda
from rdnbr.core.binding import Anchor, Binding
from rdnbr.core.bindings import Bindings
from rdnbr.core.decision import Decision, Output, Rival, State, Verb, Want
from rdnbr.core.machine import Stimulus, Turn
from rdnbr.core.metrics import Metrics
from rdnbr.core.plan import Host, Key
from rdnbr.core.quarantine import Quarantine
from rdnbr.core.reason import Reason
from rdnbr.core.settings import Settings
from rdnbr.core.topology import Port, Segment

DEPARTED = 4096
"""Departed bindings remembered; the one that departed first is forgotten first."""


class Lifecycle:
    """Every binding, from its first claim until it is forgotten."""

    def __init__(
        self, settings: Settings, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        self.bindings = Bindings()
        self.quarantine = Quarantine()
        self.agenda = Agenda(settings, segments, ports)
        self.metrics = Metrics(settings, self.bindings)
        self.outputs: list[Output] = []
        """What came of the present event; the engine takes it."""
        self._ports = ports
        self._departed: OrderedDict[Key, None] = OrderedDict()
        self._timers = settings.timers

    def configure(self, now: float, settings: Settings) -> None:
        """Use these settings from the next question on."""
        self._timers = settings.timers
        self.metrics.configure(now, settings)
        self.agenda.configure(settings)

    def turn(
        self,
        now: float,
        binding: Binding,
        stimulus: Stimulus,
        *,
        fresh: bool = False,
        rival: Rival | None = None,
    ) -> Turn:
        """Apply one stimulus: change the state, tell of it, and do what the new state asks for.

        `fresh` marks a binding that was not in the table before this event; `rival` is who has just ceased to
        contend for it.
        """
        before = None if fresh else binding.state
        came = machine.turn(before, stimulus)
        if came.state is None:
            self.forget(now, binding, came.verb, came.reason)
            return came
        if fresh:
            self.bindings.add(binding)
        self._become(binding, came.state)
        if came.verb is not Verb.REFUSED:  # of the rival that is refused, the court tells
            self.tell(now, binding, came.verb, came.reason, binding.state, rival)
        self._want(now, binding, before, came)
        if came.state is not before:
            self._enter(now, binding, stimulus)
            if binding.state is State.VALID and before not in machine.WITH_ROUTE and not binding.answered:
                self.turn(now, binding, Stimulus.DUE)
        return came

    def evidence(self, now: float, binding: Binding, *, answered: bool) -> None:
        """Its anchor shows that it has the address, `answered` when in reply to a question."""
        binding.last_seen = now
        binding.asked_since = None
        if binding.state is State.FROZEN:
            binding.asked = 0
        if answered:
            binding.answered = True
            self.quarantine.release(binding.key, binding.anchor)
        rival = binding.rival
        # Who was asked for on all ports may be the very rival.
        if binding.state is State.CHALLENGED and rival is not None and rival != binding.anchor:
            self._dismiss(now, binding, rival, self._timers.quarantine, defends=True)

    def _dismiss(self, now: float, binding: Binding, rival: Anchor, first: float, *, defends: bool) -> None:
        """Do not hear a rival that lost, nor others on its port; the incumbent's own port must stay heard."""
        source = rival if rival.port == binding.anchor.port else rival.port
        self.quarantine.put(now, binding.key, source, first, defends=defends)

    def arrive(self, now: float, binding: Binding) -> None:
        """Its guest has come to where it is now: its route leads there, and bears the time of that."""
        self.metrics.arrived(now, binding)
        self._install(binding)

    def surmised(self, port: int, size: int) -> int:
        """Return how many adopted addresses of `size` bytes are surmised to be on a port."""
        return sum(found.surmised and len(found.key.address) == size for found in self.bindings.on_port(port))

    def unplace(self, binding: Binding) -> None:
        """Where an adopted binding is was only surmised, and is in doubt now: it is asked everywhere."""
        self.bindings.move(binding, Anchor(None, binding.anchor.mac))
        binding.surmised = False

    def place(self, binding: Binding, anchor: Anchor) -> None:
        """An adopted binding is heard for the first time: now its anchor is known whole."""
        known = binding.anchor.mac == anchor.mac
        self.bindings.move(binding, anchor)
        binding.surmised = True
        if not known:
            self._install(binding)

    def relocate(self, now: float, binding: Binding, anchor: Anchor, segment: int) -> None:
        """Give a binding to another anchor, of which it knows nothing yet."""
        # A liar's port may go and return, but it is no less a liar's by that.
        binding.surmised &= binding.anchor.mac == anchor.mac
        self.bindings.move(binding, anchor)
        binding.segment = segment
        binding.rival = None
        binding.answered = False
        binding.since = binding.last_seen = now
        binding.asked_since = None

    def depart(self, now: float, binding: Binding, reason: Reason) -> None:
        """Its anchor is gone: no route any more, but remembered. A tentative one leaves nothing to remember."""
        if binding.state not in machine.WITH_ROUTE:
            self.forget(now, binding, Verb.EXPIRED, reason)
            return
        rival, rival_segment = binding.rival, binding.rival_segment
        self.outputs.append(Want(binding.key, None))
        self._become(binding, State.DEPARTED)
        self.tell(now, binding, Verb.WITHDRAWN, reason, binding.state)
        self._enter(now, binding, Stimulus.SILENCE)
        if rival is not None and rival.port != binding.anchor.port and rival.port in self._ports:
            # It claimed the address while the incumbent was there; now nobody stands in its way.
            self.relocate(now, binding, rival, rival_segment)
            self.turn(now, binding, Stimulus.ARRIVAL)
        elif binding.surmised and reason is Reason.PORT_GONE:
            # Whoever spoke first and then took its link down may have lied: let the owner, wherever it is, speak.
            self.outputs += self.agenda.ask(now, binding)
        else:
            binding.surmised = False

    def forget(self, now: float, binding: Binding, verb: Verb | None, reason: Reason) -> None:
        """Remove a binding, and its route if it has one."""
        if binding.state in machine.WITH_ROUTE:
            self.outputs.append(Want(binding.key, None))
        self._departed.pop(binding.key, None)
        self.agenda.forget(binding)
        self.bindings.remove(binding.key)
        self.quarantine.lose_incumbent(binding.key)
        self.tell(now, binding, verb, reason, None)

    def tell(
        self,
        now: float,
        binding: Binding,
        verb: Verb | None,
        reason: Reason,
        state: State | None,
        rival: Rival | None = None,
    ) -> None:
        """Tell what was decided of a binding, which is in `state` now; with no verb nobody is told.

        Its present rival is named, or `rival` in place of that.
        """
        if verb is None:
            return
        if rival is None and binding.rival is not None:
            rival = self.named(binding.rival)
        port = self._ports.get(binding.anchor.port or 0)
        self.outputs.append(
            Decision(
                now,
                verb,
                reason,
                binding.key.address,
                binding.anchor.mac,
                port.name if port else None,
                state,
                binding.rule.where if binding.rule else None,
                rival,
            )
        )

    def named(self, anchor: Anchor) -> Rival:
        """Name an anchor as decisions do."""
        port = self._ports.get(anchor.port or 0)
        return Rival(None if anchor.mac == ZERO_MAC else anchor.mac, port.name if port else None)

    def judge(self, now: float, *, unread: bool) -> None:
        """Judge every deadline that is due; while there are frames `unread`, none for silence."""
        while (due := self.agenda.pop(now)) is not None:
            key, late = due
            binding = self.bindings.get(key)
            assert binding is not None
            self._judge(now, binding, deaf=late or unread)

    def may_renew(self, now: float, binding: Binding) -> bool:
        """Tell whether a binding whose guest announces itself gets a later stamp."""
        return binding.state in machine.WITH_ROUTE and self.metrics.may_renew(now, binding)

    def renew(self, now: float, binding: Binding) -> None:
        """Its guest, which may have been on another node, announces itself: it has arrived again."""
        self.metrics.renew(now, binding)
        self._install(binding)
        self.tell(now, binding, Verb.INSTALLED, Reason.RENEWED, binding.state)

    def review(self, now: float) -> None:
        """Give routes that stay another metric where they should have one."""
        for binding in self.metrics.reviewed(now):
            self._install(binding)

    def _judge(self, now: float, binding: Binding, *, deaf: bool) -> None:
        match binding.state:
            case State.DEPARTED if binding.surmised:
                self._seek(now, binding)
                return
            case State.DEPARTED:
                self.turn(now, binding, Stimulus.SILENCE)
                return
            case State.FROZEN if now >= binding.frozen_until:
                self.turn(now, binding, Stimulus.THAW)
                return
            case State.VALID | State.FROZEN if binding.asked == 0:
                self._judge_quiet(now, binding)
                return
            case _:
                pass
        if deaf and binding.asked:
            # Its answer may have been lost while nobody listened, or wait to be read.
            binding.asked = 0
            binding.asked_since = None
        if self.agenda.has_asked_all(binding):
            self._silence(now, binding)
        else:
            self.outputs += self.agenda.ask(now, binding)

    def _seek(self, now: float, binding: Binding) -> None:
        """Go on asking all ports for what went with a port where it may never have been."""
        if self.agenda.has_asked_all(binding):
            binding.surmised = False
            self.agenda.remember(now, binding)
        else:
            self.outputs += self.agenda.ask(now, binding)

    def _judge_quiet(self, now: float, binding: Binding) -> None:
        if not self.agenda.is_quiet(now, binding):
            self.agenda.rest(binding)
            return
        binding.cycle += 1
        if binding.state is State.FROZEN:
            self.outputs += self.agenda.ask(now, binding)
        else:
            self.turn(now, binding, Stimulus.DUE)

    def _silence(self, now: float, binding: Binding) -> None:
        rival = binding.rival
        if binding.state is State.CHALLENGED:
            assert rival is not None
            self._dismiss(now, binding, rival, self._timers.unproven, defends=False)
            abandoned = self.agenda.is_abandoned(now, binding)
            self.turn(now, binding, Stimulus.ABANDONED if abandoned else Stimulus.SILENCE)
            return
        if not binding.answered:
            for port in {anchor.port: None for anchor in (binding.anchor, rival) if anchor}:
                self.quarantine.put(now, binding.key, port, self._timers.unproven)
        binding.surmised = False  # it was asked everywhere
        self.turn(now, binding, Stimulus.SILENCE)

    def _become(self, binding: Binding, state: State) -> None:
        self.bindings.become(binding, state)
        if state is State.DEPARTED:
            self._departed[binding.key] = None
            self.quarantine.lose_incumbent(binding.key)
        else:
            self._departed.pop(binding.key, None)

    def _enter(self, now: float, binding: Binding, stimulus: Stimulus) -> None:
        """Set going what a state does on its own."""
        binding.entered = now
        binding.asked = 0
        binding.turn_at = now
        if binding.state is not State.CHALLENGED:
            binding.rival = None
        match binding.state:
            case State.TENTATIVE | State.PROBING:
                self.outputs += self.agenda.ask_anew(now, binding, after_dad=stimulus is Stimulus.DAD)
            case State.VALID | State.FROZEN:
                self.agenda.rest(binding)
            case State.CHALLENGED:
                self.outputs += self.agenda.ask(now, binding)
            case State.ADOPTED:
                self.agenda.adopt(binding)
            case State.DEPARTED:
                binding.refused = None
                self.agenda.remember(now, binding)
                if len(self._departed) > DEPARTED:
                    oldest = self.bindings.get(next(iter(self._departed)))
                    assert oldest is not None
                    self.forget(now, oldest, Verb.EXPIRED, Reason.FORGOTTEN)

    def _want(self, now: float, binding: Binding, before: State | None, came: Turn) -> None:
        had, has = before in machine.WITH_ROUTE, binding.state in machine.WITH_ROUTE
        if has and not had:
            if binding.state is State.ADOPTED:
                self._install(binding)  # as it was found
            else:
                self.arrive(now, binding)
            if came.verb not in (Verb.INSTALLED, Verb.ADOPTED):
                self.tell(now, binding, Verb.INSTALLED, came.reason, binding.state)
        elif had and not has:
            self.outputs.append(Want(binding.key, None))

    def _install(self, binding: Binding) -> None:
        key = binding.key
        mac = None if binding.anchor.mac == ZERO_MAC else binding.anchor.mac
        self.outputs.append(Want(key, Host(key, binding.segment, mac, binding.metric)))
