"""Reloads: a thread parses the new files, and the loop puts them into force in its commands step.

A reload has three parts: the parse, the swap, and the authorization of all bindings by the new allowlist, which the
engine does in slices. The requester gets its reply after the last part. A request that arrives during a reload leads to
one more reload, for the files may have changed since they were read. Requests that wait for the same reload share it.
"""

import selectors
import time
from dataclasses import replace

from rdnbr.config.config import Config
from rdnbr.config.watcher import FileWatcher
from rdnbr.core.model.engine_outputs import Decision
from rdnbr.core.model.reason import Reason
from rdnbr.daemon.file_parser import CannotUseFiles, FileParser, ParsedFiles
from rdnbr.daemon.kernel_watcher import KernelWatcher
from rdnbr.daemon.parts import Parts
from rdnbr.linux.nft.enforcement import CannotEnforceError
from rdnbr.linux.process.sd_notify import notify
from rdnbr.operator.control.protocol import PendingReply, Refused
from rdnbr.operator.text.phrases import counted


class Reloader:
    """The configuration in force, and the reload that replaces it."""

    def __init__(
        self,
        now: float,
        selector: selectors.BaseSelector,
        parts: Parts,
        kernel_watcher: KernelWatcher,
        config: Config,
    ) -> None:
        """Watch the files of `config` for changes."""
        self.config = config
        """The configuration in force."""
        self._parts = parts
        self._kernel_watcher = kernel_watcher
        self._watcher = _watcher(config, now)
        self._parser = FileParser(selector)
        self._waiting: list[PendingReply] = []
        """Requests of the next reload."""
        self._running: list[PendingReply] = []
        """Requests of the present reload."""
        self._rules: str | None = None
        """Between the swap and the end of the reload: what the log says of the new files."""
        self._later = ""
        self.failed: str | None = None
        """Why the latest reload failed, while the old files stay in force; None if it did not."""
        self._no_longer_permitted = 0

    def request(self) -> PendingReply:
        """Request a reload, which `advance` carries out. Return the reply that follows."""
        reply = PendingReply()
        self._waiting.append(reply)
        return reply

    def count_withdrawal(self, decision: Decision, _frame: bytes | None) -> None:
        """Be an observer of all decisions: count the bindings that the new allowlist does not permit."""
        if decision.reason is Reason.NO_LONGER_PERMITTED:
            self._no_longer_permitted += 1

    def advance(self, now: float) -> None:
        """Carry out the next part of a reload, or start one that is requested, or if the files have changed."""
        if self._watcher.changed(now):
            self.request()
        try:
            if self._parser.running:
                parsed = self._parser.collect()
                if parsed is not None:
                    self._swap(now, parsed)
            if self._rules is not None and not self._parts.engine.reauthorizing:
                self._finish()
            if self._waiting and not self._parser.running and self._rules is None:
                self._start(now)
        except (CannotUseFiles, CannotEnforceError) as error:
            self._refuse(f"nothing was changed:\n{error}")
        except Exception as error:
            self._refuse(f"the daemon failed to reload ({error!r}); its log has more")
            raise

    def next_deadline(self) -> float:
        """Return when `advance` checks the files; 0.0 if a reload is to be started, or to be finished."""
        over = self._rules is not None and not self._parts.engine.reauthorizing
        return 0.0 if over or (self._waiting and not self._running) else self._watcher.next_deadline

    def close(self) -> None:
        """Leave a reload that is not over."""
        self._parser.close()

    def _start(self, now: float) -> None:
        notify(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        self._running, self._waiting = self._waiting, []
        # Before the files are read: a change that comes later is noticed, and one that came before is read now.
        self._watcher = _watcher(self.config, now)
        self._parser.start(self.config.given, required=not self._parts.engine.open_mode)

    def _swap(self, now: float, parsed: ParsedFiles) -> None:
        """Put the new files into force.

        Raises:
            CannotEnforceError: the node cannot filter; nothing was changed.
        """
        parts, engine = self._parts, self._parts.engine
        config, before = parsed.config, self.config
        if config.filters_sources and not parts.dry_run:
            parts.source_filter.start()
        if config.pins_macs and not parts.dry_run:
            parts.start_pinning()
        later = replace(config, socket=before.socket, log=before.log) != config
        self._later = "; the socket and the log change at the next start" if later else ""
        self._rules = (
            "open mode" if parsed.allowlist is None else counted(len(parsed.allowlist.rules), "rule")
        )
        self._no_longer_permitted = 0
        self.config = config
        if _files(config) != _files(before):
            self._watcher = _watcher(config, now)
        (parts.source_filter.verify_table if config.filters_sources else parts.source_filter.remove_table)()
        (parts.mac_pinning.compare if config.pins_macs else parts.mac_pinning.release)()
        engine.configure(now, config.settings)
        parts.actuator.handle_outputs(engine.set_allowlist(now, parsed.allowlist))
        self._kernel_watcher.set_config(now, config)

    def _finish(self) -> None:
        withdrawn = counted(self._no_longer_permitted, "binding")
        message = f"reloaded: {self._rules}, {withdrawn} no longer permitted{self._later}"
        self._parts.log.info(message)
        self._parts.source_filter.review_bindings()
        self._parts.mac_pinning.review_bindings()
        self.failed = None
        self._reply({"message": message})

    def _refuse(self, sentence: str) -> None:
        self._parts.log.error("reload failed", why=sentence)
        self.failed = sentence
        self._reply(Refused(sentence))

    def _reply(self, outcome: dict[str, str] | Refused) -> None:
        for reply in self._running:
            reply.outcome = outcome if isinstance(outcome, Refused) else {**outcome}
        self._running, self._rules = [], None
        notify(READY=1)


def _files(config: Config) -> tuple[object, ...]:
    return config.file, config.allowlist


def _watcher(config: Config, now: float) -> FileWatcher:
    return FileWatcher((config.file, config.allowlist), (config.allowlist_directory,), now)
