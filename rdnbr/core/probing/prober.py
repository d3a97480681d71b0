"""Builds the probes of bindings: to which MAC, on which ports, and at what rate."""

from collections.abc import Iterator, Mapping

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Probe
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.port_buckets import PortBuckets
from rdnbr.core.primitives.token_bucket import TokenBucket
from rdnbr.core.probing import intervals
from rdnbr.core.probing.dad_times import DadTimes
from rdnbr.core.probing.intervals import BROADCAST_AFTER, Form
from rdnbr.core.wire import probe_frames

COPIES = 100
"""Copies of probes to all ports that cost as many tokens as one probe to a single port: a frame costs less than its
answer, and a bridge may have a thousand ports."""


class Prober:
    """Builds the next probe of a binding's state, within the rates of the node and of its ports."""

    def __init__(
        self,
        settings: Settings,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
        dad_times: DadTimes,
    ) -> None:
        self._segments = segments
        self._ports = ports
        self._dad_times = dad_times
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Use other rates from now on."""
        self._rate = rate = settings.limits.probes_per_second
        burst = max(1.0, rate / 4)
        self._bucket_bound, self._bucket_new = TokenBucket(rate, burst), TokenBucket(rate, burst)
        self._bucket_copies = TokenBucket(COPIES * rate, COPIES * burst)
        self._port_buckets = PortBuckets()
        self._forms = {state: intervals.forms(state, settings.timers) for state in State}
        self._all_ports_from = min(BROADCAST_AFTER, settings.timers.probe_count - 1)

    def probes_all_ports(self, binding: Binding, probes_sent: int) -> bool:
        """Tell whether the probe after `probes_sent` probes goes to all ports, although the binding has a port.

        The port of an adopted binding may be inferred from a forged frame. The forger then keeps silent, or takes its
        link down, so that the address is withdrawn. Before that the owner is probed, on whatever port it is. So is the
        guest of an adopted binding whose port is known by a pin: of several addresses with one MAC, the pin may be that
        of another one.
        """
        if binding.state in (State.DEPARTED, State.TENTATIVE):
            return binding.port_inferred
        if probes_sent < self._all_ports_from:
            return False
        if binding.state is State.ADOPTED:
            return binding.anchor.port is not None
        return binding.port_inferred and binding.state in (State.PROBING, State.FROZEN)

    def port_gone(self, port: int) -> None:
        """Forget a port (ifindex)."""
        self._port_buckets.port_gone(port)

    def reserve(self, now: float, binding: Binding) -> float:
        """Take the tokens of the next probe; return 0, or the seconds to wait when there are not enough tokens.

        Probes for new claims and conflicts have a rate of their own, and each port a small part of that rate. So the
        claims of one guest delay neither the probes of bound addresses nor the claims of other guests. Probes to all
        ports have a rate of their own as well: most of them go to guests that have left, and the guests that are there
        must not wait behind them.
        """
        bucket = self._bucket_bound
        if binding.state in (State.TENTATIVE, State.CHALLENGED):
            bucket = self._bucket_new
            cause = binding.challenger.port if binding.challenger else binding.anchor.port
            share = self._port_buckets.probe_share(cause, self._rate)
            if not share.consume(now):
                return share.reserve_retry(now)
        copies, count = len(self._probed_ports(binding, binding.anchor, binding.segment)), 1
        if copies > 1:
            bucket = self._bucket_copies
            count = min(copies, int(bucket.burst))
        return 0.0 if bucket.consume(now, count) else bucket.reserve_retry(now, count)

    def lacks_gateway(self, binding: Binding) -> bool:
        """Tell whether the next probe has no address to come from, so that silence would mean nothing.

        A challenger that cannot be probed counts as silent, since its incumbent must not depend on it. A departed
        binding has no route that silence could end.
        """
        if binding.state is State.DEPARTED or (
            binding.state is State.CHALLENGED and intervals.probes_challenger(binding.probes_sent)
        ):
            return False
        size, segment = len(binding.key.address), self._segments.get(binding.segment)
        if segment is not None and segment.gateway(size) is not None:
            return False
        if binding.state is not State.TENTATIVE or binding.challenger is None:
            return segment is not None
        other = self._segments.get(binding.challenger_segment)
        if other is not None and other.gateway(size) is not None:
            return False
        return segment is not None or other is not None

    def postpones_until(self, binding: Binding) -> float:
        """Return the time before which the next probe could not have its form; 0: it can have it now.

        The last probe to a guest that may lose its route is the one from 0.0.0.0, if that is the only one that the
        guest answers. The guest cannot postpone it by a DAD, only the time since its port came up counts.
        """
        is_incumbent4 = binding.state is State.PROBING and len(binding.key.address) == 4
        if is_incumbent4 and self._form(binding) is Form.ZERO_SENDER:
            return self._dad_times.unknown_until(binding.anchor.port)
        return 0.0

    def build_probes(self, now: float, binding: Binding) -> Iterator[Probe]:
        """Build the next probe of the binding's state, one copy for each port that it goes to."""
        incumbent = binding.anchor, binding.segment
        if binding.challenger is None:
            yield from self._build_probe(now, binding, *incumbent)
            return
        challenger = binding.challenger, binding.challenger_segment
        if binding.state is State.CHALLENGED and not intervals.probes_challenger(binding.probes_sent):
            yield from self._build_probe(now, binding, *incumbent)
            return
        if binding.state is State.TENTATIVE:
            yield from self._build_probe(now, binding, *incumbent)
        yield from self._build_probe(now, binding, *challenger)

    def build_slow_probe(self, now: float, binding: Binding) -> Probe | None:
        """Build the next slow probe of a DEPARTED binding, which goes to one port; the forms take turns.

        None: there is no gateway address to send it from.
        """
        assert binding.probed_on is not None
        segment, port, anchor = self._segments[binding.segment], binding.probed_on, binding.anchor
        form = tuple(Form)[binding.probes_sent % len(Form)]
        return self.build_copy(now, segment, port, binding.key.address, anchor.mac, form)

    def _build_probe(self, now: float, binding: Binding, anchor: Anchor, index: int) -> Iterator[Probe]:
        segment = self._segments.get(index)
        if segment is None:
            return
        address = binding.key.address
        form = self._form(binding)
        ports = self._probed_ports(binding, anchor, index)
        if anchor.mac != ZERO_MAC and len(ports) > 1 and binding.state is State.TENTATIVE:
            form = Form.UNICAST  # an answer with another MAC would make its sender a challenger that answers
        for port in ports:
            probe = self.build_copy(now, segment, port, address, anchor.mac, form)
            if probe is not None:
                yield probe

    def build_copy(
        self, now: float, segment: Segment, port: int, address: IP, mac: MAC, form: Form
    ) -> Probe | None:
        """Build the probe for one port; None: there is no gateway address to send it from."""
        zero = form is Form.ZERO_SENDER and not self._dad_times.may_be_in_dad(now, port, address)
        broadcast = form is not Form.UNICAST or mac == ZERO_MAC
        frame = probe_frames.probe_frame(segment, address, mac, broadcast=broadcast, zero_sender=zero)
        return None if frame is None else Probe(port, address, mac, frame)

    def _form(self, binding: Binding) -> Form:
        """Return the form of the next probe; further probes of a sequence have the form of its last one."""
        forms = self._forms[binding.state]
        return forms[min(binding.probes_sent, len(forms) - 1)]

    def _probed_ports(self, binding: Binding, anchor: Anchor, segment: int) -> list[int]:
        if anchor.port is not None and not self.probes_all_ports(binding, binding.probes_sent):
            return [anchor.port]
        likely = self._ports.get(binding.fdb_port or 0)
        first = binding.state is State.ADOPTED and binding.probes_sent == 0
        if first and likely and likely.segment == segment:
            return [likely.index]
        gone = anchor.port if binding.state is State.DEPARTED else None
        return [port.index for port in self._ports.values() if port.segment == segment and port.index != gone]
