"""Keeps the nftables table equal to what `core.guard` wants in it.

At most one transaction runs at a time; what changes meanwhile goes into the next one. After any failure nothing is
taken for granted: the table is written whole.
"""

import selectors
from collections.abc import Callable, Iterable

from rdnbr.core.address import IP
from rdnbr.core.engine import Engine
from rdnbr.core.guard import Contents, Guard
from rdnbr.linux import nft, nft_table

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
        if not nft.installed():
            raise CannotEnforceError(
                "enforce needs the nft program; install the package nftables, or set enforce = false"
            )
        try:
            nft.run(nft_table.whole(nft_table.EMPTY), "--check")
            document = nft.listed()
        except nft.NftError as error:
            raise CannotEnforceError(
                f"enforce needs nftables of family bridge, but nft says {str(error)!r}; "
                "use a kernel with CONFIG_NF_TABLES_BRIDGE, or set enforce = false"
            ) from error
        self._guard = Guard(None if document is None else nft_table.senders(document))
        self._nft = nft.Nft(selector)
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

    def serve(self, ports: Iterable[str], own: Iterable[IP]) -> None:
        """Filter these ports, by name; `own` are the node's addresses."""
        self._guard.serve(ports, own)
        self._all_touched = True  # a port may have another name than before

    def touch(self, address: IP) -> None:
        """Something was decided about an address."""
        self._touched[address] = None

    def dismiss(self) -> None:
        """Remove the table; there is none until `look_again`."""
        self._dismissed = self._due = True

    def look_again(self) -> None:
        """Make sure that the table is there."""
        self._look = True
        if self._dismissed:
            self._dismissed, self._due = False, True

    def turn(self, now: float, engine: Engine) -> None:
        """Start the transaction that is wanted, if one is and none is running."""
        self._note(engine)
        if self._nft.busy or now < self._retry_at:
            return
        if self._due:
            self._due = False
            self._write(now)
        elif self._look and self._written is not None:
            self._look = False
            self._nft.run(nft_table.PRESENCE, self._looked)

    def deadline(self) -> float | None:
        """Tell when `turn` is wanted next, though nothing happens."""
        return self._retry_at if self._due and not self._nft.busy else None

    def close(self) -> None:
        """Let go; the table stays."""
        self._nft.finish()

    def _note(self, engine: Engine) -> None:
        if self._all_touched:
            self._touched |= dict.fromkeys(self._guard.addresses)
            self._touched |= dict.fromkeys(view.address for view in engine.bindings())
            self._all_touched = False
        for address in self._touched:
            self._guard.note(address, engine.find(address))
        self._touched.clear()
        if self._guard.changed:
            self._guard.changed = False
            self._due = True

    def _write(self, now: float) -> None:
        before = self._written
        wanted = None if self._dismissed else self._guard.contents()
        if self._dismissed:
            script = nft_table.ABSENCE
        elif wanted is None or wanted == before:
            return
        elif before is None:
            script = nft_table.whole(wanted)
        else:
            script = nft_table.changes(before, wanted)
        self._written = None
        self._nft.run(script, lambda error: self._wrote(now, wanted, error))

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
            self._report(f"the table {nft_table.TABLE} was gone; it is written again, for enforce is on")
            self._written = None
            self._due = True
