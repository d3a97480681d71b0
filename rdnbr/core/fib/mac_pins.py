"""The pins that `enforce` keeps in the bridges' forwarding databases: which port each bound MAC belongs to.

A bridge learns the port of a MAC from the source of each frame. So a guest that sends from a neighbour's MAC gets the
neighbour's traffic, whatever the neighbour entry of the route says. A pin stays where it is.

1. The MAC of a binding that has a route is pinned to the binding's port. While an address is challenged, the incumbent
   keeps the pin.
2. A MAC with bindings on several ports is pinned to the port of the one that has the MAC by its rule, else of the
   oldest one, as in `bindings.source_guard`.
3. A pin of an earlier run says which port an adopted binding is on, and no frame from another port changes that.
   Without a pin, the port is not known before the first frame. A pin to a port that is not served now stays until then.
4. A pin that another program removes is put back, with the hold-down of `removal_damping`.
5. What the kernel refuses is tried again after a wait that doubles, up to a minute.

The cost of a change is proportional to the bindings of one MAC on one bridge.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from rdnbr.core.fib.removal_damping import HOLD_DOWN, RemovalDamping
from rdnbr.core.model.address import IP, ZERO_MAC
from rdnbr.core.model.binding_state import WITH_ROUTE
from rdnbr.core.model.pin import DropPin, Pin, PinKey, PinOperation, PutPin
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.core.primitives.back_off import BackOff
from rdnbr.core.primitives.timer_queue import TimerQueue

_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0
"""Seconds until a pin that the kernel refused is put again. The wait doubles with each refusal."""


class _Held(NamedTuple):
    precedence: tuple[bool, float]
    port_name: str
    key: PinKey
    port: int | None
    address: IP


class MacPins:
    """The desired pins, those that the kernel is known to hold, and what is to be done about the difference."""

    def __init__(self) -> None:
        self._held: dict[IP, tuple[_Held, ...]] = {}
        self._of_key: dict[PinKey, dict[_Held, None]] = {}
        self._present: dict[PinKey, int] = {}
        """The ports of the pins in the kernel."""
        self._dirty: dict[PinKey, None] = {}
        """Keys whose pin may differ from the desired one."""
        self._waits: dict[PinKey, BackOff] = {}
        """Keys whose pin is refused, or held down."""
        self._retries: TimerQueue[PinKey] = TimerQueue()
        """When the waits end."""
        self._removed_by_others: dict[PinKey, None] = {}
        self._contested: list[PinKey] = []
        """Keys whose hold-down has begun and is not reported yet."""
        self._damping: RemovalDamping[PinKey] = RemovalDamping()

    def update_address(self, address: IP, bindings: Sequence[BindingSnapshot]) -> None:
        """Replace the held bindings of an address; `bindings` are all its bindings, of all routing tables."""
        held = tuple(
            _Held(
                one.mac_precedence,
                one.port or "",
                PinKey(one.segment_index, one.mac),
                one.port_index,
                address,
            )
            for one in bindings
            if one.state in WITH_ROUTE and one.mac != ZERO_MAC
        )
        before = self._held.pop(address, ())
        if held:
            self._held[address] = held
        if held == before:
            return
        for one in before:
            del self._of_key[one.key][one]
            if not self._of_key[one.key]:
                del self._of_key[one.key]
        for one in held:
            self._of_key.setdefault(one.key, {})[one] = None
        self._touch(one.key for one in (*before, *held))

    def release_all(self) -> None:
        """From now on no MAC is pinned."""
        self._touch((*self._of_key, *self._present))
        self._held, self._of_key = {}, {}

    def resync(self, present: Mapping[PinKey, int]) -> None:
        """Take over what the kernel was found to hold: the port (ifindex) of each pin of ours."""
        if present == self._present:
            return
        for key in dict.fromkeys((*self._present, *present)):
            if self._present.get(key) != present.get(key):
                self._dirty[key] = None
        self._present = dict(present)

    def pin_gone(self, pin: Pin) -> None:
        """The kernel has announced that a pin of ours is gone."""
        if self._present.get(pin.key) == pin.port:
            del self._present[pin.key]
            self._dirty[pin.key] = self._removed_by_others[pin.key] = None

    def plan(self, now: float, most: int) -> list[PinOperation]:
        """Return up to `most` operations to apply now; their results go to `record`."""
        self._damp_removals(now)
        while (due := self._retries.pop(now)) is not None:
            self._dirty[due[1]] = None
        operations: list[PinOperation] = []
        for key in list(islice(self._dirty, most)):
            del self._dirty[key]
            if self._retries.deadline(key) is not None:
                continue
            want, have = self._desired(key), self._present.get(key)
            if want == have:
                self._end_wait(key)
            elif want is not None:
                operations.append(PutPin(Pin(key, want)))
            elif have is not None:
                operations.append(DropPin(Pin(key, have)))
        return operations

    def record(
        self, now: float, operations: Iterable[PinOperation], refused: Collection[PinOperation]
    ) -> list[PinOperation]:
        """Record the results of `operations`, and return those of `refused` that are refused for the first time."""
        first: list[PinOperation] = []
        for operation in operations:
            key, port = operation.pin
            if operation in refused:
                if key not in self._waits:
                    first.append(operation)
                wait = self._waits.setdefault(key, BackOff(_FIRST_RETRY, _LAST_RETRY)).record_failure(now)
                self._retries.set(key, now + wait)
                continue
            self._end_wait(key)
            if isinstance(operation, PutPin):
                self._present[key] = port
            else:
                self._present.pop(key, None)
        return first

    def drain_contested(self) -> list[PinKey]:
        """Return the keys whose hold-down has begun since the last call."""
        contested, self._contested = self._contested, []
        return contested

    def next_deadline(self) -> float | None:
        """Return when `plan` has something to do; None: when something changes."""
        if self._dirty or self._removed_by_others:
            return float("-inf")
        return self._retries.next_deadline()

    @property
    def pins(self) -> Mapping[PinKey, int]:
        """The ports (ifindex) of the pins that the kernel is known to hold."""
        return self._present

    def _touch(self, keys: Iterable[PinKey]) -> None:
        for key in keys:
            self._end_wait(key)
            self._dirty[key] = None

    def _end_wait(self, key: PinKey) -> None:
        self._waits.pop(key, None)
        self._retries.discard(key)

    def _damp_removals(self, now: float) -> None:
        for key in self._removed_by_others:
            wait = self._damping.hold_down(now, key) if self._desired(key) is not None else 0.0
            if wait and key not in self._waits:
                self._waits[key] = back_off = BackOff(_FIRST_RETRY, _LAST_RETRY)
                self._retries.set(key, now + back_off.hold_down(now, wait))
            if wait == HOLD_DOWN:
                self._contested.append(key)
        self._removed_by_others.clear()

    def _desired(self, key: PinKey) -> int | None:
        held = self._of_key.get(key)
        if not held:
            return None
        known = [(one.precedence, one.port_name, one.port) for one in held if one.port is not None]
        return min(known)[2] if known else self._present.get(key)
