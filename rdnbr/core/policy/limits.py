"""What a port may have, and how fast: the bounds that keep one guest's greed from being anybody else's trouble."""

from collections.abc import Iterable

from rdnbr.core.model.address import IP
from rdnbr.core.model.binding import BindingLookup
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import PortPolicy, Settings
from rdnbr.core.primitives.port_buckets import PortBuckets


class PortLimits:
    """The limits of every port, and what of them is used up."""

    def __init__(self, settings: Settings, bindings: BindingLookup) -> None:
        self._bindings = bindings
        self._settings = settings
        self._policies: dict[int, PortPolicy] = {}
        self._paces = PortBuckets()
        self._greetings = PortBuckets()
        self._searches = PortBuckets()

    def configure(self, settings: Settings, ports: Iterable[Port]) -> None:
        """Other limits count from now on; what is bound beyond them stays."""
        self._settings = settings
        for port in ports:
            self.set_port(port)

    def set_port(self, port: Port) -> None:
        """A port appeared, or has another name now."""
        policy = self._settings.policy(port.name)
        self._policies[port.index] = policy
        for paces in (self._paces, self._greetings, self._searches):
            paces.bucket(port.index, policy.new_addresses_per_second, self.capacity(port.index))

    def remove_port(self, port: int) -> None:
        """A port is gone."""
        self._policies.pop(port, None)
        self._paces.port_gone(port)
        self._greetings.port_gone(port)
        self._searches.port_gone(port)

    def policy(self, port: int) -> PortPolicy:
        """Return the policy of a port that is open."""
        return self._policies[port]

    def take_probe(self, now: float, port: int) -> Reason | None:
        """Tell why a port may not have one more address asked about now, or None and count it."""
        return None if self._paces[port].take(now) else Reason.TOO_MANY_NEW

    def capacity(self, port: int) -> int:
        """Return how many addresses a port may have, of both families together."""
        return self._policies[port].addresses_ipv4 + self._policies[port].addresses_ipv6

    def take_announcement(self, now: float, port: int) -> bool:
        """Tell whether a port may have one more guest told of its gateway now, and count it."""
        return self._greetings[port].take(now)

    def take_discovery(self, now: float, port: int) -> bool:
        """Tell whether what the allowlist names for a guest may be looked up once more now, and count it."""
        return self._searches[port].take(now)

    def is_exhausted(self, now: float, port: int) -> bool:
        """Tell whether a port may have nothing more asked about now."""
        return not self._paces[port].has(now)

    def usage(self, port: int, address: IP) -> tuple[int, int]:
        """Return how many addresses of this family a port has, and how many it may have."""
        policy = self._policies[port]
        most = policy.addresses_ipv4 if len(address) == 4 else policy.addresses_ipv6
        return self._bindings.count_on_port(port, len(address)), most

    def refuse_full(self, port: int, address: IP) -> Reason | None:
        """Tell that a port has as many addresses of this family as it may, or None."""
        held, most = self.usage(port, address)
        return Reason.PORT_FULL if held >= most else None

    def take_challenge(self, now: float, port: int, address: IP) -> Reason | None:
        """Tell why a port may not contend for an address now, or None and count it."""
        return self.refuse_full(port, address) or self.take_probe(now, port)

    def take_claim(self, now: float, port: int, address: IP) -> Reason | None:
        """Tell why a port may not claim one more address now, or None and count it."""
        if len(self._bindings) >= self._settings.limits.addresses:
            return Reason.TABLE_FULL
        return self.take_challenge(now, port, address)
