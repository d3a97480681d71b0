"""Asks after addresses that the allowlist names for a guest, and that nobody has claimed.

A guest may keep silent for long: after a migration it is its hypervisor that speaks, by RARP, and names no address; and
a guest with a fixed address and nothing to say sends nothing at all. Whose address it would be, the allowlist knows.

Nothing is believed, refused or held against anybody because of a question; the answer is a claim as any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, BindingLookup
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Probe
from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.policy.quarantine import Quarantine
from rdnbr.core.primitives.port_buckets import PortBuckets
from rdnbr.core.primitives.timer_queue import TimerQueue
from rdnbr.core.primitives.token_bucket import TokenBucket
from rdnbr.core.wire import probe_frames

WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds after each question. A guest that was just resumed may need a moment, one that boots needs longer and then
speaks itself."""


@dataclass(slots=True)
class _Search:
    mac: MAC
    """Who is asked; ZERO_MAC: whoever is there."""
    probes_sent: int = 0


class Discovery:
    """The questions under way."""

    def __init__(
        self,
        settings: Settings,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
        law: Authorization,
        limits: PortLimits,
        bindings: BindingLookup,
        quarantine: Quarantine,
    ) -> None:
        self._segments = segments
        self._ports = ports
        self._authorization = law
        self._limits = limits
        self._bindings = bindings
        self._quarantine = quarantine
        self._of_port: dict[int, dict[IP, _Search]] = {}
        self._deadlines: TimerQueue[tuple[int, IP]] = TimerQueue()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Ask at the pace of these settings from now on."""
        self._rate = rate = settings.limits.probes_per_second
        self._pace = TokenBucket(rate, max(1.0, rate / 4))
        self._paces = PortBuckets()

    def start(self, now: float, port: Port, mac: MAC | None) -> list[Probe]:
        """A guest is here, or with no MAC a port: ask for what the allowlist names and nobody has."""
        if self._authorization.allowlist is None:
            return []
        segment = self._segments[port.segment]
        probes: list[Probe] = []
        for rule in self._authorization.allowlist.rules_naming(mac, port.name, segment.name):
            address = rule.prefix.address
            asked = self._of_port.get(port.index, {})
            anchor = Anchor(port.index, mac or rule.qualifiers.mac or ZERO_MAC)
            if address in asked or not self._is_needed(now, port, anchor, address):
                continue
            # Who speaks of many MACs has no more asked about at once than it could have.
            if len(asked) >= self._limits.capacity(port.index):
                break
            self._of_port.setdefault(port.index, {})[address] = _Search(anchor.mac)
            probes += self._probe(now, port, address)
        return probes

    def is_probing(self, port: int, mac: MAC) -> bool:
        """Tell whether somebody on a port is being asked, and may be who has this MAC."""
        return any(inquiry.mac in (mac, ZERO_MAC) for inquiry in self._of_port.get(port, {}).values())

    def expire(self, now: float) -> list[Probe]:
        """Put the questions that are due."""
        probes: list[Probe] = []
        while (due := self._deadlines.pop(now)) is not None:
            index, address = due[1]
            port, inquiry = self._ports[index], self._of_port[index][address]
            anchor = Anchor(index, inquiry.mac)
            if inquiry.probes_sent == len(WAITS) or not self._is_needed(now, port, anchor, address):
                self._drop(index, address)
            else:
                probes += self._probe(now, port, address)
        return probes

    def next_deadline(self) -> float | None:
        """Tell when `judge` is wanted next."""
        return self._deadlines.next_deadline()

    def port_gone(self, port: int) -> None:
        """A port is gone."""
        for address in list(self._of_port.get(port, ())):
            self._drop(port, address)
        self._paces.port_gone(port)

    def _is_needed(self, now: float, port: Port, anchor: Anchor, address: IP) -> bool:
        key = Key(self._segments[port.segment].table, address)
        binding = self._bindings.get(key)
        return (
            self._authorization.allowlist is not None
            and (binding is None or binding.state is State.DEPARTED)
            and self._limits.refuse_full(port.index, address) is None
            and not self._quarantine.is_quarantined(now, key, anchor)
            and self._authorization.authorize(address, anchor, port.segment).permitted
        )

    def _probe(self, now: float, port: Port, address: IP) -> list[Probe]:
        inquiry = self._of_port[port.index][address]
        own = self._paces.probe_share(port.index, self._rate)
        for pace in (own, self._pace):
            if not pace.take(now):
                self._deadlines.set((port.index, address), now + pace.wait(now))
                return []
        self._deadlines.set((port.index, address), now + WAITS[inquiry.probes_sent])
        inquiry.probes_sent += 1
        broadcast = inquiry.mac == ZERO_MAC
        frame = probe_frames.question(self._segments[port.segment], address, inquiry.mac, broadcast=broadcast)
        return [] if frame is None else [Probe(port.index, address, inquiry.mac, frame, guess=True)]

    def _drop(self, port: int, address: IP) -> None:
        self._deadlines.discard((port, address))
        del self._of_port[port][address]
        if not self._of_port[port]:
            del self._of_port[port]
