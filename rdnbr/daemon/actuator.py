"""What the engine decides is carried out: told, put into the kernel, sent."""

from collections import Counter
from collections.abc import Iterable

from structlog.typing import FilteringBoundLogger

from rdnbr.core.bindings.adoption import finds, remnants
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.backend import Kernel, Refusal
from rdnbr.core.fib.diff import plan
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.reconciler import Reconciler
from rdnbr.core.model.address import IP, MAC, show_ip
from rdnbr.core.model.fib_entries import Key, Route, host
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.outputs import Announcement, Decision, DesiredHost, Output, Probe, SnoopData
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire import probe_frames
from rdnbr.daemon.backoff import Setback
from rdnbr.daemon.install_errors import InstallErrors
from rdnbr.daemon.kernel_counters import KernelCounter
from rdnbr.linux.netlink.bridge_fdb import last_heard
from rdnbr.linux.nft.enforcement import Enforcement
from rdnbr.linux.packet.receiver import PacketReceiver
from rdnbr.operator.logging.events import Events
from rdnbr.operator.text.phrases import counted


class Actuator:
    """The engine, and everything that acts on its outputs."""

    def __init__(
        self, engine: Engine, receiver: PacketReceiver, events: Events, log: FilteringBoundLogger
    ) -> None:
        self.engine = engine
        self.receiver = receiver
        self.events = events
        self.log = log
        self.reconciler = Reconciler()
        self.enforcement: Enforcement | None = None
        self.kernel_counters: Counter[KernelCounter] = Counter()
        self.setback = Setback(log)
        self.unsure = False
        """Whether the kernel must be looked at before more is put into it: it did not say what became of the last."""
        self._refusals = InstallErrors(log)
        self._kernel: Kernel | None = None
        self.dry_run = False
        self._to_send: list[tuple[int, bytes]] = []
        self._to_hear: dict[int, tuple[IP, ...] | None] = {}
        """What has changed of whose packets are heard, by port."""

    def use(self, kernel: Kernel, *, dry_run: bool) -> None:
        """Put routes into this kernel from now on; in a dry run nothing is sent either."""
        self._kernel = kernel
        self.dry_run = dry_run

    def see_bridges(self) -> None:
        """Show a pretended kernel the bridges there are now; Linux sees them itself."""
        if isinstance(self._kernel, FakeKernel):
            self._kernel.have_devices({one.index: one.name for one in self.engine.segments.values()})

    def take(self, now: float, outputs: Iterable[Output]) -> None:
        """Take what came of an event; the kernel and the wire have their turn at the end of the loop's."""
        for output in outputs:
            match output:
                case Decision():
                    self.events.publish(output)
                    if self.enforcement is not None and output.address is not None:
                        self.enforcement.address_changed(output.address)
                case DesiredHost(key, host):
                    self.reconciler.set_desired(key, host)
                case Probe() | Announcement() if not self.dry_run:
                    self._to_send.append((output.port, output.frame))
                case Probe(guess=False):
                    # Nothing is sent in a dry run; let us suppose that whoever spoke would also answer.
                    reply = probe_frames.answer_frame(output.frame, output.mac)
                    if reply is not None:
                        self.take(now, self.engine.handle_frame(now, output.port, reply))
                case Probe() | Announcement():
                    pass  # nor is this sent
                case SnoopData(port, without):
                    self._to_hear[port] = without

    def adopt(self, now: float) -> None:
        """Serve what an earlier run left in the kernel, until it has proved itself or not."""
        assert self._kernel is not None
        routes, neighbours = self._kernel.read_entries()
        self.reconciler.resync_from_kernel(routes, neighbours)
        heard = self._last_heard() if routes or neighbours else {}
        for key, device, mac, metric in finds(self.engine.segments, routes, neighbours):
            heard_on = None if mac is None else heard.get((device, mac))
            self.take(now, self.engine.adopt(now, key, mac, device, heard_on, metric))
        for device, address, mac in remnants(self.engine.segments, routes, neighbours):
            key = Key(self.engine.segments[device].table, address)
            self.take(now, self.engine.probe_remnant(now, key, mac, device, heard.get((device, mac))))

    def _last_heard(self) -> dict[tuple[int, MAC], int]:
        try:
            return last_heard()
        except OSError as error:
            self.log.warning(
                "cannot read the bridges' tables; adopted guests are asked on every port", why=str(error)
            )
            return {}

    def look_again(self) -> None:
        """Compare all that should be in the kernel with all that is.

        Raises:
            OSError: the kernel did not answer.
        """
        assert self._kernel is not None
        self.reconciler.resync_from_kernel(*self._kernel.read_entries())
        self.kernel_counters[KernelCounter.COMPARISONS] += 1
        self.unsure = False

    def reannounce(self, address: IP) -> bool:
        """Have the kernel tell once more that it has the routes of an address, or that it has none.

        Returns:
            Whether it has any.
        """
        routes = [held.route for held in self.reconciler.desired(address)]
        for route in routes or [
            self._route_over(segment, address) for segment in self.engine.segments.values()
        ]:
            self.reconciler.reannounce(route)
            self.kernel_counters[KernelCounter.REANNOUNCED] += 1
        return bool(routes)

    def why_refused(self, address: IP) -> str | None:
        """Return what the kernel said when it refused an entry of an address last; None if it has not, or not since."""
        return self._refusals.why(address)

    def _route_over(self, segment: Segment, address: IP) -> Route:
        return host(segment.table, address, segment.index, None).route

    def leave(self, now: float) -> None:
        """Put into the kernel what somebody keeps removing, too: it is all that whoever starts next will know."""
        self.reconciler.retry_all(now)
        self._reconcile(now)

    def withdraw(self, now: float) -> None:
        """Take all of ours out of the kernel, whatever is known of it.

        Raises:
            OSError: the kernel did not answer.
        """
        assert self._kernel is not None
        self.take(now, self.engine.flush(now))
        refusals = self._kernel.apply(plan([], *self._kernel.read_entries()))
        self._refusals.log(refusals, self.engine.segments)

    def finish(self, now: float) -> None:
        """Make the kernel agree, then send: a guest's answer must find its route."""
        self._reconcile(now)
        if self.enforcement is not None:
            self.enforcement.update(now, self.engine)
        frames, self._to_send = self._to_send, []
        for port, frame in frames:
            self.receiver.send(port, frame)
        packets, self._to_hear = self._to_hear, {}
        for port, without in packets.items():
            self.receiver.snoop_data(port, without)

    def status(self) -> str:
        """Say in a few words what is served."""
        bindings, ports = self.engine.count, len(self.engine.ports)
        return f"{counted(bindings, 'binding')} on {counted(ports, 'port')}"

    def deadline(self) -> float | None:
        """Tell when there is something to try again with the kernel."""
        if self.unsure:
            return None  # first the kernel is looked at, and whoever does that knows when
        return self.reconciler.next_deadline()

    def _reconcile(self, now: float) -> None:
        if self.unsure:
            return
        operations = self.reconciler.plan_operations(now)
        refusals: list[Refusal] = []
        if operations and self._kernel is not None:
            try:
                refusals = self._kernel.apply(operations)
            except OSError as error:
                self.unsure = True
                self.kernel_counters[KernelCounter.UNANSWERED] += 1
                self.setback.met(now, error)
                return
        self.setback.over()
        for refusal in refusals:
            self.kernel_counters[KernelCounter(refusal.reason)] += 1
        self._refusals.log(refusals, self.engine.segments)
        changed = self.reconciler.record_results(now, operations, refusals)
        contested = list(dict.fromkeys(key.address for key, reason in changed if reason is Reason.CONTESTED))
        self.kernel_counters[KernelCounter.CONTESTED] += len(contested)
        if contested:
            self.log.error(
                "somebody keeps removing routes or neighbours of ours; they are put back in a while",
                addresses=len(contested),
                first=show_ip(contested[0]),
                cure="ip -ts monitor route neigh shows when; look for another program that cleans up",
            )
        for key, reason in changed:
            if reason is None:
                self._refusals.forget(key.address)
                self.take(now, self.engine.kernel_accepted(now, key))
            else:
                self.take(now, self.engine.kernel_refused(now, key, reason))
