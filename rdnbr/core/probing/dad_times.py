"""When a guest may be doing duplicate address detection, and must not be probed from 0.0.0.0 (RFC 5227 §2.1.1).

A host that sees an ARP probe of another host for the address that it is about to use gives the address up. rdnbr sees
the probes of the guest. But it may have missed them before the port came up, or before the daemon started.
"""

from rdnbr.core.model.address import IP
from rdnbr.core.primitives.bounded_map import BoundedMap

DAD_TIME = 10.0
"""Seconds from the first ARP probe of a host after which it uses the address: at most 9 s with the times of RFC 5227
§1.1 (PROBE_WAIT, three probes PROBE_MAX apart, ANNOUNCE_WAIT)."""

REMEMBERED = 64
"""Addresses remembered for a port. A guest that probes for more addresses forgets only its own."""


class DadTimes:
    """The latest ARP probe of each port for each address, and when the port came up."""

    def __init__(self) -> None:
        self._up: dict[int, float] = {}
        self._probes: dict[int, BoundedMap[IP, float]] = {}

    def port_up(self, now: float, port: int) -> None:
        """Record that a port (ifindex) has appeared."""
        self._up[port] = now

    def record(self, now: float, port: int, address: IP) -> None:
        """Record that a guest on a port has sent an ARP probe for an address."""
        probes = self._probes.get(port)
        if probes is None:
            probes = self._probes[port] = BoundedMap(REMEMBERED)
        probes.put(address, now)

    def may_be_in_dad(self, now: float, port: int, address: IP) -> bool:
        """Tell whether a guest on a port may be doing duplicate address detection for an address."""
        probes = self._probes.get(port)
        probed = probes.get(address) if probes is not None else None
        return now < self.unknown_until(port) or (probed is not None and now < probed + DAD_TIME)

    def unknown_until(self, port: int | None) -> float:
        """Return until when a guest on a port may be in a DAD of which rdnbr has seen nothing; 0: it has seen all."""
        return self._up[port] + DAD_TIME if port in self._up else 0.0

    def port_gone(self, port: int) -> None:
        """Forget a port."""
        self._up.pop(port, None)
        self._probes.pop(port, None)
