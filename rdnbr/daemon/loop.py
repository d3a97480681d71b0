"""The event loop of the daemon, and the order of one turn.

The callbacks of the selector only move bytes and queue what arrived. What a turn does, it does in this order:

1. netlink: the events of the kernel change the segments, the ports, and what is known of the kernel's tables;
2. frames: the frames of the ports go through the engine;
3. commands: the commands of the control socket and reloads are executed;
4. timers: timers of the engine that have expired. While there are unread frames, timers wait (`timer_gate`), since the
   unread frames may have the answers that the timers wait for;
5. kernel: what no event reports is compared, and the routes and neighbours in the kernel are made equal to the desired
   ones;
6. probes: probes and announcements leave. A guest's answer must find its route, so the kernel comes first.

An exception costs the frame, the event or the command that it came from, never the daemon (`faults`).
"""

import selectors
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain

from rdnbr.config.config import Config
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.engine_outputs import Output
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import GONE
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.primitives.timer_queue import earliest
from rdnbr.daemon.command_handler import CommandHandler
from rdnbr.daemon.faults import Faults, Step
from rdnbr.daemon.figures import Figures
from rdnbr.daemon.kernel_watcher import KernelWatcher
from rdnbr.daemon.mac_pinning import MacPinning
from rdnbr.daemon.parts import make_parts
from rdnbr.daemon.single_instance import hold_instance_lock
from rdnbr.daemon.source_filter import SourceFilter
from rdnbr.daemon.startup_errors import CannotStart, kernel_refuses, no_bridge, no_permission
from rdnbr.daemon.timer_gate import TimerGate
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.nft import ruleset
from rdnbr.linux.packet.packet_socket import Frame
from rdnbr.linux.packet.receiver import PacketReceiver
from rdnbr.linux.process.capabilities import missing
from rdnbr.linux.process.rlimit import allow_all
from rdnbr.linux.process.sd_notify import notify, watchdog_interval
from rdnbr.linux.process.signals import Signals
from rdnbr.operator.control.server import ControlServer
from rdnbr.operator.control.unix_listener import CannotListen
from rdnbr.operator.logging.decision_log import DecisionLog
from rdnbr.operator.logging.events import Events, to_watchers
from rdnbr.operator.logging.setup import configure_logging, logger
from rdnbr.operator.text.wall_clock import SinceBoot

_LAST_WORDS = 1.0
"""Seconds the log may take to be written at the end."""

_PAUSE_AFTER_FAULT = 0.01
"""Seconds that the loop sleeps after a turn with a fault outside of frames and commands, and while a step is paused.
The cause may still be ready, and then the selector returns at once."""


def run(config: Config, allowlist: Allowlist | None, *, dry_run: bool, wait: bool) -> int:
    """Run until told to stop, and return the exit code.

    Args:
        config: the configuration.
        allowlist: None runs open.
        dry_run: change nothing, and log what would be done.
        wait: if there is no bridge to serve, wait for one.

    Raises:
        CannotStart: with what to do about it.
    """
    lacking = missing()
    if lacking:
        raise no_permission(lacking)
    writer = configure_logging(config.log)
    try:
        try:
            allow_all()
            daemon = Daemon(config, allowlist, dry_run=dry_run, wait=wait)
        except OSError as error:
            raise kernel_refuses(error) from error
        try:
            daemon.serve()
        finally:
            daemon.close()
    finally:
        writer.drain(_LAST_WORDS)
    return 0


class Daemon:
    """One running rdnbr."""

    def __init__(
        self, config: Config, allowlist: Allowlist | None, *, dry_run: bool, wait: bool = False
    ) -> None:
        now = time.monotonic()
        self._log = logger()
        self._stopping = False
        interval = watchdog_interval()
        self._watchdog = None if interval is None else interval / 3
        self._next_watchdog = now
        self._timer_gate = TimerGate(now)
        self._faults = Faults(self._log)
        self._fault_in_turn = False
        self._decision_log = DecisionLog(self._log, verbose=config.log.level == "debug")
        self._figures = Figures(now)
        self._control: ControlServer | None = None
        with ExitStack() as stack:
            self._assemble(now, config, allowlist, stack, dry_run=dry_run, wait=wait)
            self._open = stack.pop_all()
        self._steps = self._make_steps()
        self._serving = self._parts.serving
        self._log_start(config)

    def _assemble(
        self,
        now: float,
        config: Config,
        allowlist: Allowlist | None,
        stack: ExitStack,
        *,
        dry_run: bool,
        wait: bool,
    ) -> None:
        """Open all there is to open; `stack` closes it, also when this fails half-way."""
        if not dry_run:
            hold_instance_lock(stack, self._log)
        self._selector = stack.enter_context(selectors.DefaultSelector())
        wall = SinceBoot()
        events = Events(self._log.error)
        events.subscribe("the log", self._decision_log)
        events.subscribe("the figures", self._figures.count_decision)
        self._receiver = PacketReceiver(self._selector)
        kernel = None if dry_run else KernelFib()
        if kernel is not None:
            stack.callback(kernel.close)
        engine = Engine(config.settings, allowlist)
        source_filter = SourceFilter(self._selector, self._log.error)
        stack.callback(source_filter.close)
        mac_pinning = MacPinning(self._log.error)
        stack.callback(mac_pinning.close)
        self._parts = make_parts(
            engine, self._receiver, events, source_filter, mac_pinning, self._log, kernel
        )
        self._kernel_watcher = KernelWatcher(
            now, self._selector, self._parts, config, self._handle_netlink_fault
        )
        stack.callback(self._kernel_watcher.close)
        stack.callback(self._parts.adoption_memory.close)
        stack.callback(self._receiver.close_all)
        if not wait and not self._kernel_watcher.segments():
            raise CannotStart(no_bridge(config))
        self._command_handler = CommandHandler(
            now, self._selector, self._parts, self._kernel_watcher, config, wall, self._figures
        )
        stack.callback(self._command_handler.close)
        if not dry_run:
            try:
                self._control = ControlServer(
                    now,
                    config.socket,
                    self._selector,
                    self._command_handler,
                    self._log.error,
                    self._handle_command_fault,
                )
            except CannotListen as error:
                raise CannotStart(str(error)) from error
            stack.callback(self._control.close)
            events.subscribe("the watchers", to_watchers(self._control, wall))
            self._command_handler.start_enforcing()
        self._parts.engine.set_clock(now, time.time())
        self._kernel_watcher.update_engine(now)
        signals = Signals(
            self._selector,
            {
                signal.SIGTERM: self._stop,
                signal.SIGINT: self._stop,
                signal.SIGHUP: self._request_reload,
            },
        )
        stack.callback(signals.close)

    def serve(self) -> None:
        """Run until a signal stops the daemon."""
        notify(READY=1, STATUS=self._status())
        while not self._stopping:
            ready = self._selector.select(self._timeout())
            began = time.monotonic()
            self._turn(began, ready)
            ended = time.monotonic()
            self._figures.turns.record(ended, ended - began)
            if self._fault_in_turn or any(step.failing for step in self._steps):
                time.sleep(_PAUSE_AFTER_FAULT)
        notify(STOPPING=1)
        self._log.info("stopping", routes=self._command_handler.leave(time.monotonic()))

    def close(self) -> None:
        """Close everything. What is in the kernel stays there."""
        self._open.close()

    def _make_steps(self) -> tuple[Step, ...]:
        """Return the steps of a turn in their order."""
        engine, memory = self._parts.engine, self._parts.adoption_memory
        return tuple(
            Step(name, run, deadline, self._handle_fault)
            for name, run, deadline in (
                ("netlink", self._kernel_watcher.handle_events, self._kernel_watcher.events_deadline),
                ("frames", self._handle_frames, self._frames_deadline),
                ("commands", self._execute_commands, self._commands_deadline),
                ("timers", self._expire_timers, engine.next_deadline),
                ("comparison", self._compare, self._kernel_watcher.comparison_deadline),
                ("kernel", self._parts.actuator.apply_changes, self._parts.actuator.next_deadline),
                ("adoption notes", memory.update, memory.next_deadline),
                ("MAC pins", self._pin_macs, self._parts.mac_pinning.next_deadline),
                ("source filter", self._update_source_filter, self._parts.source_filter.next_deadline),
            )
        )

    def _turn(self, now: float, ready: Iterable[tuple[selectors.SelectorKey, int]]) -> None:
        """Make one turn at `now`; `ready` is what the selector has returned."""
        self._fault_in_turn = False
        for key, mask in ready:
            try:
                key.data(mask)
            except Exception as error:  # noqa: BLE001 (no callback may end the daemon)
                self._handle_fault(now, "select", error)
        self._parts.engine.set_clock(now, time.time())
        for step in self._steps:
            step.run(now)
        self._decision_log.log_suppressed(now)
        self._note_serving()
        self._feed_watchdog(now)

    def _handle_frames(self, now: float) -> None:
        parts, engine = self._parts, self._parts.engine
        for index, frame in self._receive(now):
            if self._faults.is_paused(now, index):
                self._count_fault_of_port(index)
                continue
            outputs: Iterable[Output] = ()
            try:
                outputs = iter(engine.handle_frame(now, index, *frame))
                parts.actuator.handle_outputs(outputs, frame.data)
            except Exception as error:  # noqa: BLE001 (no frame may end the daemon)
                self._handle_frame_fault(now, index, frame, error)
                self._apply_rest(outputs, frame.data)

    def _receive(self, now: float) -> Iterator[tuple[int, Frame]]:
        """Return the frames of the ports, and in a dry run the answers of the simulated guests."""
        yield from self._receiver.receive(now)
        if self._parts.guests is not None:
            for index, answer in self._parts.guests.receive(now):
                yield index, Frame(answer, None, len(answer))

    def _execute_commands(self, now: float) -> None:
        self._command_handler.reloader.advance(now)
        if self._control is not None:
            self._control.execute_requests()
            self._control.resume_accepting(now)
            self._control.check_socket_file(now)

    def _expire_timers(self, now: float) -> None:
        unread = not self._receiver.drained
        parts, engine = self._parts, self._parts.engine
        if not self._timer_gate.open(now, unread=unread):
            if engine.flushing or engine.reauthorizing:  # which depends on no frame
                parts.actuator.handle_outputs(engine.handle_slice(now))
            return
        before = engine.next_deadline()
        outputs: Iterable[Output] = ()
        try:
            outputs = iter(engine.expire_timers(now, unread=unread))
            parts.actuator.handle_outputs(outputs)
            due = engine.next_deadline()
            if due is None or due > now:  # else more timers are due than one turn handles
                self._timer_gate.restart_wait(now)
        except Exception as error:
            if engine.next_deadline() == before:
                raise  # it would fail again at once: the step is paused
            self._handle_fault(now, "timers", error)
            self._apply_rest(outputs)

    def _compare(self, now: float) -> None:
        """Read from the kernel what no event reports."""
        if self._kernel_watcher.compare(now):
            self._command_handler.verify_enforcement()

    def _update_source_filter(self, now: float) -> None:
        self._parts.source_filter.update(now, self._parts.engine)

    def _pin_macs(self, now: float) -> None:
        self._parts.mac_pinning.update(now, self._parts.engine)

    def _feed_watchdog(self, now: float) -> None:
        if self._watchdog is not None and now >= self._next_watchdog:
            self._next_watchdog = now + self._watchdog
            notify(WATCHDOG=1, STATUS=self._status())

    def _timeout(self) -> float:
        """Return for how many seconds there is nothing to do unless something arrives."""
        now = time.monotonic()
        deadlines = [step.next_deadline(now) for step in self._steps]
        if self._watchdog is not None:
            deadlines.append(self._next_watchdog)
        return max(0.0, min(at for at in deadlines if at is not None) - now)

    def _frames_deadline(self) -> float | None:
        if not self._receiver.drained:
            return 0.0
        guests = self._parts.guests
        return earliest(self._receiver.next_deadline(), None if guests is None else guests.next_deadline())

    def _commands_deadline(self) -> float:
        at = self._command_handler.reloader.next_deadline()
        return at if self._control is None else min(at, self._control.next_deadline())

    def _handle_frame_fault(self, now: float, index: int, frame: Frame, error: Exception) -> None:
        """Count and log a fault, and pause the port that has sent the frame."""
        port = self._parts.engine.ports.get(index)
        self._faults.pause_port(now, index)
        self._count_fault_of_port(index)
        self._faults.log("frames", error, frame.data, port=GONE if port is None else port.name)

    def _count_fault_of_port(self, index: int) -> None:
        port = self._parts.engine.ports.get(index)
        self._parts.engine.counters.count(GONE if port is None else port.name, Reason.INTERNAL_ERROR)

    def _handle_netlink_fault(self, error: Exception, message: bytes) -> None:
        self._parts.actuator.count(KernelCounter.INTERNAL_ERROR)
        self._faults.log("netlink", error, message)

    def _handle_command_fault(self, error: Exception, request: bytes) -> None:
        self._parts.actuator.count(KernelCounter.INTERNAL_ERROR)
        self._faults.log("commands", error, request)
        self._apply_rest(())

    def _handle_fault(self, now: float, step: str, error: Exception) -> None:
        """Count and log a fault of a step as a whole."""
        if step in ("netlink", "select"):
            self._kernel_watcher.resync(now)  # further events may be lost
        self._fault_in_turn = True
        self._parts.actuator.count(KernelCounter.INTERNAL_ERROR)
        self._faults.log(step, error)
        self._apply_rest(())

    def _apply_rest(self, outputs: Iterable[Output], frame: bytes | None = None) -> None:
        """Apply what is left of the outputs of an event that ended in a fault, before any other event."""
        for output in chain(outputs, self._parts.engine.drain_outputs()):
            try:
                self._parts.actuator.handle_outputs([output], frame)
            except Exception as error:  # noqa: BLE001 (the next output may be sound)
                self._faults.log("outputs", error)

    def _request_reload(self) -> None:
        self._command_handler.reloader.request()

    def _stop(self) -> None:
        self._stopping = True

    def _status(self) -> str:
        """Return in a few words what is served, or what the daemon waits for."""
        waits_for = self._command_handler.waits_for()
        return self._parts.status() if waits_for is None else f"waiting: {waits_for}"

    def _note_serving(self) -> None:
        """Log, and report to systemd, that the first bridge has come or the last one has gone."""
        if self._parts.serving != self._serving:
            self._serving = self._parts.serving
            notify(STATUS=self._status())
            self._log_serving()

    def _log_serving(self) -> None:
        waits_for = self._command_handler.waits_for()
        if waits_for is not None:
            self._log.warning("waiting for a bridge to serve", why=waits_for)
            return
        engine = self._parts.engine
        bridges = sorted(segment.name for segment in engine.segments.values())
        self._log.info("serving", bridges=bridges, ports=len(engine.ports), dry_run=self._parts.dry_run)

    def _log_start(self, config: Config) -> None:
        engine = self._parts.engine
        self._log_serving()
        if self._parts.source_filter.active:
            self._log.info("enforcing: guests send from bound addresses only", table=ruleset.TABLE)
        if self._parts.mac_pinning.active:
            self._log.info("enforcing: bound MACs are pinned to their ports")
        if engine.open_mode:
            self._log.warning(
                "open mode: there is no allowlist, so any guest may claim any address that is not the node's",
                cure=f"write {config.allowlist}",
            )
