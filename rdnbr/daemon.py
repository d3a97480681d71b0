"""The daemon: puts the pieces together and runs them, in one loop without threads.

A turn of the loop goes one way: what netlink says, what the ports say, who asks at the control socket; then, only
when everything that had arrived was handled, deadlines; then the kernel is made to agree, and questions leave.
"""

import selectors
import signal
import time
from collections.abc import Iterable
from dataclasses import replace

from rdnbr.config import Config, ConfigError, load, load_allowlist
from rdnbr.core import probe
from rdnbr.core.address import IP, show_ip
from rdnbr.core.allowlist import Allowlist, AllowlistError
from rdnbr.core.decision import Announcement, Decision, Output, Probe, Want
from rdnbr.core.engine import Engine
from rdnbr.core.kernel import Kernel
from rdnbr.core.landscape import Landscape
from rdnbr.core.plan import Key
from rdnbr.core.pretend import PretendKernel
from rdnbr.core.reconcile import Reconciliation
from rdnbr.linux import nft, nft_table
from rdnbr.linux.ears import Ears
from rdnbr.linux.enforcement import CannotEnforceError, Enforcement
from rdnbr.linux.fib import Fib
from rdnbr.linux.links import snapshot
from rdnbr.linux.monitor import (
    AddressChanged,
    AddressGone,
    Event,
    LinkChanged,
    LinkGone,
    Monitor,
    NeighbourGone,
    NeighbourSeen,
    NextHopsChanged,
    Overrun,
    RouteGone,
    RouteSeen,
    RouteTaken,
)
from rdnbr.linux.next_hops import next_hops
from rdnbr.linux.notify import notify, watchdog_interval
from rdnbr.linux.permission import missing
from rdnbr.linux.signals import Signals
from rdnbr.operator import views
from rdnbr.operator.answers import Command, Document, Refused
from rdnbr.operator.chronicle import Chronicle
from rdnbr.operator.control import Control
from rdnbr.operator.events import Events, to_watchers
from rdnbr.operator.files import Files
from rdnbr.operator.listener import CannotListen
from rdnbr.operator.log import logger, set_up
from rdnbr.operator.wall import SinceBoot

_LAST_WORDS = 1.0
"""Seconds the log may take to be written at the end."""

NEXT_HOPS_APART = 1.0
"""Seconds between two looks at the next hops, however many routes change."""

RESYNC = 60.0
"""Seconds between two looks at everything, whether anything was heard or not."""


class CannotStart(Exception):
    """The daemon cannot run here; the message is one sentence that says what to do."""


def run(config: Config, allowlist: Allowlist | None, *, dry_run: bool) -> int:
    """Run until told to stop, and return the exit code.

    Raises:
        CannotStart: with what to do about it.
    """
    lacking = missing()
    if lacking:
        raise CannotStart(
            f"rdnbr needs {' and '.join(lacking)} to listen on ports and set routes; run it as root, or by its unit"
        )
    writer = set_up(config.log)
    try:
        daemon = Daemon(config, allowlist, dry_run=dry_run)
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
        self._config = config
        self._dry_run = dry_run
        self._log = logger()
        self._wall = SinceBoot()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._engine = Engine(config.settings, allowlist)
        self._landscape = Landscape(config.bridges)
        self._reconciliation = Reconciliation()
        self._to_send: list[tuple[int, bytes]] = []
        self._events = Events(self._complain)
        self._chronicle = Chronicle(self._log, verbose=config.log.level == "debug")
        self._events.subscribe("the log", self._chronicle)
        self._ears = Ears(self._selector)
        now = time.monotonic()
        self._files = self._watched_files(now)
        self._next_resync = now + RESYNC
        self._resync_wanted = False
        interval = watchdog_interval()
        self._watchdog = None if interval is None else interval / 3
        self._next_watchdog = now
        self._monitor = Monitor()
        self._heard: list[Event] = []
        self._selector.register(self._monitor, selectors.EVENT_READ, self._hear_netlink)
        self._landscape.replace(*snapshot())
        self._landscape.lead_to(next_hops())
        self._next_hops_wanted = False
        self._next_hops_at = now
        served = self._landscape.segments()
        if not served:
            raise CannotStart(_no_bridge(config))
        self._kernel: Kernel = PretendKernel({one.index: one.name for one in served}) if dry_run else Fib()
        self._enforcement = self._start_enforcing() if config.enforce and not dry_run else None
        self._control = None if dry_run else self._open_control()
        if self._enforcement is None and not dry_run:
            self._end_enforcing()
        if self._control is not None:
            self._events.subscribe("the watchers", to_watchers(self._control, self._wall))
        self._survey(now)
        self._adopt(now)
        self._signals = Signals(
            self._selector,
            {
                signal.SIGTERM: self._stop,
                signal.SIGINT: self._stop,
                signal.SIGHUP: self._reload_by_signal,
            },
        )

    def serve(self) -> None:
        """Run until told to stop."""
        self._announce()
        notify(READY=1, STATUS=self._status())
        while not self._stopping:
            for key, mask in self._selector.select(self._patience()):
                key.data(mask)
            self._turn(time.monotonic())
        notify(STOPPING=1)
        self._log.info("stopping", routes="left in place; rdnbr flush removes them")

    def close(self) -> None:
        """Let go of everything but what is in the kernel."""
        self._signals.close()
        if self._control is not None:
            self._control.close()
        if self._enforcement is not None:
            self._enforcement.close()
        self._ears.close_all()
        self._monitor.close()
        self._selector.close()

    def answer(self, command: Command, address: IP | None) -> Document:
        """Answer at the control socket.

        Raises:
            Refused: it cannot be done.
        """
        now = time.monotonic()
        mode: views.Mode = "open" if self._engine.open_mode else "allowlist"
        match command:
            case "bindings":
                return views.bindings(self._engine.bindings(), mode, self._wall)
            case "ports":
                return views.ports(self._port_views(), mode)
            case "counters":
                return views.counters(self._engine.counters, mode)
            case "events":
                return views.events(self._events.recent(), mode, self._wall)
            case "reload":
                return {"message": self._reload(now)}
            case "flush":
                before = len(self._engine.bindings())
                self._take(now, self._engine.flush(now, address))
                gone = before - len(self._engine.bindings())
                if address is None and self._enforcement is not None:
                    self._enforcement.dismiss()
                if address is not None and not gone:
                    raise Refused(f"{show_ip(address)} is not bound; rdnbr show lists what is")
                return {"message": f"withdrew and forgot {gone} bindings"}
            case "probe":
                return {"message": self._ask(now, address)}

    # What arrives

    def _turn(self, now: float) -> None:
        if self._heard:
            events, self._heard = self._heard, []
            self._apply_events(now, events)
        for index, frame in self._ears.receive(now):
            self._take(now, self._engine.frame(now, index, *frame))
        if self._files.changed(now):
            self._reload_or_complain(now)
        if self._ears.drained:
            self._take(now, self._engine.tick(now))
        if self._next_hops_wanted and now >= self._next_hops_at:
            self._next_hops_wanted = False
            self._next_hops_at = now + NEXT_HOPS_APART
            self._landscape.lead_to(next_hops())
            self._survey(now)
        if self._resync_wanted or now >= self._next_resync:
            self._resync(now)
        self._reconcile(now)
        if self._enforcement is not None:
            self._enforcement.turn(now, self._engine)
        self._send()
        self._chronicle.tick(now)
        if self._watchdog is not None and now >= self._next_watchdog:
            self._next_watchdog = now + self._watchdog
            notify(WATCHDOG=1, STATUS=self._status())

    def _patience(self) -> float:
        """Return how long there is nothing to do, in seconds."""
        if not self._ears.drained or self._resync_wanted or self._heard:
            return 0.0
        deadlines = (
            self._engine.deadline(),
            self._reconciliation.deadline(),
            self._ears.deadline(),
            self._files.deadline,
            self._next_resync,
            self._next_hops_at if self._next_hops_wanted else None,
            None if self._enforcement is None else self._enforcement.deadline(),
            None if self._watchdog is None else self._next_watchdog,
        )
        return max(0.0, min(at for at in deadlines if at is not None) - time.monotonic())

    def _hear_netlink(self, _mask: int) -> None:
        self._heard += self._monitor.receive()

    def _apply_events(self, now: float, events: Iterable[Event]) -> None:
        survey = False
        for event in events:
            match event:
                case LinkChanged(link):
                    self._landscape.link_changed(link)
                    survey = True
                case LinkGone(index):
                    # At once: the next event may give the same ifindex to another device.
                    self._landscape.link_gone(index)
                    self._ears.close(index)
                    self._take(now, self._engine.port_gone(now, index))
                    survey = True
                case AddressChanged(address):
                    self._landscape.address_changed(address)
                    survey = True
                case AddressGone(address):
                    self._landscape.address_gone(address)
                    survey = True
                case RouteSeen(route):
                    self._reconciliation.route_seen(route)
                case RouteGone(route):
                    self._reconciliation.route_gone(route.address, route.table, route.metric)
                case RouteTaken(place):
                    self._reconciliation.route_gone(place.address, place.table, place.metric)
                case NeighbourSeen(neighbour):
                    self._reconciliation.neighbour_seen(neighbour)
                case NeighbourGone(device, address):
                    self._reconciliation.neighbour_gone(device, address)
                case NextHopsChanged():
                    self._next_hops_wanted = True
                case Overrun():
                    self._log.warning("netlink events were lost; looking at everything again")
                    self._landscape.replace(*snapshot())
                    self._resync_wanted = survey = True
        if survey:
            self._survey(now)

    def _survey(self, now: float) -> None:
        """Tell the engine what the landscape is now, and listen where it says."""
        before = dict(self._engine.segments)
        self._take(now, self._landscape.tell(now, self._engine))
        if self._enforcement is not None:
            self._enforcement.serve(self._landscape.guest_ports(), self._landscape.own_addresses())
        if before and before != self._engine.segments:
            # Linux takes IPv4 routes away without a word when a bridge goes down, and refuses them while it is.
            self._resync_wanted = True
            self._reconciliation.try_again()
        for index in [index for index in self._ears if index not in self._engine.ports]:
            self._ears.close(index)
        for port in list(self._engine.ports.values()):
            if port.index in self._ears:
                continue
            try:
                self._ears.open(port, self._config.settings.policy(port.name).frames_per_second)
            except OSError as error:
                self._log.warning("cannot listen", port=port.name, why=str(error))
                self._take(now, self._engine.port_gone(now, port.index))

    # What is made of it

    def _take(self, now: float, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case Decision():
                    self._events.publish(output)
                    if self._enforcement is not None and output.address is not None:
                        self._enforcement.touch(output.address)
                case Want(key, host):
                    self._reconciliation.want(key, host)
                case Probe() | Announcement() if not self._dry_run:
                    self._to_send.append((output.port, output.frame))
                case Probe():
                    # Nothing is sent in a dry run; let us suppose that whoever spoke would also answer.
                    reply = probe.answer(output.frame, output.mac)
                    if reply is not None:
                        self._take(now, self._engine.frame(now, output.port, reply))
                case Announcement():
                    pass  # nor is this sent

    def _reconcile(self, now: float) -> None:
        operations = self._reconciliation.operations(now)
        refusals = self._kernel.apply(operations) if operations else []
        for refusal in refusals:
            self._log.warning("the kernel refuses", what=str(refusal.operation), why=refusal.text)
        for key, reason in self._reconciliation.applied(now, operations, refusals):
            if reason is None:
                self._take(now, self._engine.kernel_accepted(now, key))
            else:
                self._take(now, self._engine.kernel_refused(now, key, reason))

    def _resync(self, now: float) -> None:
        self._resync_wanted = False
        self._next_resync = now + RESYNC
        self._next_hops_wanted = True
        self._reconciliation.found(*self._kernel.found())
        if self._enforcement is not None and self._config.enforce:
            self._enforcement.look_again()
        if self._control is not None:
            self._control.ensure()

    def _send(self) -> None:
        frames, self._to_send = self._to_send, []
        for port, frame in frames:
            self._ears.send(port, frame)

    def _adopt(self, now: float) -> None:
        """Serve what an earlier run left in the kernel, until it has proved itself or not."""
        routes, neighbours = self._kernel.found()
        self._reconciliation.found(routes, neighbours)
        macs = {(entry.device, entry.address): entry.mac for entry in neighbours}
        for route in sorted(routes):
            mac = macs.get((route.device, route.address))
            if mac is not None:
                key = Key(route.table, route.address)
                self._take(now, self._engine.adopt(now, key, mac, route.device))

    # Whoever asks

    def _ask(self, now: float, address: IP | None) -> str:
        if address is None:
            raise Refused("name the address to ask")
        if not any(view.address == address for view in self._engine.bindings()):
            raise Refused(f"{show_ip(address)} is not bound; rdnbr show lists what is")
        self._take(now, self._engine.probe(now, address))
        return f"asked for {show_ip(address)}; rdnbr show tells when it was last seen"

    def _reload(self, now: float) -> str:
        """Read the files again; with a mistake in them everything stays as it is.

        Raises:
            Refused: with every mistake.
        """
        notify(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        try:
            config = load(self._config.given)
            required = config.allowlist_named or not self._engine.open_mode
            allowlist = load_allowlist(config.allowlist, config.allowlist_directory, required=required)
            if config.enforce and self._enforcement is None and not self._dry_run:
                self._enforcement = self._start_enforcing()
        except (ConfigError, AllowlistError, CannotStart) as error:
            raise Refused(f"nothing was changed:\n{error}") from error
        finally:
            notify(READY=1)
        restart = replace(config, socket=self._config.socket, log=self._config.log) != config
        before = len(self._engine.bindings())
        self._config = config
        if self._enforcement is not None:
            (self._enforcement.look_again if config.enforce else self._enforcement.dismiss)()
        self._engine.configure(config.settings)
        self._landscape.use(config.bridges)
        self._survey(now)
        self._take(now, self._engine.allow(now, allowlist))
        gone = before - len(self._engine.bindings())
        rules = "open mode" if allowlist is None else f"{len(allowlist.rules)} rules"
        message = f"reloaded: {rules}, {gone} bindings no longer permitted"
        if restart:
            message += "; the socket and the log change at the next start"
        self._log.info(message)
        return message

    def _reload_or_complain(self, now: float) -> None:
        try:
            self._reload(now)
        except Refused as error:
            self._log.error("reload failed", why=str(error))

    def _reload_by_signal(self) -> None:
        self._reload_or_complain(time.monotonic())

    def _stop(self) -> None:
        self._stopping = True

    # What people see

    def _port_views(self) -> list[views.PortView]:
        bound: dict[str | None, int] = {}
        for view in self._engine.bindings():
            bound[view.port] = bound.get(view.port, 0) + (view.state != "departed")
        frames: dict[str, int] = {}
        for (name, _), count in self._engine.counters.items():
            frames[name] = frames.get(name, 0) + count
        drops = self._ears.drops()
        return [
            views.PortView(
                port.name,
                port.index,
                self._engine.segments[port.segment].name,
                bound.get(port.name, 0),
                frames.get(port.name, 0),
                drops.get(port.index, 0),
            )
            for port in self._engine.ports.values()
        ]

    def _status(self) -> str:
        return f"{len(self._engine.bindings())} bindings on {len(self._engine.ports)} ports"

    def _announce(self) -> None:
        bridges = sorted(segment.name for segment in self._engine.segments.values())
        self._log.info("serving", bridges=bridges, ports=len(self._engine.ports), dry_run=self._dry_run)
        if self._enforcement is not None:
            self._log.info("enforcing: guests send from bound addresses only", table=nft_table.TABLE)
        if self._engine.open_mode:
            self._log.warning(
                "open mode: there is no allowlist, so any guest may claim any address that is not the node's",
                cure=f"write {self._config.allowlist}",
            )

    def _complain(self, sentence: str) -> None:
        self._log.error(sentence)

    def _start_enforcing(self) -> Enforcement:
        try:
            return Enforcement(self._selector, self._complain)
        except CannotEnforceError as error:
            raise CannotStart(str(error)) from error

    def _end_enforcing(self) -> None:
        """Remove the table of an earlier run that enforced."""
        try:
            nft.removed()
        except nft.NftError as error:
            self._log.warning("cannot tell whether a table of enforce is left", why=str(error))

    def _open_control(self) -> Control:
        try:
            return Control(self._config.socket, self._selector, self, self._complain)
        except CannotListen as error:
            raise CannotStart(str(error)) from error

    def _watched_files(self, now: float) -> Files:
        config = self._config
        return Files((config.file, config.allowlist), (config.allowlist_directory,), now)


def _no_bridge(config: Config) -> str:
    if config.bridges:
        return f"no bridge is named {' or '.join(config.bridges)}; ip -br link show type bridge lists them"
    return (
        "no bridge carries a gateway address: give one 169.254.0.1/32 and fe80::1/64 "
        "(contrib/network/interfaces), or name one with --bridge"
    )
