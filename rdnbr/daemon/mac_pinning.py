"""Pins the bound MACs to their ports, while the configuration says `enforce`. Else it does nothing."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.mac_pins import MacPins
from rdnbr.core.fib.removal_damping import HOLD_DOWN
from rdnbr.core.model.address import IP, show_mac
from rdnbr.core.model.pin import Pin, PinKey, PinRefusal
from rdnbr.core.primitives.back_off import BackOff
from rdnbr.linux.netlink.kernel_pins import KernelPins

ADDRESSES_AT_ONCE = 500
"""Addresses whose bindings are read in one turn."""
PINS_AT_ONCE = 200
"""Pins that are written in one turn. The kernel takes some 40 µs for each."""

_FIRST_WAIT, _LAST_WAIT = 1.0, 30.0
"""Seconds until a kernel that did not answer is read again. The wait doubles each time."""


class MacPinning:
    """The pins of one daemon. They stay when the daemon ends, as the routes do."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """Begin without pins.

        Args:
            report: logs one sentence about an error that ends nothing.
        """
        self._report = report
        self._kernel: KernelPins | None = None
        self._pins = MacPins()
        self._touched: dict[IP, None] = {}
        """Addresses whose bindings may have changed since they were read."""
        self._all_touched = False
        self._releasing = False
        self._compare_due = False
        self._back_off = BackOff(_FIRST_WAIT, _LAST_WAIT)

    @property
    def active(self) -> bool:
        """Whether MACs are pinned."""
        return self._kernel is not None and not self._releasing

    def start(self) -> None:
        """Pin the bound MACs from the next `update` on, and take over the pins of an earlier run.

        Raises:
            OSError: a netlink socket cannot be opened.
        """
        if not self.active:
            self._kernel = self._kernel or KernelPins()
            self._compare_due = self._all_touched = True
            self._releasing = False

    def read(self) -> Mapping[PinKey, int]:
        """Return the port (ifindex) of each pin of an earlier run; empty without `enforce` or an answer."""
        if self._kernel is None:
            return {}
        try:
            return self._kernel.read()
        except OSError as error:
            self._report(f"cannot read the pinned MACs; adopted guests are asked on every port: {error}")
            return {}

    def release(self) -> None:
        """Remove all pins at the next updates."""
        if self._kernel is not None and not self._releasing:
            self._releasing = True
            self._touched.clear()
            self._all_touched = False
            self._pins.release_all()

    def close(self) -> None:
        """End without a change; the pins stay."""
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def address_changed(self, address: IP) -> None:
        """Something was decided about an address."""
        if self.active:
            self._touched[address] = None

    def review_bindings(self) -> None:
        """The rules that permit the bindings may have changed."""
        self._all_touched |= self.active

    def pin_gone(self, pin: Pin) -> None:
        """The kernel has announced that a pin is gone."""
        if self.active:
            self._pins.pin_gone(pin)

    def compare(self) -> None:
        """Compare the kernel's pins with the desired ones at the next `update`."""
        self._compare_due = self.active

    def update(self, now: float, engine: Engine) -> None:
        """Make the next pins equal to the bindings."""
        if self._kernel is None or not self._back_off.is_due(now):
            return
        try:
            self._update(now, engine, self._kernel)
        except OSError as error:
            self._compare_due = True
            wait = self._back_off.record_failure(now)
            self._report(
                f"the kernel does not answer about pinned MACs, and is asked again in {wait:g} s: {error}"
            )
        else:
            self._back_off.record_success()

    def next_deadline(self) -> float | None:
        """Return when `update` has something to do; None: when a binding changes."""
        if self._kernel is None:
            return None
        due = 0.0 if self._compare_due or self._touched or self._all_touched else self._pins.next_deadline()
        retry_at = self._back_off.retry_at
        return due if due is None or retry_at is None else max(due, retry_at)

    def _update(self, now: float, engine: Engine, kernel: KernelPins) -> None:
        if self._compare_due:
            self._pins.resync(kernel.read())
            self._compare_due = False
        self._read_bindings(engine)
        if self._all_touched or self._touched:
            return  # the port of a MAC may depend on bindings that were not read yet
        operations = self._pins.plan(now, PINS_AT_ONCE)
        refusals = kernel.apply(operations) if operations else []
        refused = {refusal.operation: refusal for refusal in refusals}
        first = self._pins.record(now, operations, refused)
        self._report_refusals(engine, [refused[operation] for operation in first])
        contested = self._pins.drain_contested()
        if contested:
            macs = ", ".join(show_mac(key.mac) for key in contested)
            self._report(
                f"another program keeps removing the pins of {macs}; they are put back in {HOLD_DOWN:g} s"
            )
        if self._releasing and self._pins.next_deadline() is None:
            self.close()

    def _read_bindings(self, engine: Engine) -> None:
        if self._all_touched:
            bound = engine.keys()
            self._touched |= dict.fromkeys(key.address for key in bound)
            self._all_touched = False
        for address in list(islice(self._touched, ADDRESSES_AT_ONCE)):
            del self._touched[address]
            self._pins.update_address(address, engine.snapshot_address(address))

    def _report_refusals(self, engine: Engine, refusals: Sequence[PinRefusal]) -> None:
        if refusals:
            key, index = refusals[0].operation.pin
            port = engine.ports.get(index)
            more = f", nor are {len(refusals) - 1} others" if len(refusals) > 1 else ""
            name = f"ifindex {index}" if port is None else port.name
            self._report(f"{show_mac(key.mac)} is not pinned to {name}{more}: {refusals[0].text}")
