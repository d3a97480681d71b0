"""The questions put to guests: who is asked next, on which ports, and how fast."""

from collections.abc import Iterator, Mapping

from rdnbr.core.model.address import ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.outputs import Probe
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.port_buckets import PortBuckets
from rdnbr.core.primitives.token_bucket import TokenBucket
from rdnbr.core.probing import intervals
from rdnbr.core.wire import probe_frames

BROADCAST_AFTER = 3
"""Unicast questions before one is broadcast (the MAC a guest uses may have changed)."""

COPIES = 100
"""Copies of questions to all ports that may leave in the time of one to a single port: a frame costs less than its
answer, but a bridge may have a thousand ports."""


class Prober:
    """Puts the next question of a binding's state, at the pace the node and its ports have for that."""

    def __init__(
        self, settings: Settings, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        self._segments = segments
        self._ports = ports
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Ask at the pace of these settings from now on."""
        self._rate = rate = settings.limits.probes_per_second
        burst = max(1.0, rate / 4)
        self._pace_bound, self._pace_new = TokenBucket(rate, burst), TokenBucket(rate, burst)
        self._pace_copies = TokenBucket(COPIES * rate, COPIES * burst)
        self._paces = PortBuckets()
        self._wide_from = min(BROADCAST_AFTER, settings.timers.probe_count - 1)

    def probes_all_ports(self, binding: Binding, asked: int) -> bool:
        """Tell whether a question before which `asked` were put goes to all ports, though one is the binding's.

        A port that was only surmised when the daemon started may be that of a liar, who then keeps silent, or takes its
        link down, so that the address is withdrawn. Its owner is asked, wherever that is: in the first case before.
        """
        if binding.state in (State.DEPARTED, State.TENTATIVE):
            return binding.port_inferred
        asks_it = binding.state in (State.PROBING, State.FROZEN, State.ADOPTED)
        return binding.port_inferred and asks_it and asked >= self._wide_from

    def port_gone(self, port: int) -> None:
        """A port is gone."""
        self._paces.port_gone(port)

    def reserve(self, now: float, binding: Binding) -> float:
        """Return how long the next question has to wait, in seconds; 0: it may be put, and is counted.

        Questions about new claims and conflicts have a pace of their own, and each port a small part of it, so that
        nobody's claims delay what keeps the bound addresses alive, nor other people's claims. So do those to all ports:
        they are put to guests that have gone, most of the time, and whoever is still there must not wait behind them.
        """
        pace = self._pace_bound
        if binding.state in (State.TENTATIVE, State.CHALLENGED):
            pace = self._pace_new
            cause = binding.challenger.port if binding.challenger else binding.anchor.port
            own = self._paces.probe_share(cause, self._rate)
            if not own.take(now):
                return own.wait(now)
        copies = len(self._ports_of(binding, binding.anchor, binding.segment))
        if copies > 1:
            pace = self._pace_copies
        count = max(1, min(copies, int(pace.burst)))
        return 0.0 if pace.take(now, count) else pace.wait(now, count)

    def build_probes(self, binding: Binding) -> Iterator[Probe]:
        """Write the next question of the binding's state to whomever it is for."""
        broadcast = binding.state is not State.TENTATIVE and binding.probes_sent >= BROADCAST_AFTER
        if binding.challenger is None:
            yield from self._build_probe(binding, binding.anchor, binding.segment, broadcast=broadcast)
        elif binding.state is State.CHALLENGED and not intervals.probes_challenger(binding.probes_sent):
            yield from self._build_probe(binding, binding.anchor, binding.segment, broadcast=False)
        else:
            if binding.state is State.TENTATIVE:
                yield from self._build_probe(binding, binding.anchor, binding.segment, broadcast=False)
            yield from self._build_probe(
                binding, binding.challenger, binding.challenger_segment, broadcast=False
            )

    def _build_probe(
        self, binding: Binding, anchor: Anchor, index: int, *, broadcast: bool
    ) -> Iterator[Probe]:
        segment = self._segments.get(index)
        if segment is None:
            return
        broadcast |= anchor.mac == ZERO_MAC
        frame = probe_frames.question(segment, binding.key.address, anchor.mac, broadcast=broadcast)
        if frame is None:
            return
        for port in self._ports_of(binding, anchor, index):
            yield Probe(port, binding.key.address, anchor.mac, frame)

    def _ports_of(self, binding: Binding, anchor: Anchor, segment: int) -> list[int]:
        if anchor.port is not None and not self.probes_all_ports(binding, binding.probes_sent):
            return [anchor.port]
        likely = self._ports.get(binding.fdb_port or 0)
        if (
            binding.state is State.ADOPTED
            and binding.probes_sent == 0
            and likely
            and likely.segment == segment
        ):
            return [likely.index]
        gone = anchor.port if binding.state is State.DEPARTED else None
        return [port.index for port in self._ports.values() if port.segment == segment and port.index != gone]
