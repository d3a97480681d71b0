"""Asks after addresses that the allowlist names for a guest, and that nobody has claimed.

A guest may keep silent for long: after a migration it is its hypervisor that speaks, by RARP, and names no address; and
a guest with a fixed address and nothing to say sends nothing at all. Whose address it would be, the allowlist knows.

Nothing is believed, refused or held against anybody because of a question; the answer is a claim as any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rdnbr.core import probe
from rdnbr.core.address import IP, MAC, ZERO_MAC
from rdnbr.core.binding import Anchor
from rdnbr.core.bindings import Bindings
from rdnbr.core.deadlines import Deadlines
from rdnbr.core.decision import Probe, State
from rdnbr.core.law import Law
from rdnbr.core.limits import PortLimits
from rdnbr.core.pace import Pace
from rdnbr.core.paces import Paces
from rdnbr.core.plan import Key
from rdnbr.core.quarantine import Quarantine
from rdnbr.core.settings import Settings
from rdnbr.core.topology import Port, Segment

WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds after each question. A guest that was just resumed may need a moment, one that boots needs longer and then
speaks itself."""


@dataclass(slots=True)
class _Inquiry:
    mac: MAC
    """Who is asked; ZERO_MAC: whoever is there."""
    asked: int = 0


class Inquiries:
    """The questions under way."""

    def __init__(
        self,
        settings: Settings,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
        law: Law,
        limits: PortLimits,
        bindings: Bindings,
        quarantine: Quarantine,
    ) -> None:
        self._segments = segments
        self._ports = ports
        self._law = law
        self._limits = limits
        self._bindings = bindings
        self._quarantine = quarantine
        self._of_port: dict[int, dict[IP, _Inquiry]] = {}
        self._deadlines: Deadlines[tuple[int, IP]] = Deadlines()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Ask at the pace of these settings from now on."""
        self._rate = rate = settings.limits.probes_per_second
        self._pace = Pace(rate, max(1.0, rate / 4))
        self._paces = Paces()

    def look_for(self, now: float, port: Port, mac: MAC | None) -> list[Probe]:
        """A guest is here, or with no MAC a port: ask for what the allowlist names and nobody has."""
        if self._law.allowlist is None:
            return []
        segment = self._segments[port.segment]
        probes: list[Probe] = []
        for rule in self._law.allowlist.named(mac, port.name, segment.name):
            address = rule.prefix.address
            asked = self._of_port.get(port.index, {})
            anchor = Anchor(port.index, mac or rule.qualifiers.mac or ZERO_MAC)
            if address in asked or not self._is_wanted(now, port, anchor, address):
                continue
            # Who speaks of many MACs has no more asked about at once than it could have.
            if len(asked) >= self._limits.capacity(port.index):
                break
            self._of_port.setdefault(port.index, {})[address] = _Inquiry(anchor.mac)
            probes += self._ask(now, port, address)
        return probes

    def expects(self, port: int, mac: MAC) -> bool:
        """Tell whether somebody on a port is being asked, and may be who has this MAC."""
        return any(inquiry.mac in (mac, ZERO_MAC) for inquiry in self._of_port.get(port, {}).values())

    def judge(self, now: float) -> list[Probe]:
        """Put the questions that are due."""
        probes: list[Probe] = []
        while (due := self._deadlines.pop(now)) is not None:
            index, address = due[1]
            port, inquiry = self._ports[index], self._of_port[index][address]
            anchor = Anchor(index, inquiry.mac)
            if inquiry.asked == len(WAITS) or not self._is_wanted(now, port, anchor, address):
                self._drop(index, address)
            else:
                probes += self._ask(now, port, address)
        return probes

    def deadline(self) -> float | None:
        """Tell when `judge` is wanted next."""
        return self._deadlines.next()

    def close(self, port: int) -> None:
        """A port is gone."""
        for address in list(self._of_port.get(port, ())):
            self._drop(port, address)
        self._paces.close(port)

    def _is_wanted(self, now: float, port: Port, anchor: Anchor, address: IP) -> bool:
        key = Key(self._segments[port.segment].table, address)
        binding = self._bindings.get(key)
        return (
            self._law.allowlist is not None
            and (binding is None or binding.state is State.DEPARTED)
            and self._limits.full(port.index, address) is None
            and not self._quarantine.holds(now, key, anchor)
            and self._law.verdict(address, anchor, port.segment).permitted
        )

    def _ask(self, now: float, port: Port, address: IP) -> list[Probe]:
        inquiry = self._of_port[port.index][address]
        own = self._paces.share(port.index, self._rate)
        for pace in (own, self._pace):
            if not pace.take(now):
                self._deadlines.set((port.index, address), now + pace.wait(now))
                return []
        self._deadlines.set((port.index, address), now + WAITS[inquiry.asked])
        inquiry.asked += 1
        broadcast = inquiry.mac == ZERO_MAC
        frame = probe.question(self._segments[port.segment], address, inquiry.mac, broadcast=broadcast)
        return [] if frame is None else [Probe(port.index, address, inquiry.mac, frame, guess=True)]

    def _drop(self, port: int, address: IP) -> None:
        self._deadlines.discard((port, address))
        del self._of_port[port][address]
        if not self._of_port[port]:
            del self._of_port[port]
