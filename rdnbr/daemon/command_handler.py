"""Answers whoever asks at the control socket, and puts new files into force."""

import selectors
import time
from collections.abc import Callable
from dataclasses import replace

from rdnbr.config.config import Config, ConfigError, load_allowlist, load_config
from rdnbr.config.watcher import FileWatcher
from rdnbr.core.bindings.explanation_builder import events_about
from rdnbr.core.model import med_timestamp
from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.model.explanation import DesiredEntry
from rdnbr.core.model.fib_entries import Host
from rdnbr.core.model.snapshot import GONE
from rdnbr.core.policy.allowlist import AllowlistError
from rdnbr.daemon.actuator import Actuator
from rdnbr.daemon.kernel_counters import KernelCounter
from rdnbr.daemon.kernel_watcher import KernelWatcher
from rdnbr.daemon.startup_errors import CannotStart
from rdnbr.linux.nft import command
from rdnbr.linux.nft.enforcement import CannotEnforceError, Enforcement
from rdnbr.linux.process.sd_notify import notify
from rdnbr.operator.control import json_views
from rdnbr.operator.control.json_views import Wall
from rdnbr.operator.control.protocol import Command, Document, Refused, Reply
from rdnbr.operator.explain.explanation_json import encode
from rdnbr.operator.text.phrases import counted


class CommandHandler:
    """The front office of one daemon."""

    def __init__(
        self,
        now: float,
        selector: selectors.BaseSelector,
        works: Actuator,
        surroundings: KernelWatcher,
        config: Config,
        wall: Wall,
    ) -> None:
        self._selector = selector
        self._works = works
        self._kernel_watcher = surroundings
        self._config = config
        self._wall = wall
        self._files = _watched(config, now)
        self._reload_wanted = False

    def leave(self, now: float) -> str:
        """Leave the kernel as the configuration wants it when nobody serves it, and say what became of the routes."""
        works = self._works
        if works.dry_run:
            return "none were made"
        if self._config.on_stop == "keep":
            works.leave(now)
            return "left in place; rdnbr flush removes them"
        try:
            works.withdraw(now)
            self.close()
            command.removed()
        except (OSError, command.NftError) as error:
            works.log.error("on_stop = withdraw failed; rdnbr flush does the same", why=str(error))
            return "not all withdrawn"
        return "withdrawn, for on_stop says so"

    def close(self) -> None:
        """Let go of what filters guests; the table stays."""
        if self._works.enforcement is not None:
            self._works.enforcement.close()
            self._works.enforcement = None

    def execute(self, command: Command, address: IP | None) -> Reply:
        """Execute a command of the control socket.

        Raises:
            Refused: the command cannot be executed.
        """
        now = time.monotonic()
        engine = self._works.engine
        mode: json_views.Mode = "open" if engine.open_mode else "allowlist"
        match command:
            case "bindings":
                return json_views.bindings(engine.snapshot(), mode, self._wall)
            case "ports":
                return json_views.ports(self._port_views(), mode)
            case "counters":
                return json_views.counters(engine.counters, self._kernel_counters(), mode)
            case "events":
                return json_views.events(self._works.events.recent(), mode, self._wall)
            case "explain":
                return self._explain(now, address)
            case "reload":
                try:
                    return {"message": self._reload(now)}
                except Refused as error:
                    self._works.log.error("reload failed", why=str(error))
                    raise
            case "flush":
                return {"message": self._flush(now, address)}
            case "probe":
                return {"message": self._ask(now, address)}
            case "reannounce":
                return {"message": self._reannounce(address)}

    def turn(self, now: float) -> None:
        """Read the files again if they changed, or somebody wants it."""
        if self._reload_wanted or self._files.changed(now):
            self._reload_wanted = False
            self._reload_and_tell(now)

    def deadline(self) -> float:
        """Tell when `turn` wants to look at the files."""
        return self._files.next_deadline

    def want_reload(self) -> None:
        """Read the files again in the next `turn`: a signal must not change the world between two callbacks."""
        self._reload_wanted = True

    def _reload_and_tell(self, now: float) -> None:
        try:
            self._reload(now)
        except Refused as error:
            self._works.log.error("reload failed", why=str(error))

    def start_enforcing(self, report: Callable[[str], None]) -> None:
        """Keep guests from speaking in each other's name, if the configuration says so; else clear up after it.

        Raises:
            CannotStart: this node cannot.
        """
        if self._config.enforce:
            self._works.enforcement = self._enforcement(report)
            return
        try:
            command.removed()
        except command.NftError as error:
            self._works.log.warning("cannot tell whether a table of enforce is left", why=str(error))

    def look_again(self) -> None:
        """Make sure that what filters guests is still there."""
        if self._works.enforcement is not None and self._config.enforce:
            self._works.enforcement.verify_table()

    def _enforcement(self, report: Callable[[str], None]) -> Enforcement:
        try:
            return Enforcement(self._selector, report)
        except CannotEnforceError as error:
            raise CannotStart(str(error)) from error

    def _flush(self, now: float, address: IP | None) -> str:
        works = self._works
        before = len(works.engine.snapshot())
        works.take(now, works.engine.flush(now, address))
        gone = before - len(works.engine.snapshot())
        if address is None and works.enforcement is not None:
            works.enforcement.remove_table()
        if address is not None and not gone:
            raise Refused(f"{show_ip(address)} is not bound; rdnbr show lists what is")
        return f"withdrew and forgot {counted(gone, 'binding')}"

    def _ask(self, now: float, address: IP | None) -> str:
        if address is None:
            raise Refused("name the address to ask")
        if not self._works.engine.snapshot_address(address):
            raise Refused(f"{show_ip(address)} is not bound; rdnbr show lists what is")
        self._works.take(now, self._works.engine.probe(now, address))
        return f"asked for {show_ip(address)}; rdnbr show tells when it was last seen"

    def _explain(self, now: float, address: IP | None) -> Document:
        if address is None:
            raise Refused("name the address to explain")
        works, engine = self._works, self._works.engine
        names = {segment.index: segment.name for segment in engine.segments.values()}
        retry_at, kernel_error = works.reconciler.retry_at(address), works.why_refused(address)
        desired = [
            DesiredEntry(
                table=host.key.table,
                bridge=names.get(host.device, GONE),
                mac=host.mac,
                metric=host.metric,
                arrived=self._arrived(now, host),
                retry_at=retry_at,
                kernel_error=kernel_error,
            )
            for host in works.reconciler.desired(address)
        ]
        explanation = replace(
            engine.explain(now, address),
            desired=tuple(desired),
            events=events_about(address, works.events.recent()),
        )
        return encode(explanation, self._wall)

    def _arrived(self, now: float, host: Host) -> float | None:
        """Return when the guest arrived, in seconds since 1970; None if the route's metric does not say it."""
        settings = self._config.settings
        if settings.mobility != "newest-wins" or host.metric == settings.routes.constant(
            len(host.key.address)
        ):
            return None
        return med_timestamp.arrival_time(host.metric, med_timestamp.tick_at(self._wall(now).timestamp()))

    def _reannounce(self, address: IP | None) -> str:
        """Have the kernel announce a route by netlink once more: zebra may have missed the first message.

        Raises:
            Refused: no address is named, or it cannot be a guest's.
        """
        if address is None:
            raise Refused("name the address whose route is to be told of once more")
        reason = self._works.engine.builtin_refusal(address)
        if reason is not None:
            raise Refused(f"{show_ip(address)} is no guest's address: {reason}")
        if self._works.reannounce(address):
            return f"took the route of {show_ip(address)} out and put it back"
        return f"put a route of {show_ip(address)} in and took it out"

    def _reload(self, now: float) -> str:
        """Read the files again; with a mistake in them everything stays as it is.

        Raises:
            Refused: with every mistake.
        """
        notify(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        try:
            return self._use_files(now)
        finally:
            notify(READY=1)

    def _use_files(self, now: float) -> str:
        works, engine = self._works, self._works.engine
        try:
            config = load_config(self._config.given)
            required = config.allowlist_named or not engine.open_mode
            allowlist = load_allowlist(config.allowlist, config.allowlist_directory, required=required)
            if config.enforce and works.enforcement is None and not works.dry_run:
                works.enforcement = self._enforcement(works.log.error)
        except (ConfigError, AllowlistError, CannotStart) as error:
            raise Refused(f"nothing was changed:\n{error}") from error
        later = replace(config, socket=self._config.socket, log=self._config.log) != config
        before = len(engine.snapshot())
        self._config = config
        self._files = _watched(config, now)
        if works.enforcement is not None:
            (works.enforcement.verify_table if config.enforce else works.enforcement.remove_table)()
        engine.configure(now, config.settings)
        self._kernel_watcher.set_config(now, config)
        works.take(now, engine.set_allowlist(now, allowlist))
        gone = before - len(engine.snapshot())
        rules = "open mode" if allowlist is None else counted(len(allowlist.rules), "rule")
        message = f"reloaded: {rules}, {counted(gone, 'binding')} no longer permitted"
        if later:
            message += "; the socket and the log change at the next start"
        works.log.info(message)
        return message

    def _kernel_counters(self) -> dict[str, int]:
        return {name.value: self._works.kernel_counters[name] for name in KernelCounter}

    def _port_views(self) -> list[json_views.PortView]:
        engine = self._works.engine
        bound: dict[str | None, int] = {}
        for view in engine.snapshot():
            bound[view.port] = bound.get(view.port, 0) + (view.state != "departed")
        frames: dict[str, int] = {}
        for (name, _), count in engine.counters.items():
            frames[name] = frames.get(name, 0) + count
        drops = self._works.receiver.drops()
        return [
            json_views.PortView(
                port.name,
                port.index,
                engine.segments[port.segment].name,
                bound.get(port.name, 0),
                frames.get(port.name, 0),
                drops.get(port.index, 0),
            )
            for port in engine.ports.values()
        ]


def _watched(config: Config, now: float) -> FileWatcher:
    return FileWatcher((config.file, config.allowlist), (config.allowlist_directory,), now)
