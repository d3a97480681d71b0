"""Slow discovery: the addresses that the allowlist names are probed on while nobody has them, more and more seldom.

A guest may configure such an address at any time, and then only answer for it. An allowlist may name 20,000 addresses.
So there is one timer for each port, and no state for an address: each round looks up anew which addresses the port may
have and nobody has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, BindingLookup
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Emit
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.policy.policy import Policy
from rdnbr.core.primitives.timer_queue import TimerQueue
from rdnbr.core.probing import slow_probing
from rdnbr.core.probing.intervals import Form
from rdnbr.core.probing.prober import Prober
from rdnbr.core.probing.slow_probing import SlowPace

EFFORT_AT_ONCE = 150
"""Rules looked at and probes sent in one call, some ten milliseconds. A port of which one round looks at more rules has
that round to itself."""

IsNeeded = Callable[[float, Port, Anchor, IP], bool]
"""Tells whether nobody has an address, and the anchor may have it."""


@dataclass(slots=True)
class _Rounds:
    macs: dict[MAC | None, None] = field(default_factory=dict)
    """The MACs that the allowlist names addresses for, as they appeared on the port; None: any guest on it."""
    finished: int = 0
    """Rounds since a guest last arrived."""
    left: list[tuple[IP, MAC]] = field(default_factory=list)
    """What is left to probe in this round, and the MAC to probe; ZERO_MAC: any."""
    has_place: bool = False
    """Whether the next probe has its place in the rate."""


class SlowDiscovery:
    """The rounds of all ports."""

    def __init__(
        self,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
        policy: Policy,
        bindings: BindingLookup,
        prober: Prober,
        pace: SlowPace,
        is_needed: IsNeeded,
        emit: Emit,
    ) -> None:
        self._segments = segments
        self._ports = ports
        self._policy = policy
        self._bindings = bindings
        self._prober = prober
        self._pace = pace
        self._is_needed = is_needed
        self._emit = emit
        self._rounds: dict[int, _Rounds] = {}
        self._timers: TimerQueue[int] = TimerQueue()

    def start(self, now: float, port: Port, mac: MAC | None) -> None:
        """Begin with the first wait again: a guest that the allowlist names addresses for is on a port, or may be."""
        rounds = self._rounds.setdefault(port.index, _Rounds())
        rounds.macs[mac] = None
        # A guest that sends from many MACs is searched for as many of them as the port may have addresses.
        while len(rounds.macs) > self._policy.limits.capacity(port.index):
            del rounds.macs[next(iter(rounds.macs))]
        rounds.finished = 0
        first, due = slow_probing.next_at(now, 0), self._timers.deadline(port.index)
        # A guest that arrives again and again does not postpone the round.
        self._timers.set(port.index, first if due is None else min(due, first))

    def expire_timers(self, now: float) -> None:
        """Send probes that are due, and begin rounds, until that was `EFFORT_AT_ONCE`."""
        effort = 0
        while effort < EFFORT_AT_ONCE and (due := self._timers.pop(now)) is not None:
            effort += self._continue_round(now, self._ports[due[1]])

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: the allowlist names nothing for any port."""
        return self._timers.next_deadline()

    def port_gone(self, port: int) -> None:
        """End the rounds of a port."""
        self._rounds.pop(port, None)
        self._timers.discard(port)

    def _continue_round(self, now: float, port: Port) -> int:
        """Send one probe if its place in the rate has come; return the effort."""
        rounds, effort = self._rounds[port.index], 1
        if not rounds.left:
            effort += self._count_rules(port, rounds)
            rounds.left = self._wanted(now, port, rounds)
        while rounds.left and not self._lacks(now, port, *rounds.left[0]):
            del rounds.left[0]
        if rounds.left:
            at = now if rounds.has_place else self._pace.reserve(now)
            rounds.has_place = at > now
            if rounds.has_place:
                self._timers.set(port.index, at)
                return effort
            self._probe(now, port, *rounds.left.pop(0), rounds.finished)
        if rounds.left:
            self._timers.set(port.index, now)
        else:
            self._timers.set(port.index, slow_probing.next_at(now, rounds.finished + 1))
            rounds.finished += 1
        return effort

    def _count_rules(self, port: Port, rounds: _Rounds) -> int:
        allowlist = self._policy.authorization.allowlist
        if allowlist is None:
            return 0
        return sum(allowlist.count_naming(mac, port.name) for mac in rounds.macs)

    def _wanted(self, now: float, port: Port, rounds: _Rounds) -> list[tuple[IP, MAC]]:
        """Return what to probe in a round: no more addresses than the port may have."""
        allowlist = self._policy.authorization.allowlist
        if allowlist is None:
            return []
        bridge = self._segments[port.segment].name
        of_port = allowlist.rules_naming(None, port.name, bridge)
        free = {rule.prefix.address for rule in of_port if self._is_free(port, rule.prefix.address)}
        wanted: dict[IP, MAC] = {}
        for mac in rounds.macs:
            # A port may have as many MACs as addresses. What is bound already is looked up once for all of them.
            if not free and (mac is None or not allowlist.names_mac(mac)):
                continue
            for rule in allowlist.rules_naming(mac, port.name, bridge):
                to, address = mac or rule.qualifiers.mac or ZERO_MAC, rule.prefix.address
                if rule.static or address in wanted or not self._lacks(now, port, address, to):
                    continue
                if len(wanted) == self._policy.limits.capacity(port.index):
                    return list(wanted.items())
                wanted[address] = to
                free.discard(address)
        return list(wanted.items())

    def _is_free(self, port: Port, address: IP) -> bool:
        """Tell whether nobody has an address, and the port may have one more."""
        binding = self._bindings.get(Key(self._segments[port.segment].table, address))
        is_unbound = binding is None or binding.state is State.DEPARTED
        return is_unbound and self._policy.limits.refuse_full(port.index, address) is None

    def _lacks(self, now: float, port: Port, address: IP, mac: MAC) -> bool:
        """Tell whether an address is to be probed; one that has departed in silence has probes of its own."""
        binding = self._bindings.get(Key(self._segments[port.segment].table, address))
        probed_on = binding is not None and binding.probed_on == port.index
        return not probed_on and self._is_needed(now, port, Anchor(port.index, mac), address)

    def _probe(self, now: float, port: Port, address: IP, mac: MAC, finished: int) -> None:
        form = tuple(Form)[finished % len(Form)]
        segment = self._segments[port.segment]
        probe = self._prober.build_copy(now, segment, port.index, address, mac, form)
        if probe is not None:
            self._emit(probe._replace(guess=True))
