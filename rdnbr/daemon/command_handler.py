"""Executes the commands of the control socket, and what the configuration says of the daemon's end."""

import selectors
import time
from collections.abc import Callable
from dataclasses import replace

from rdnbr.config.config import Config
from rdnbr.core.bindings.explanation_builder import events_about
from rdnbr.core.model import med_timestamp
from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.model.explanation import DesiredEntry
from rdnbr.core.model.fib_entries import Host
from rdnbr.core.model.snapshot import GONE
from rdnbr.daemon.actuator import Actuator
from rdnbr.daemon.kernel_counters import KernelCounter
from rdnbr.daemon.kernel_watcher import KernelWatcher
from rdnbr.daemon.reload import Reloader
from rdnbr.daemon.startup_errors import CannotStart
from rdnbr.linux.nft import command
from rdnbr.linux.nft.enforcement import CannotEnforceError, Enforcement
from rdnbr.operator.control import json_slices, json_views
from rdnbr.operator.control.json_views import Wall
from rdnbr.operator.control.protocol import Command, Document, Refused, Reply
from rdnbr.operator.explain.explanation_json import encode
from rdnbr.operator.text.phrases import counted


class CommandHandler:
    """The target of the commands. A reload is carried out by `reloader`."""

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
        self.reloader = Reloader(now, selector, works, surroundings, config)
        self._wall = wall
        works.events.subscribe("the reload", self.reloader.count_withdrawal)

    def leave(self, now: float) -> str:
        """Leave the kernel as `on_stop` says, and return in words what became of the routes."""
        works = self._works
        if works.dry_run:
            return "none were made"
        if self.reloader.config.on_stop == "keep":
            works.leave(now)
            return "left in place; rdnbr flush removes them"
        try:
            works.withdraw(now)
            self._stop_enforcing()
            command.removed()
        except (OSError, command.NftError) as error:
            works.log.error("on_stop = withdraw failed; rdnbr flush does the same", why=str(error))
            return "not all withdrawn"
        return "withdrawn, for on_stop says so"

    def close(self) -> None:
        """Stop filtering guests and reloading. The table of nftables stays."""
        self.reloader.close()
        self._stop_enforcing()

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
                return json_slices.bindings(engine.keys(), engine.snapshot_key, mode, self._wall)
            case "ports":
                return json_slices.ports(self._port_views(), mode)
            case "counters":
                return json_slices.counters(engine.counters.items(), {**self._kernel_counters()}, mode)
            case "events":
                return json_slices.events(self._works.events.recent(), mode, self._wall)
            case "explain":
                return self._explain(now, address)
            case "reload":
                return self.reloader.request()
            case "flush":
                return {"message": self._flush(now, address)}
            case "probe":
                return {"message": self._probe(now, address)}
            case "reannounce":
                return {"message": self._reannounce(address)}

    def start_enforcing(self, report: Callable[[str], None]) -> None:
        """Filter guests by their bindings if the configuration says so. Else remove a table that an earlier run left.

        Raises:
            CannotStart: the node cannot filter.
        """
        if self.reloader.config.enforce:
            try:
                self._works.enforcement = Enforcement(self._selector, report)
            except CannotEnforceError as error:
                raise CannotStart(str(error)) from error
            return
        try:
            command.removed()
        except command.NftError as error:
            self._works.log.warning("cannot tell whether a table of enforce is left", why=str(error))

    def verify_enforcement(self) -> None:
        """Check that the table that filters guests is still there, and write it again if not."""
        if self._works.enforcement is not None and self.reloader.config.enforce:
            self._works.enforcement.verify_table()

    def _stop_enforcing(self) -> None:
        if self._works.enforcement is not None:
            self._works.enforcement.close()
            self._works.enforcement = None

    def _flush(self, now: float, address: IP | None) -> str:
        works = self._works
        before = works.engine.count
        works.take(now, works.engine.flush(now, address))
        gone = before - works.engine.count
        if address is None and works.enforcement is not None:
            works.enforcement.remove_table()
        if address is not None and not gone:
            raise Refused(f"{show_ip(address)} is not bound; rdnbr show lists what is")
        return f"withdrew and forgot {counted(gone, 'binding')}"

    def _probe(self, now: float, address: IP | None) -> str:
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
        settings = self.reloader.config.settings
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

    def _kernel_counters(self) -> dict[str, int]:
        return {name.value: self._works.kernel_counters[name] for name in KernelCounter}

    def _port_views(self) -> list[json_views.PortView]:
        engine = self._works.engine
        drops = self._works.receiver.drops()
        return [
            json_views.PortView(
                port.name,
                port.index,
                engine.segments[port.segment].name,
                engine.count_on_port(port.index),
                engine.counters.of_port(port.name),
                drops.get(port.index, 0),
            )
            for port in engine.ports.values()
        ]
