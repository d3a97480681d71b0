"""Keeps the nftables table equal to what `core.guard` wants in it.

At most one transaction runs at a time; what changes meanwhile goes into the next one. After any failure nothing is
taken for granted: the table is written whole.
"""

import selectors
from collections.abc import Callable, Iterable

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.source_guard import Contents, SourceGuard
from rdnbr.core.model.address import IP
from rdnbr.linux.nft import command, ruleset

_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0
"""Seconds from a transaction that failed to the next; doubles each time."""


class CannotEnforceError(Exception):
    """This node cannot filter; the message is one sentence that says what to do."""


class Enforcement:
    """The table of one daemon. It outlives the daemon, as the routes do."""

    def __init__(self, selector: selectors.BaseSelector, report: Callable[[str], None]) -> None:
        """Look at the table that is there; it stays as it is until the first turn.

        Args:
            selector: of the daemon's loop.
            report: is told, in a sentence, what went wrong without ending anything.

        Raises:
            CannotEnforceError: there is no nft, or the kernel does not have what the table needs.
        """
        if not command.installed():
            raise CannotEnforceError(
                "enforce needs the nft program; install the package nftables, or set enforce = false"
            )
        try:
            command.run(ruleset.whole(ruleset.EMPTY), "--check")
            document = command.listed()
        except command.NftError as error:
            raise CannotEnforceError(
                f"enforce needs nftables of family bridge, but nft says {str(error)!r}; "
                "use a kernel with CONFIG_NF_TABLES_BRIDGE, or set enforce = false"
            ) from error
        self._guard = SourceGuard(None if document is None else ruleset.senders(document))
        self._nft = command.Nft(selector)
        self._report = report
        self._touched: dict[IP, None] = {}
        self._all_touched = True
        self._written: Contents | None = None
        """What the table has in it; None when that is not known, or there is none."""
        self._due = True
        """Whether a transaction may be wanted."""
        self._look = False
        self._dismissed = False
        self._retry_at = 0.0
        self._retry = _FIRST_RETRY

    def set_ports(self, ports: Iterable[str], own: Iterable[IP]) -> None:
        """Filter these ports, by name; `own` are the node's addresses."""
        self._guard.set_ports(ports, own)
        self._all_touched = True  # a port may have another name than before

    def address_changed(self, address: IP) -> None:
        """Something was decided about an address."""
        self._touched[address] = None

    def remove_table(self) -> None:
        """Remove the table; there is none until `look_again`."""
        self._dismissed = self._due = True

    def verify_table(self) -> None:
        """Make sure that the table is there."""
        self._look = True
        if self._dismissed:
            self._dismissed, self._due = False, True

    def update(self, now: float, engine: Engine) -> None:
        """Start the transaction that is wanted, if one is and none is running."""
        self._note(engine)
        if self._nft.busy or now < self._retry_at:
            return
        if self._due:
            self._due = False
            self._write(now)
        elif self._look and self._written is not None:
            self._look = False
            self._nft.start(ruleset.PRESENCE, self._looked)

    def next_deadline(self) -> float | None:
        """Tell when `turn` is wanted next, though nothing happens."""
        return self._retry_at if self._due and not self._nft.busy else None

    def close(self) -> None:
        """Let go; the table stays."""
        self._nft.finish()

    def _note(self, engine: Engine) -> None:
        if self._all_touched:
            self._touched |= dict.fromkeys(self._guard.addresses)
            self._touched |= dict.fromkeys(view.address for view in engine.snapshot())
            self._all_touched = False
        for address in self._touched:
            self._guard.update_address(address, engine.snapshot_address(address))
        self._touched.clear()
        if self._guard.changed:
            self._guard.changed = False
            self._due = True

    def _write(self, now: float) -> None:
        before = self._written
        wanted = None if self._dismissed else self._guard.allowed_sources()
        if self._dismissed:
            script = ruleset.ABSENCE
        elif wanted is None or wanted == before:
            return
        elif before is None:
            script = ruleset.whole(wanted)
        else:
            script = ruleset.changes(before, wanted)
        self._written = None
        self._nft.start(script, lambda error: self._wrote(now, wanted, error))

    def _wrote(self, now: float, wanted: Contents | None, error: str | None) -> None:
        if error is None:
            self._written = wanted
            self._retry = _FIRST_RETRY
            return
        self._due = True
        self._retry_at = now + self._retry
        self._report(f"nft fails to do what enforce needs, and is asked again in {self._retry:g} s: {error}")
        self._retry = min(self._retry * 2, _LAST_RETRY)

    def _looked(self, error: str | None) -> None:
        if error is not None:
            self._report(f"the table {ruleset.TABLE} was gone; it is written again, for enforce is on")
            self._written = None
            self._due = True
