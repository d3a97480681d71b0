"""The actuator carries out the outputs of the engine, in the daemon, in its dry run and in replay.

Desired hosts go to a backend that holds routes and neighbours, frames to a transmitter, decisions to a callback. The
backend and the transmitter are the real ones, or simulations of them; the actuator does not know which.

The kernel comes before the frames: a guest's answer to a probe must find its route. So both wait for `apply_changes`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from rdnbr.core.bindings.adoption import adoptable_routes, orphaned_neighbours
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.actuator_protocols import KernelObserver, Transmitter
from rdnbr.core.fib.backend import FibBackend, Refusal
from rdnbr.core.fib.diff import entry_of, plan
from rdnbr.core.fib.install_errors import InstallErrors
from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.fib.reconciler import Reconciler
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.engine_outputs import (
    Announcement,
    CoveringPrefix,
    Decision,
    DesiredHost,
    NoteForNextRun,
    Output,
    Probe,
    SnoopData,
    UnsentProbe,
)
from rdnbr.core.model.fib_entries import (
    DropNeighbour,
    DropRoute,
    Host,
    Key,
    Neighbour,
    PutNeighbour,
    PutRoute,
    Route,
    host,
)
from rdnbr.core.model.pin import PinKey
from rdnbr.core.model.reason import Reason
from rdnbr.core.primitives.back_off import BackOff

_FIRST_WAIT, _LAST_WAIT = 1.0, 30.0
"""Seconds until a kernel that did not answer is read again. The wait doubles each time."""

ACTIONS = {
    PutNeighbour: "put-neighbour",
    PutRoute: "put-route",
    DropRoute: "drop-route",
    DropNeighbour: "drop-neighbour",
}
"""The names of the operations on the kernel's tables, which are promised."""


class Actuator:
    """Owns the desired hosts, the backend, what the kernel refused, and the retries."""

    def __init__(
        self,
        engine: Engine,
        backend: FibBackend,
        transmitter: Transmitter,
        on_decision: Callable[[Decision, bytes | None], None],
        observer: KernelObserver,
    ) -> None:
        """Carry out the outputs of `engine`.

        Args:
            engine: is told what the kernel refuses and accepts.
            backend: holds the routes and neighbours.
            transmitter: sends the frames.
            on_decision: gets each decision, in order, with the frame that caused it.
            observer: reports what the kernel does.
        """
        self._engine = engine
        self._backend = backend
        self._transmitter = transmitter
        self._on_decision = on_decision
        self._observer = observer
        self._reconciler = Reconciler()
        self._install_errors = InstallErrors()
        self._counters: Counter[KernelCounter] = Counter()
        self.operations: Counter[tuple[str, int]] = Counter()
        """Operations that the kernel has carried out, by `ACTIONS` and the bytes of their address."""
        self.probes_sent: Counter[int] = Counter()
        """By the bytes of their address."""
        self.announcements_sent = 0
        self._back_off = BackOff(_FIRST_WAIT, _LAST_WAIT)
        self._unsure = False
        """The kernel did not answer the last operations. It must be read before more are applied."""
        self._to_send: list[Probe | UnsentProbe | Announcement] = []
        self._to_snoop: dict[int, SnoopData] = {}
        """The latest change of data snooping, by port."""
        self._notes: dict[Key, AdoptionNote | None] = {}
        """The notes for the next run that have changed."""

    @property
    def counters(self) -> Mapping[KernelCounter, int]:
        """What happened to the kernel's tables since the start; a counter that is missing is 0."""
        return self._counters

    def handle_outputs(self, outputs: Iterable[Output], frame: bytes | None = None) -> None:
        """Take over the outputs of one event. Decisions are passed on at once, the rest waits for `apply_changes`.

        Args:
            outputs: of the engine.
            frame: the Ethernet frame that was the event; None if the event was no frame, such as a timer.
        """
        for output in outputs:
            match output:
                case Decision():
                    self._on_decision(output, frame)
                case DesiredHost(key, desired):
                    self._reconciler.set_desired(key, desired)
                case Probe() | UnsentProbe() | Announcement():
                    self._to_send.append(output)
                case SnoopData(port):
                    self._to_snoop[port] = output
                case CoveringPrefix():
                    self._observer.guests_covered(output)
                case NoteForNextRun(key, note):
                    self._notes[key] = note

    def apply_changes(self, now: float) -> None:
        """Make the kernel equal to what is desired, then send the frames."""
        self._apply_operations(now)
        frames, self._to_send = self._to_send, []
        for frame in frames:
            match frame:
                case Announcement():
                    self._transmitter.send_announcement(frame)
                    self.announcements_sent += 1
                case Probe() if self._transmitter.send_probe(now, frame):
                    self.probes_sent[len(frame.address)] += 1
                case _:
                    self._note_unsent(now, frame)
        changes, self._to_snoop = self._to_snoop, {}
        for change in changes.values():
            self._transmitter.snoop_data(change)

    def next_deadline(self) -> float | None:
        """Return when `apply_changes` has something to retry; None: when there are outputs."""
        return None if self._unsure else self._reconciler.next_deadline()

    def resync_from_kernel(self) -> None:
        """Compare all entries of the kernel with the desired ones. `apply_changes` then applies the difference.

        Raises:
            OSError: the kernel did not answer.
        """
        self._reconciler.resync_from_kernel(*self._backend.read_entries())
        self._counters[KernelCounter.COMPARISONS] += 1
        self._unsure = False

    def resync_due_at(self) -> float | None:
        """Return when `resync_from_kernel` is needed since the kernel did not answer; None if it is not."""
        return self._back_off.retry_at if self._unsure else None

    def drain_notes(self) -> Mapping[Key, AdoptionNote | None]:
        """Return the notes for the next run that have changed since the last call; None: a note has ended."""
        notes, self._notes = self._notes, {}
        return notes

    @property
    def has_notes(self) -> bool:
        """Whether there are notes to drain."""
        return bool(self._notes)

    def adopt_entries(
        self,
        now: float,
        fdb_ports: Mapping[tuple[int, MAC], int],
        notes: Mapping[Key, AdoptionNote],
        pins: Mapping[PinKey, int],
    ) -> None:
        """Adopt what an earlier run left in the kernel, until the guests have answered or not.

        Args:
            now: of the start.
            fdb_ports: the port (ifindex) of each bridge (ifindex) and MAC in the bridges' forwarding databases.
            notes: of an earlier run about bindings that it had adopted.
            pins: the port (ifindex) of each MAC that an earlier run pinned.

        Raises:
            OSError: the kernel did not answer.
        """
        routes, neighbours = self._backend.read_entries()
        self._reconciler.resync_from_kernel(routes, neighbours)
        engine = self._engine
        adoptable = adoptable_routes(engine.segments, routes, neighbours)
        if any(route.mac is None for route in adoptable):
            engine.remember_fdb(fdb_ports)
        for key, device, mac, metric in adoptable:
            fdb_port = None if mac is None else fdb_ports.get((device, mac))
            pinned = None if mac is None else pins.get(PinKey(device, mac))
            self.handle_outputs(engine.adopt(now, key, mac, device, fdb_port, metric, notes.get(key), pinned))
        for device, address, mac in orphaned_neighbours(engine.segments, routes, neighbours):
            key = Key(engine.segments[device].table, address)
            fdb_port = fdb_ports.get((device, mac))
            self.handle_outputs(engine.probe_orphaned_neighbour(now, key, mac, device, fdb_port))

    def reannounce(self, address: IP) -> bool:
        """Have the kernel announce the routes of an address once more, or that it has none.

        Returns:
            Whether it has any.
        """
        desired = [one.route for one in self._reconciler.desired(address)]
        for route in desired or [
            host(segment.table, address, segment.index, None).route
            for segment in self._engine.segments.values()
        ]:
            self._reconciler.reannounce(route)
            self._counters[KernelCounter.REANNOUNCED] += 1
        return bool(desired)

    def devices_changed(self, now: float) -> None:
        """Devices have changed: what the kernel refused before is tried again at once."""
        self._reconciler.retry_all(now)

    def install_held_down(self, now: float) -> None:
        """Install what is held down as well: after a stop the kernel's entries are all that the next start knows."""
        self._reconciler.retry_all(now)
        self._apply_operations(now)

    def withdraw_all(self, now: float) -> None:
        """Remove all entries of ours from the kernel, also those that nothing is known of.

        Raises:
            OSError: the kernel did not answer.
        """
        self.handle_outputs(self._engine.flush(now))
        while self._engine.flushing:
            self.handle_outputs(self._engine.handle_slice(now))
        refusals = self._backend.apply(plan([], *self._backend.read_entries()))
        self._report(refusals)

    def desired_hosts(self, address: IP) -> list[Host]:
        """Return what the kernel should hold for an address, in all tables."""
        return self._reconciler.desired(address)

    def retry_at(self, address: IP) -> float | None:
        """Return when the entries of an address are tried again; None if they do not wait."""
        return self._reconciler.retry_at(address)

    def install_error(self, address: IP) -> str | None:
        """Return why the kernel refused an entry of an address; None if it did not, or has accepted it since."""
        return self._install_errors.text(address)

    def count(self, counter: KernelCounter) -> None:
        """Count something that was seen of the kernel outside of the actuator."""
        self._counters[counter] += 1

    def route_added(self, route: Route) -> None:
        """The kernel announced a route of ours."""
        self._reconciler.route_added(route)

    def route_removed(self, address: IP, table: int, metric: int, device: int | None = None) -> None:
        """The kernel announced that there is no route of ours over `device` (None: over any) in this place."""
        self._reconciler.route_removed(address, table, metric, device)

    def route_taken(self, address: IP, table: int, metric: int) -> None:
        """The kernel announced a route of another program in this place."""
        self._reconciler.route_taken(address, table, metric)

    def neighbour_added(self, neighbour: Neighbour) -> None:
        """The kernel announced a neighbour of ours."""
        self._reconciler.neighbour_added(neighbour)

    def neighbour_removed(self, device: int, address: IP) -> None:
        """The kernel announced that there is no neighbour of ours in this place."""
        self._reconciler.neighbour_removed(device, address)

    def neighbour_taken(self, device: int, address: IP) -> None:
        """The kernel announced a permanent neighbour of another program in this place."""
        self._reconciler.neighbour_taken(device, address)

    def _apply_operations(self, now: float) -> None:
        if self._unsure:
            return
        operations = self._reconciler.plan_operations(now)
        refusals: list[Refusal] = []
        if operations:
            try:
                refusals = self._backend.apply(operations)
            except OSError as error:
                self._note_unanswered(now, error)
                return
        if self._back_off.failing:
            self._back_off.record_success()
            self._observer.kernel_answered()
        for operation in operations:
            self.operations[ACTIONS[type(operation)], len(entry_of(operation).address)] += 1
        for refusal in refusals:
            self._counters[KernelCounter(refusal.reason)] += 1
            self.operations[ACTIONS[type(refusal.operation)], len(entry_of(refusal.operation).address)] -= 1
        self._report(refusals)
        changed = self._reconciler.record_results(now, operations, refusals)
        contested = list(dict.fromkeys(key.address for key, reason in changed if reason is Reason.CONTESTED))
        self._counters[KernelCounter.CONTESTED] += len(contested)
        if contested:
            self._observer.removals_contested(contested)
        for key, reason in changed:
            if reason is None:
                self._install_errors.forget(key.address)
                self.handle_outputs(self._engine.kernel_accepted(now, key))
            else:
                self.handle_outputs(self._engine.kernel_refused(now, key, reason))

    def _report(self, refusals: Iterable[Refusal]) -> None:
        reports = self._install_errors.record(refusals)
        if reports:
            self._observer.entries_refused(reports)

    def _note_unsent(self, now: float, probe: Probe | UnsentProbe) -> None:
        self._counters[KernelCounter.UNSENT] += 1
        self._observer.probe_unsent(now, probe)
        if isinstance(probe, Probe):
            self._engine.probe_unsent(now, probe)

    def _note_unanswered(self, now: float, error: OSError) -> None:
        self._unsure = True
        self._counters[KernelCounter.UNANSWERED] += 1
        if not self._back_off.failing:
            self._observer.kernel_unanswered(error)
        self._back_off.record_failure(now)
