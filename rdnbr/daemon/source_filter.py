"""Lets guests send from bound addresses only, while the configuration says `enforce`. Else it does nothing."""

import selectors
from collections.abc import Callable, Collection, Iterable

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import IP
from rdnbr.linux.nft.enforcement import Enforcement


class SourceFilter:
    """The enforcement of one daemon, if there is one."""

    def __init__(self, selector: selectors.BaseSelector, report: Callable[[str], None]) -> None:
        """Begin without enforcement.

        Args:
            selector: of the daemon's loop.
            report: logs one sentence about an error that ends nothing.
        """
        self._selector = selector
        self._report = report
        self._enforcement: Enforcement | None = None
        self._needs_ports = False

    @property
    def active(self) -> bool:
        """Whether there is enforcement."""
        return self._enforcement is not None

    @property
    def needs_ports(self) -> bool:
        """Whether enforcement has started and has no ports yet."""
        return self._needs_ports

    def start(self) -> None:
        """Start enforcement, if there is none yet.

        Raises:
            CannotEnforceError: this node cannot filter.
        """
        if self._enforcement is None:
            self._enforcement = Enforcement(self._selector, self._report)
            self._needs_ports = True

    def close(self) -> None:
        """End enforcement; the nftables table stays."""
        if self._enforcement is not None:
            self._enforcement.close()
            self._enforcement = None

    def set_ports(self, ports: Iterable[str], own: Iterable[IP]) -> None:
        """Filter these ports, by name; `own` are the node's addresses."""
        if self._enforcement is not None:
            self._enforcement.set_ports(ports, own)
            self._needs_ports = False

    def ports_renamed(self, names: Collection[str]) -> None:
        """Ports that had these names have other names now."""
        if self._enforcement is not None and names:
            self._enforcement.ports_renamed(names)

    def address_changed(self, address: IP) -> None:
        """Something was decided about an address."""
        if self._enforcement is not None:
            self._enforcement.address_changed(address)

    def review_bindings(self) -> None:
        """The rules that permit the bindings may have changed."""
        if self._enforcement is not None:
            self._enforcement.review_bindings()

    def verify_table(self) -> None:
        """Make sure that the table is there."""
        if self._enforcement is not None:
            self._enforcement.verify_table()

    def remove_table(self) -> None:
        """Remove the table until `verify_table`."""
        if self._enforcement is not None:
            self._enforcement.remove_table()

    def update(self, now: float, engine: Engine) -> None:
        """Make the table equal to the bindings."""
        if self._enforcement is not None:
            self._enforcement.update(now, engine)

    def next_deadline(self) -> float | None:
        """Return when `update` has something to do; None: when a binding changes."""
        return None if self._enforcement is None else self._enforcement.next_deadline()
