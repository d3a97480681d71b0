"""Limits of ports: how many addresses a port may have, and how fast it may claim them.

The limits keep the load that one guest makes from the other guests.
"""

from collections.abc import Iterable

from rdnbr.core.model.address import IP
from rdnbr.core.model.binding import BindingLookup
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import PortPolicy, Settings
from rdnbr.core.primitives.port_buckets import PortBuckets


class PortLimits:
    """The limits of every port, and the tokens that each port has left."""

    def __init__(self, settings: Settings, bindings: BindingLookup) -> None:
        self._bindings = bindings
        self._settings = settings
        self._policies: dict[int, PortPolicy] = {}
        self._probes = PortBuckets()
        self._announcements = PortBuckets()
        self._discoveries = PortBuckets()

    def configure(self, settings: Settings, ports: Iterable[Port]) -> None:
        """Use other limits from now on; bindings beyond the new limits stay."""
        self._settings = settings
        for port in ports:
            self.set_port(port)

    def set_port(self, port: Port) -> None:
        """Take the limits of a port that appeared, or that has another name now."""
        policy = self._settings.policy(port.name)
        self._policies[port.index] = policy
        for buckets in (self._probes, self._announcements, self._discoveries):
            buckets.bucket(port.index, policy.new_addresses_per_second, self.capacity(port.index))

    def remove_port(self, port: int) -> None:
        """Forget the limits of a port (ifindex) that is gone; its buckets are remembered for a while."""
        self._policies.pop(port, None)
        for buckets in (self._probes, self._announcements, self._discoveries):
            buckets.port_gone(port)

    def policy(self, port: int) -> PortPolicy:
        """Return the policy of a port (ifindex) that is there."""
        return self._policies[port]

    def capacity(self, port: int) -> int:
        """Return how many addresses a port may have, of both families together."""
        return self._policies[port].addresses_ipv4 + self._policies[port].addresses_ipv6

    def usage(self, port: int, address: IP) -> tuple[int, int]:
        """Return how many addresses of the family of `address` a port has, and how many it may have."""
        policy = self._policies[port]
        most = policy.addresses_ipv4 if len(address) == 4 else policy.addresses_ipv6
        return self._bindings.count_on_port(port, len(address)), most

    def is_exhausted(self, now: float, port: int) -> bool:
        """Tell whether a port has no token left for another address to be probed."""
        return not self._probes[port].has(now)

    def take_announcement(self, now: float, port: int) -> bool:
        """Take the token for a gateway announcement on a port; False: there is none."""
        return self._announcements[port].consume(now)

    def take_discovery(self, now: float, port: int) -> bool:
        """Take the token for a search of the allowlist for a guest on a port; False: there is none."""
        return self._discoveries[port].consume(now)

    def refuse_probe(self, now: float, port: int) -> Reason | None:
        """Take the token for one more address of a port to be probed; return the reason when there is none."""
        return None if self._probes[port].consume(now) else Reason.TOO_MANY_NEW

    def refuse_full(self, port: int, address: IP) -> Reason | None:
        """Return the reason when a port has as many addresses of the family as it may have."""
        bound, most = self.usage(port, address)
        return Reason.PORT_FULL if bound >= most else None

    def refuse_challenge(self, now: float, port: int, address: IP) -> Reason | None:
        """Return the reason why a port may not challenge a binding now; None: it may, and its token is taken."""
        return self.refuse_full(port, address) or self.refuse_probe(now, port)

    def refuse_claim(self, now: float, port: int, address: IP) -> Reason | None:
        """Return the reason why a port may not claim a new address now; None: it may, and its token is taken."""
        if len(self._bindings) >= self._settings.limits.addresses:
            return Reason.TABLE_FULL
        return self.refuse_challenge(now, port, address)
