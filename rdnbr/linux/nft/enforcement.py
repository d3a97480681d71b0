"""Keeps the nftables table equal to the sets of the source guard.

At most one transaction runs at a time. Changes that arrive meanwhile go into the next one, which holds the difference
only. After a failure the state of the table is unknown, so the whole table is written.
"""

import selectors
from collections.abc import Callable, Collection, Iterable
from itertools import islice

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.bindings.source_guard import SourceGuard
from rdnbr.core.model.address import IP
from rdnbr.core.primitives.back_off import BackOff
from rdnbr.linux.nft import command, ruleset

ADDRESSES_AT_ONCE = 500
"""Addresses whose bindings are read in one turn."""

_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0
"""Seconds from a transaction that failed to the next; doubles each time."""


class CannotEnforceError(Exception):
    """This node cannot filter; the message is one sentence that says what to do."""


class Enforcement:
    """The nftables table of one daemon. It stays when the daemon ends, as the routes do."""

    def __init__(self, selector: selectors.BaseSelector, report: Callable[[str], None]) -> None:
        """Read the present table; it does not change before the first `update`.

        Args:
            selector: the selector of the daemon's loop.
            report: called with one sentence for each failure after which enforcement continues.

        Raises:
            CannotEnforceError: there is no nft, or the kernel does not have what the table needs.
        """
        if not command.is_installed():
            raise CannotEnforceError(
                "enforce needs the nft program; install the package nftables, or set enforce = false"
            )
        try:
            command.run(ruleset.whole(ruleset.EMPTY), "--check")
            document = command.list_table()
        except command.NftError as error:
            raise CannotEnforceError(
                f"enforce needs nftables of family bridge, but nft says {str(error)!r}; "
                "use a kernel with CONFIG_NF_TABLES_BRIDGE, or set enforce = false"
            ) from error
        self._guard = SourceGuard(None if document is None else ruleset.senders(document))
        self._nft = command.Nft(selector)
        self._report = report
        self._touched: dict[IP, None] = {}
        """Addresses whose bindings may have changed since the last `update`."""
        self._all_touched = True
        self._written = False
        """Whether the table holds all that was drained from the guard."""
        self._verify = False
        self._dismissed = False
        self._removal_due = False
        self._back_off = BackOff(_FIRST_RETRY, _LAST_RETRY)

    def set_ports(self, ports: Iterable[str], own: Iterable[IP]) -> None:
        """Set the names of the ports to filter; `own` are the node's addresses."""
        self._guard.set_ports(ports, own)

    def ports_renamed(self, names: Collection[str]) -> None:
        """Record that the ports with these names were renamed."""
        self._touched |= dict.fromkeys(self._guard.addresses_on(names))

    def address_changed(self, address: IP) -> None:
        """Record that the engine made a decision on an address."""
        self._touched[address] = None

    def review_bindings(self) -> None:
        """Read all bindings anew at the next updates: the rules that permit them may have changed."""
        self._all_touched = True

    def remove_table(self) -> None:
        """Remove the table at the next `update`; none is written until `verify_table`."""
        self._dismissed = self._removal_due = True

    def verify_table(self) -> None:
        """Check at a later `update` that the table exists."""
        self._verify = True
        self._dismissed = self._removal_due = False

    def update(self, now: float, engine: Engine) -> None:
        """Start the transaction that is due, if one is and none is running."""
        self._read_bindings(engine)
        if self._touched or self._nft.busy or not self._back_off.is_due(now):
            return  # the first table must have all bindings
        if self._removal_due:
            self._removal_due, self._written = False, False
            self._nft.start(ruleset.ABSENCE, lambda error: self._removed(now, error))
        elif self._write_due:
            self._write(now)
        elif self._verify and self._written:
            self._verify = False
            self._nft.start(ruleset.PRESENCE, self._verified)

    def next_deadline(self) -> float | None:
        """Return when `update` is due without a further event; None if it is not."""
        if self._touched or self._all_touched:
            return 0.0
        if self._nft.busy or not (self._removal_due or self._write_due):
            return None
        return self._back_off.retry_at or 0.0

    def close(self) -> None:
        """Wait for a running transaction; the table stays."""
        self._nft.finish()

    @property
    def _write_due(self) -> bool:
        return not self._dismissed and self._guard.ready and (self._guard.changed or not self._written)

    def _read_bindings(self, engine: Engine) -> None:
        if self._all_touched:
            bound = engine.keys()
            self._touched |= dict.fromkeys(key.address for key in bound)
            self._all_touched = False
        for address in list(islice(self._touched, ADDRESSES_AT_ONCE)):
            del self._touched[address]
            self._guard.update_address(address, engine.snapshot_address(address))

    def _write(self, now: float) -> None:
        difference = self._guard.drain_changes()
        script = ruleset.changes(difference) if self._written else ruleset.whole(self._guard.contents())
        if script:
            self._written = False
            self._nft.start(script, lambda error: self._wrote(now, error))

    def _wrote(self, now: float, error: str | None) -> None:
        if error is None:
            self._written = True
            self._back_off.record_success()
        else:
            self._record_failure(now, error)

    def _removed(self, now: float, error: str | None) -> None:
        if error is None:
            self._back_off.record_success()
        else:
            self._removal_due = self._dismissed
            self._record_failure(now, error)

    def _record_failure(self, now: float, error: str) -> None:
        wait = self._back_off.record_failure(now)
        self._report(f"nft fails to do what enforce needs, and is asked again in {wait:g} s: {error}")

    def _verified(self, error: str | None) -> None:
        if error is not None:
            self._report(f"the table {ruleset.TABLE} was gone; it is written again, for enforce is on")
            self._written = False
