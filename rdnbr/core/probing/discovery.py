"""Discovery: probes for addresses that the allowlist names for a guest, or that a guest had, and that nobody has now.

A guest may be silent for long. After a migration the hypervisor sends a RARP, which names no address; and a guest with
a fixed address and nothing to send sends nothing at all. The allowlist names the address of such a guest. Other
addresses are remembered: from bindings that have departed or were flushed, and from the kernel's own neighbours.

Each address is probed five times at once. A named address is then probed on and on, more and more seldom
(`slow_discovery`). A discovery probe changes no binding. Silence has no consequence, and an answer is a claim like any
other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, BindingLookup
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Emit, Probe
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.policy import Policy
from rdnbr.core.primitives.port_buckets import PortBuckets
from rdnbr.core.primitives.timer_queue import TimerQueue, earliest
from rdnbr.core.primitives.token_bucket import TokenBucket
from rdnbr.core.probing.prober import Prober
from rdnbr.core.probing.slow_discovery import SlowDiscovery
from rdnbr.core.probing.slow_probing import SlowPace
from rdnbr.core.wire import probe_frames

WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds after each probe. A guest that was just resumed may need a moment; a guest that boots needs longer, and then
sends frames itself."""


AT_ONCE = 150
"""Searches handled in one call; the others wait for the next call, so that frames and routes do not wait for them."""


@dataclass(slots=True)
class _Search:
    mac: MAC
    """The MAC that is probed; ZERO_MAC: any guest on the port."""
    probes_sent: int = 0
    by_operator: bool = False
    """Whether a person asked for it, so that no allowlist is needed."""
    remembered: bool = False
    """Whether the guest had the address, so that no allowlist is needed."""


class Discovery:
    """The discovery probes that are under way, by port and address."""

    def __init__(
        self,
        settings: Settings,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
        policy: Policy,
        bindings: BindingLookup,
        prober: Prober,
        slow_pace: SlowPace,
        emit: Emit,
    ) -> None:
        self._segments = segments
        self._ports = ports
        self._policy = policy
        self._bindings = bindings
        self._emit = emit
        self._searches: dict[int, dict[IP, _Search]] = {}
        self._timers: TimerQueue[tuple[int, IP]] = TimerQueue()
        self._slow = SlowDiscovery(
            segments, ports, policy, bindings, prober, slow_pace, self._is_named_and_free, emit
        )
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Use other rates from the next probe on."""
        self._rate = rate = settings.limits.probes_per_second
        self._bucket = TokenBucket(rate, max(1.0, rate / 4))
        self._port_buckets = PortBuckets()

    def start(self, now: float, port: Port, mac: MAC | None) -> None:
        """Probe what the allowlist names for the guest with this MAC, or for the port, and nobody has."""
        allowlist = self._policy.authorization.allowlist
        if allowlist is None:
            return
        rules = allowlist.rules_naming(mac, port.name, self._segments[port.segment].name)
        if not all(rule.static for rule in rules):
            self._slow.start(now, port, mac)
        for rule in rules:
            if rule.static:  # its guest need not answer
                continue
            address = rule.prefix.address
            searches = self._searches.get(port.index, {})
            anchor = Anchor(port.index, mac or rule.qualifiers.mac or ZERO_MAC)
            if address in searches or not self._is_named_and_free(now, port, anchor, address):
                continue
            # A guest that sends from many MACs starts no more searches at once than the port may have addresses.
            if len(searches) >= self._policy.limits.capacity(port.index):
                break
            self._searches.setdefault(port.index, {})[address] = _Search(anchor.mac)
            self._probe(now, port, address)

    def search(self, now: float, address: IP) -> None:
        """Probe an address on every port that may have it, as a person has asked for."""
        for port in self._ports.values():
            index, searches = port.index, self._searches.get(port.index, {})
            anchor = Anchor(index, ZERO_MAC)
            if address in searches or not self._is_needed(now, port, anchor, address):
                continue
            if self._may_be_on(port, address):
                self._searches.setdefault(index, {})[address] = _Search(ZERO_MAC, by_operator=True)
                # A bridge may have a thousand ports, so `expire_timers` sends the probes.
                self._timers.set((index, address), now)

    def probe_remembered(self, now: float, port: Port, mac: MAC, address: IP, *, after: float = 0.0) -> None:
        """Probe an address that the guest with this MAC had.

        Args:
            now: the time.
            port: where the guest is.
            mac: of the guest.
            address: the address that it had.
            after: seconds from now until the first probe; 0 also ends the wait of an earlier call.
        """
        searches = self._searches.get(port.index, {})
        search = searches.get(address)
        if search is None:
            is_full = len(searches) >= self._policy.limits.capacity(port.index)
            if is_full or not (after or self._is_needed(now, port, Anchor(port.index, mac), address)):
                return
            self._searches.setdefault(port.index, {})[address] = _Search(mac, remembered=True)
        elif search.probes_sent or after:
            return
        if after:
            self._timers.set((port.index, address), now + after)
        else:
            self._probe(now, port, address)

    def waiting(self, port: int, mac: MAC) -> list[IP]:
        """Return the addresses of a MAC that are to be probed on a port (ifindex) and were not yet."""
        searches = self._searches.get(port, {})
        return [address for address, one in searches.items() if one.mac == mac and not one.probes_sent]

    def searched_ports(self, address: IP) -> list[int]:
        """Return the ports (ifindex) on which an address is probed."""
        return [port for port, searches in self._searches.items() if address in searches]

    def is_probing(self, port: int, mac: MAC) -> bool:
        """Tell whether a search is under way on a port that a guest with this MAC may answer."""
        return any(search.mac in (mac, ZERO_MAC) for search in self._searches.get(port, {}).values())

    def expire_timers(self, now: float) -> None:
        """Send up to `AT_ONCE` probes that are due, and slow ones, and end the searches that are over."""
        self._slow.expire_timers(now)
        for _ in range(AT_ONCE):
            due = self._timers.pop(now)
            if due is None:
                return
            index, address = due[1]
            port, search = self._ports[index], self._searches[index][address]
            anchor = Anchor(index, search.mac)
            anyway = search.by_operator or search.remembered
            is_needed = self._is_needed if anyway else self._is_named_and_free
            if search.probes_sent == len(WAITS) or not is_needed(now, port, anchor, address):
                self._end(index, address)
            else:
                self._probe(now, port, address)

    def next_deadline(self) -> float | None:
        """Return when `expire_timers` has something to do; None: no search is under way."""
        return earliest(self._timers.next_deadline(), self._slow.next_deadline())

    def port_gone(self, port: int) -> None:
        """End the searches on a port."""
        for address in list(self._searches.get(port, ())):
            self._end(port, address)
        self._port_buckets.port_gone(port)
        self._slow.port_gone(port)

    def _is_named_and_free(self, now: float, port: Port, anchor: Anchor, address: IP) -> bool:
        named = self._policy.authorization.allowlist is not None
        return named and self._is_needed(now, port, anchor, address)

    def _is_needed(self, now: float, port: Port, anchor: Anchor, address: IP) -> bool:
        key = Key(self._segments[port.segment].table, address)
        binding = self._bindings.get(key)
        return (
            (binding is None or binding.state is State.DEPARTED)
            and self._policy.limits.refuse_full(port.index, address) is None
            and not self._policy.quarantine.is_quarantined(now, key, anchor)
            and self._policy.authorization.authorize(address, anchor, port.segment).permitted
        )

    def _may_be_on(self, port: Port, address: IP) -> bool:
        """Tell whether a guest on a port may have an address, whatever its MAC is."""
        authorization = self._policy.authorization
        if authorization.allowlist is None:
            return True
        # Of an anchor without a MAC the authorization says that it may be the one that the address is pinned to.
        if authorization.authorize(address, Anchor(port.index, ZERO_MAC), port.segment).rule is not None:
            return True
        return any(
            authorization.authorize(address, Anchor(port.index, mac), port.segment).permitted
            for mac in authorization.allowlist.macs_naming(address)
        )

    def _probe(self, now: float, port: Port, address: IP) -> None:
        search = self._searches[port.index][address]
        for bucket in (self._port_buckets.probe_share(port.index, self._rate), self._bucket):
            if not bucket.consume(now):
                self._timers.set((port.index, address), now + bucket.reserve_retry(now))
                return
        self._timers.set((port.index, address), now + WAITS[search.probes_sent])
        search.probes_sent += 1
        frame = probe_frames.probe_frame(
            self._segments[port.segment], address, search.mac, broadcast=search.mac == ZERO_MAC
        )
        if frame is not None:
            self._emit(Probe(port.index, address, search.mac, frame, guess=not search.remembered))

    def _end(self, port: int, address: IP) -> None:
        self._timers.discard((port, address))
        del self._searches[port][address]
        if not self._searches[port]:
            del self._searches[port]
