"""DEPARTED bindings: how many are remembered, for how long, and which of them are probed on.

A binding that departed in silence is probed on its port, more and more seldom, for as long as the port is there: its
guest may only answer, and then nothing else tells that it is back. Such a binding is not forgotten after `departed`
seconds. All other bindings are.
"""

from collections.abc import Iterator, Mapping

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.model.binding import Anchor, Binding
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.reason import Reason
from rdnbr.core.policy.policy import Policy
from rdnbr.core.primitives.bounded_map import BoundedMap
from rdnbr.core.probing.timers import BindingTimers

REMEMBERED = 4096
"""DEPARTED bindings that are remembered; the one that departed first is forgotten first."""


class DepartedBindings:
    """All DEPARTED bindings."""

    def __init__(
        self, table: BindingTable, timers: BindingTimers, policy: Policy, ports: Mapping[int, Port]
    ) -> None:
        self._table = table
        self._timers = timers
        self._policy = policy
        self._ports = ports
        self._remembered: BoundedMap[Key, None] = BoundedMap(REMEMBERED)
        self._probed_on: dict[tuple[int, int], dict[Key, None]] = {}
        """Bindings that are probed on, by port and bytes of the address, in the order in which they departed."""

    def add(self, now: float, binding: Binding, *, silent: bool) -> Binding | None:
        """Start the timer of a binding that has departed, `silent` or with its port.

        Returns:
            The binding that must be forgotten, since this one needs its room; None if there was room.
        """
        port = self._ports.get(binding.likely_port or 0)
        if silent and port is not None and port.segment == binding.segment:
            self._probe_on(now, binding, port.index)
        else:
            self._timers.schedule_forget(now, binding)
        dropped = self._remembered.put(binding.key, None)
        return None if dropped is None else self._table.get(dropped[0])

    def discard(self, binding: Binding) -> None:
        """Forget that a binding had departed."""
        self._remembered.pop(binding.key)
        self._end_probing(binding)

    def probe(self, now: float, binding: Binding) -> None:
        """Send the slow probe of a binding that is due, if its port may still have the address."""
        assert binding.probed_on is not None
        anchor = Anchor(binding.probed_on, binding.anchor.mac)
        address = binding.key.address
        verdict = self._policy.authorization.authorize(address, anchor, binding.segment, binding.physical_mac)
        if not verdict.permitted and verdict.reason is not Reason.CONNECTED_PREFIX:
            self._end_probing(binding)
            self._timers.schedule_forget(now, binding)
        elif (
            not verdict.permitted  # until the prefix goes
            or self._policy.limits.refuse_full(binding.probed_on, address)
            or self._policy.quarantine.is_quarantined(now, binding.key, anchor)
        ):
            self._timers.schedule_slow_probe(now, binding)  # an answer would be refused
        else:
            self._timers.probe_slowly(now, binding)

    def probe_at_once(self, now: float, binding: Binding) -> None:
        """Probe a binding that is probed on now, and then from the first wait on again."""
        if binding.probed_on is not None:
            binding.probes_sent = 0
            binding.wait_until = now  # its place in the rate is that of now
            self._timers.probe_slowly(now, binding)

    def port_gone(self, now: float, port: int) -> None:
        """Stop probing on a port (ifindex) that is gone; its bindings are remembered from now on as any other."""
        for size in (4, 16):
            for key in list(self._probed_on.get((port, size), ())):
                binding = self._table.get(key)
                assert binding is not None
                self._end_probing(binding)
                self._timers.schedule_forget(now, binding, since=now)

    def __iter__(self) -> Iterator[Key]:
        """Iterate over the keys, the binding that departed first at first."""
        return iter(self._remembered)

    def _probe_on(self, now: float, binding: Binding, port: int) -> None:
        """Probe on; of more bindings than the port may have addresses, the one that departed first is given up."""
        address = binding.key.address
        binding.probed_on = port
        probed_on = self._probed_on.setdefault((port, len(address)), {})
        probed_on[binding.key] = None
        self._timers.schedule_slow_probe(now, binding)
        _, most = self._policy.limits.usage(port, address)
        while len(probed_on) > most:
            oldest = self._table.get(next(iter(probed_on)))
            assert oldest is not None
            self._end_probing(oldest)
            self._timers.schedule_forget(now, oldest)

    def _end_probing(self, binding: Binding) -> None:
        if binding.probed_on is None:
            return
        name = binding.probed_on, len(binding.key.address)
        binding.probed_on = None
        del self._probed_on[name][binding.key]
        if not self._probed_on[name]:
            del self._probed_on[name]
