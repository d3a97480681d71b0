"""Executes the commands of the control socket, and what the configuration says of the daemon's end."""

import json
import os
import selectors
import time
from collections.abc import Iterator
from dataclasses import replace

from rdnbr.config.config import Config
from rdnbr.core.bindings.explanation_builder import events_about
from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model import med_timestamp
from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Probe
from rdnbr.core.model.explanation import DesiredEntry
from rdnbr.core.model.fib_entries import Host
from rdnbr.core.model.snapshot import GONE
from rdnbr.daemon.figures import BOUNDS, Figures
from rdnbr.daemon.kernel_watcher import KernelWatcher
from rdnbr.daemon.parts import Parts
from rdnbr.daemon.reload import Reloader
from rdnbr.daemon.startup_errors import CannotStart, no_bridge
from rdnbr.linux.netlink.kernel_pins import remove_all_pins
from rdnbr.linux.nft import command
from rdnbr.linux.nft.enforcement import CannotEnforceError
from rdnbr.operator.control import json_slices, json_views
from rdnbr.operator.control.json_views import Wall
from rdnbr.operator.control.protocol import Command, Document, Refused, Reply
from rdnbr.operator.explain.explanation_json import encode
from rdnbr.operator.text.phrases import counted, listed

MOST_PORTS = 10
"""Ports that an answer names."""


class CommandHandler:
    """The target of the commands. A reload is carried out by `reloader`."""

    def __init__(
        self,
        now: float,
        selector: selectors.BaseSelector,
        parts: Parts,
        surroundings: KernelWatcher,
        config: Config,
        wall: Wall,
        figures: Figures,
    ) -> None:
        self._parts = parts
        self._figures = figures
        self.reloader = Reloader(now, selector, parts, surroundings, config)
        self._wall = wall
        self._since = wall(now)
        parts.events.subscribe("the reload", self.reloader.count_withdrawal)

    def leave(self, now: float) -> str:
        """Leave the kernel as `on_stop` says, and return in words what became of the routes."""
        parts = self._parts
        if parts.dry_run:
            return "none were made"
        if self.reloader.config.on_stop == "keep":
            parts.actuator.install_held_down(now)
            return "left in place; rdnbr flush --all removes them"
        try:
            parts.actuator.withdraw_all(now)
            remove_all_pins()
            parts.source_filter.close()
            command.remove_table()
        except (OSError, command.NftError) as error:
            parts.log.error("on_stop = withdraw failed; rdnbr flush --all does the same", why=str(error))
            return "not all withdrawn"
        return "withdrawn, for on_stop says so"

    def close(self) -> None:
        """Stop filtering guests and reloading. The table of nftables stays."""
        self.reloader.close()
        self._parts.source_filter.close()

    def execute(self, command: Command, address: IP | None) -> Reply:
        """Execute a command of the control socket.

        Raises:
            Refused: the command cannot be executed.
        """
        now = time.monotonic()
        engine = self._parts.engine
        head = json_slices.Head(
            "open" if engine.open_mode else "allowlist",
            self.waits_for(),
            engine.segments.values(),
            self.reloader.failed,
            self._since,
        )
        match command:
            case "bindings":
                return json_slices.bindings(engine.keys(), engine.snapshot_key, head, self._wall)
            case "ports":
                return json_slices.ports(self._port_views(now), head)
            case "counters":
                return json_slices.counters(engine.counters.items(), {**self._kernel_counters()}, head)
            case "events":
                return json_slices.events(self._parts.events.recent(), head, self._wall)
            case "metrics":
                return json_slices.metrics(
                    engine.keys(), engine.place_and_state, self._figures_document(), head
                )
            case "explain":
                return self._explain(now, address)
            case "reload":
                return self.reloader.request()
            case "flush":
                return self._flush_all(now) if address is None else self._flush(now, address)
            case "probe":
                message = self._probe(now, address)
                return {"message": message, "at": json_views.timestamp(self._wall(now))}
            case "reannounce":
                return {"message": self._reannounce(address)}

    def flush_port(self, name: str) -> Reply:
        """Withdraw and forget the bindings on a port, and end its damping.

        Raises:
            Refused: there is no such port.
        """
        engine = self._parts.engine
        damped = engine.damped_until(name) is not None
        if not damped and name not in {port.name for port in engine.ports.values()}:
            raise Refused(
                f"{name[:60]} is no address and no port that is served; rdnbr show ports lists the ports"
            )
        before = engine.count
        self._parts.actuator.handle_outputs(engine.flush_port(time.monotonic(), name))
        ended = f"; the routes of {name} are held back no more" if damped else ""
        return self._await_withdrawal(before - engine.count, ended)

    def waits_for(self) -> str | None:
        """Return the sentence that there is no bridge to serve; None while there is one."""
        return None if self._parts.serving else no_bridge(self.reloader.config)

    def start_enforcing(self) -> None:
        """Filter guests and pin MACs by the bindings as the configuration says. Else remove what an earlier run left.

        Raises:
            CannotStart: the node cannot do that.
        """
        config, parts = self.reloader.config, self._parts
        try:
            if config.filters_sources:
                parts.source_filter.start()
            if config.pins_macs:
                parts.start_pinning()
        except CannotEnforceError as error:
            raise CannotStart(str(error)) from error
        try:
            if not config.filters_sources:
                command.remove_table()
        except command.NftError as error:
            parts.log.warning("cannot tell whether a table of enforce is left", why=str(error))
        try:
            if not config.pins_macs:
                remove_all_pins()
        except OSError as error:
            parts.log.warning("cannot tell whether pinned MACs of enforce are left", why=str(error))

    def verify_enforcement(self) -> None:
        """Check that the table that filters guests and the pinned MACs are still there; write again what is not."""
        if self.reloader.config.filters_sources:
            self._parts.source_filter.verify_table()
        self._parts.mac_pinning.compare()

    def _flush(self, now: float, address: IP) -> Reply:
        engine = self._parts.engine
        before = engine.count
        self._parts.actuator.handle_outputs(engine.flush(now, address))
        if engine.count == before:
            raise Refused(f"{show_ip(address)} is not bound; rdnbr show lists what is")
        return self._await_withdrawal(before - engine.count)

    def _flush_all(self, now: float) -> Reply:
        """Flush all bindings. Where there are many, the engine goes on in the next turns."""
        parts = self._parts
        if not parts.serving:
            return {"message": self._flush_unread(now)}
        before = parts.engine.count
        parts.actuator.handle_outputs(parts.engine.flush(now))
        return self._await_withdrawal(before)

    def _await_withdrawal(self, count: int, remark: str = "") -> Iterator[str]:
        """Yield nothing until the routes of what was flushed are out of the kernel, then the reply.

        The kernel has its step in a turn after the commands.
        """
        yield ""
        while self._parts.engine.flushing:
            yield ""
        yield json.dumps({"message": f"withdrew and forgot {counted(count, 'binding')}{remark}"})

    def _flush_unread(self, now: float) -> str:
        """Remove what an earlier run left in the kernel, which nobody has read while no bridge was served."""
        try:
            self._parts.actuator.withdraw_all(now)
        except OSError as error:
            raise Refused(f"the kernel does not answer: {error}; try again") from error
        return "no bridge is served; removed what an earlier run left in the kernel"

    def _probe(self, now: float, address: IP | None) -> str:
        if address is None:
            raise Refused("name the address to ask")
        engine, text = self._parts.engine, show_ip(address)
        reason = engine.builtin_refusal(address)
        if reason is not None:
            raise Refused(f"{text} is no guest's address: {reason}")
        outputs = engine.probe(now, address)
        self._parts.actuator.handle_outputs(outputs)
        searched = engine.searched_ports(address)
        if searched:
            ports = listed(searched, MOST_PORTS)
            return f"nobody has {text}; it is probed on {ports}"
        bound = engine.snapshot_address(address)
        probed = any(isinstance(output, Probe) for output in outputs)
        if not probed and all(view.state is State.DEPARTED for view in bound):
            raise Refused(f"no guest may have {text} on any port now; rdnbr explain {text} says why")
        places = listed([view.port or f"the ports of {view.segment}" for view in bound], MOST_PORTS)
        return f"probed {text} on {places}"

    def _explain(self, now: float, address: IP | None) -> Document:
        if address is None:
            raise Refused("name the address to explain")
        parts, engine = self._parts, self._parts.engine
        names = {segment.index: segment.name for segment in engine.segments.values()}
        retry_at, kernel_error = parts.actuator.retry_at(address), parts.actuator.install_error(address)
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
            for host in parts.actuator.desired_hosts(address)
        ]
        explanation = replace(
            engine.explain(now, address),
            desired=tuple(desired),
            events=events_about(address, parts.events.recent()),
            refused_frame=parts.events.last_refused_frame(address),
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
        reason = self._parts.engine.builtin_refusal(address)
        if reason is not None:
            raise Refused(f"{show_ip(address)} is no guest's address: {reason}")
        if self._parts.actuator.reannounce(address):
            return f"took the route of {show_ip(address)} out and put it back"
        return f"put a route of {show_ip(address)} in and took it out"

    def _kernel_counters(self) -> dict[str, int]:
        return {name.value: self._parts.actuator.counters.get(name, 0) for name in KernelCounter}

    def _figures_document(self) -> Document:
        turns, actuator = self._figures.turns, self._parts.actuator
        decisions: Document = {}
        for (verb, reason), count in sorted(self._figures.decisions.items()):
            by_reason = decisions.setdefault(verb.value, {})
            assert isinstance(by_reason, dict)
            by_reason[reason.value] = count
        return {
            "pid": os.getpid(),
            "turns": {
                "bounds": list(BOUNDS),
                "counts": list(turns.counts),
                "seconds": turns.total,
                "longest": turns.longest,
            },
            "decisions": decisions,
            "operations": [
                {"action": action, "family": 4 if size == 4 else 6, "count": count}
                for (action, size), count in sorted(actuator.operations.items())
            ],
            "probes": {str(4 if size == 4 else 6): count for size, count in actuator.probes_sent.items()},
            "announcements": actuator.announcements_sent,
        }

    def _port_views(self, now: float) -> list[json_views.PortView]:
        engine = self._parts.engine
        drops = self._parts.receiver.drops()
        return [
            json_views.PortView(
                port.name,
                port.index,
                engine.segments[port.segment].name,
                engine.count_on_port(port.index),
                engine.counters.of_port(port.name),
                drops.get(port.index, 0),
                None if (until := engine.damped_until(port.name)) is None else self._wall(until),
                tuple(engine.unanswered_questions(now, port.index)),
            )
            for port in engine.ports.values()
        ]
