"""The event loop of the daemon, and the order of one turn.

The callbacks of the selector only move bytes and queue what arrived. What a turn does, it does in this order:

1. netlink: the events of the kernel change the segments, the ports, and what is known of the kernel's tables;
2. frames: the frames of the ports go through the engine;
3. commands: the commands of the control socket and reloads are executed;
4. timers: timers of the engine that have expired. While there are unread frames, timers wait (`timer_gate`), since the
   unread frames may have the answers that the timers wait for;
5. kernel: routes and neighbours in the kernel are made equal to the desired ones;
6. probes: probes and announcements leave. A guest's answer must find its route, so the kernel comes first.
"""

import selectors
import signal
import time
from contextlib import ExitStack

from rdnbr.config.config import Config
from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.backend import Kernel
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.daemon.actuator import Actuator
from rdnbr.daemon.command_handler import CommandHandler
from rdnbr.daemon.kernel_watcher import KernelWatcher
from rdnbr.daemon.single_instance import hold_instance_lock
from rdnbr.daemon.startup_errors import CannotStart, kernel_refuses, no_bridge, no_permission
from rdnbr.daemon.timer_gate import TimerGate
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.nft import ruleset
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


def run(config: Config, allowlist: Allowlist | None, *, dry_run: bool) -> int:
    """Run until told to stop, and return the exit code.

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
            daemon = Daemon(config, allowlist, dry_run=dry_run)
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

    def __init__(self, config: Config, allowlist: Allowlist | None, *, dry_run: bool) -> None:
        now = time.monotonic()
        self._log = logger()
        self._stopping = False
        interval = watchdog_interval()
        self._watchdog = None if interval is None else interval / 3
        self._next_watchdog = now
        self._timer_gate = TimerGate(now)
        self._decision_log = DecisionLog(self._log, verbose=config.log.level == "debug")
        self._control: ControlServer | None = None
        with ExitStack() as stack:
            self._assemble(now, config, allowlist, stack, dry_run=dry_run)
            self._open = stack.pop_all()
        self._log_start(config, dry_run=dry_run)

    def _assemble(
        self, now: float, config: Config, allowlist: Allowlist | None, stack: ExitStack, *, dry_run: bool
    ) -> None:
        """Open all there is to open; `stack` closes it, also when this fails half-way."""
        if not dry_run:
            hold_instance_lock(stack, self._log)
        self._selector = stack.enter_context(selectors.DefaultSelector())
        wall = SinceBoot()
        events = Events(self._log.error)
        events.subscribe("the log", self._decision_log)
        self._receiver = PacketReceiver(self._selector)
        self._works = Actuator(Engine(config.settings, allowlist), self._receiver, events, self._log)
        self._kernel_watcher = KernelWatcher(now, self._selector, self._works, config)
        stack.callback(self._kernel_watcher.close)
        stack.callback(self._receiver.close_all)
        served = self._kernel_watcher.segments()
        if not served:
            raise no_bridge(config)
        kernel: Kernel = FakeKernel({}) if dry_run else KernelFib()
        if isinstance(kernel, KernelFib):
            stack.callback(kernel.close)
        self._works.use(kernel, dry_run=dry_run)
        self._command_handler = CommandHandler(
            now, self._selector, self._works, self._kernel_watcher, config, wall
        )
        stack.callback(self._command_handler.close)
        if not dry_run:
            try:
                self._control = ControlServer(
                    now, config.socket, self._selector, self._command_handler, self._log.error
                )
            except CannotListen as error:
                raise CannotStart(str(error)) from error
            stack.callback(self._control.close)
            events.subscribe("the watchers", to_watchers(self._control, wall))
            self._command_handler.start_enforcing(self._log.error)
        self._works.engine.set_clock(now, time.time())
        self._kernel_watcher.update_engine(now)
        self._works.adopt(now)
        signals = Signals(
            self._selector,
            {
                signal.SIGTERM: self._stop,
                signal.SIGINT: self._stop,
                signal.SIGHUP: self._command_handler.want_reload,
            },
        )
        stack.callback(signals.close)

    def serve(self) -> None:
        """Run until a signal stops the daemon."""
        notify(READY=1, STATUS=self._works.status())
        while not self._stopping:
            for key, mask in self._selector.select(self._timeout()):
                key.data(mask)
            self._turn(time.monotonic())
        notify(STOPPING=1)
        self._log.info("stopping", routes=self._command_handler.leave(time.monotonic()))

    def close(self) -> None:
        """Close everything. What is in the kernel stays there."""
        self._open.close()

    def _turn(self, now: float) -> None:
        self._works.engine.set_clock(now, time.time())
        self._handle_netlink(now)
        self._handle_frames(now)
        self._execute_commands(now)
        self._expire_timers(now)
        self._update_kernel(now)
        self._decision_log.log_suppressed(now)
        self._feed_watchdog(now)

    def _handle_netlink(self, now: float) -> None:
        self._kernel_watcher.handle_events(now)

    def _handle_frames(self, now: float) -> None:
        works = self._works
        for index, frame in self._receiver.receive(now):
            works.take(now, works.engine.handle_frame(now, index, *frame))

    def _execute_commands(self, now: float) -> None:
        self._command_handler.turn(now)
        if self._control is not None:
            self._control.execute_requests()
            self._control.check_socket_file(now)

    def _expire_timers(self, now: float) -> None:
        unread = not self._receiver.drained
        if self._timer_gate.open(now, unread=unread):
            self._works.take(now, self._works.engine.expire_timers(now, unread=unread))

    def _update_kernel(self, now: float) -> None:
        """Make the kernel equal to what is desired, then send probes."""
        if self._kernel_watcher.compare(now):
            self._command_handler.look_again()
        self._works.finish(now)

    def _feed_watchdog(self, now: float) -> None:
        if self._watchdog is not None and now >= self._next_watchdog:
            self._next_watchdog = now + self._watchdog
            notify(WATCHDOG=1, STATUS=self._works.status())

    def _timeout(self) -> float:
        """Return for how many seconds there is nothing to do unless something arrives."""
        if not self._receiver.drained:
            return 0.0
        works = self._works
        deadlines = (
            works.engine.next_deadline(),
            works.deadline(),
            None if works.enforcement is None else works.enforcement.next_deadline(),
            self._receiver.next_deadline(),
            self._kernel_watcher.next_deadline(),
            self._command_handler.deadline(),
            None if self._control is None else self._control.next_deadline(),
            None if self._watchdog is None else self._next_watchdog,
        )
        return max(0.0, min(at for at in deadlines if at is not None) - time.monotonic())

    def _stop(self) -> None:
        self._stopping = True

    def _log_start(self, config: Config, *, dry_run: bool) -> None:
        engine = self._works.engine
        bridges = sorted(segment.name for segment in engine.segments.values())
        self._log.info("serving", bridges=bridges, ports=len(engine.ports), dry_run=dry_run)
        if self._works.enforcement is not None:
            self._log.info("enforcing: guests send from bound addresses only", table=ruleset.TABLE)
        if engine.open_mode:
            self._log.warning(
                "open mode: there is no allowlist, so any guest may claim any address that is not the node's",
                cure=f"write {config.allowlist}",
            )
