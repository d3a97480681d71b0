"""What a port may have, and how fast: the bounds that keep one guest's greed from being anybody else's trouble."""

from collections.abc import Iterable

from rdnbr.core.address import IP
from rdnbr.core.bindings import Bindings
from rdnbr.core.paces import Paces
from rdnbr.core.reason import Reason
from rdnbr.core.settings import PortPolicy, Settings
from rdnbr.core.topology import Port


class PortLimits:
    """The limits of every port, and what of them is used up."""

    def __init__(self, settings: Settings, bindings: Bindings) -> None:
        self._bindings = bindings
        self._settings = settings
        self._policies: dict[int, PortPolicy] = {}
        self._paces = Paces()
        self._greetings = Paces()
        self._searches = Paces()

    def configure(self, settings: Settings, ports: Iterable[Port]) -> None:
        """Other limits count from now on; what is bound beyond them stays."""
        self._settings = settings
        for port in ports:
            self.open(port)

    def open(self, port: Port) -> None:
        """A port appeared, or has another name now."""
        policy = self._settings.policy(port.name)
        self._policies[port.index] = policy
        for paces in (self._paces, self._greetings, self._searches):
            paces.of(port.index, policy.new_addresses_per_second, self.capacity(port.index))

    def close(self, port: int) -> None:
        """A port is gone."""
        self._policies.pop(port, None)
        self._paces.close(port)
        self._greetings.close(port)
        self._searches.close(port)

    def policy(self, port: int) -> PortPolicy:
        """Return the policy of a port that is open."""
        return self._policies[port]

    def arrival(self, now: float, port: int) -> Reason | None:
        """Tell why a port may not have one more address asked about now, or None and count it."""
        return None if self._paces[port].take(now) else Reason.TOO_MANY_NEW

    def capacity(self, port: int) -> int:
        """Return how many addresses a port may have, of both families together."""
        return self._policies[port].addresses_ipv4 + self._policies[port].addresses_ipv6

    def greeting(self, now: float, port: int) -> bool:
        """Tell whether a port may have one more guest told of its gateway now, and count it."""
        return self._greetings[port].take(now)

    def search(self, now: float, port: int) -> bool:
        """Tell whether what the allowlist names for a guest may be looked up once more now, and count it."""
        return self._searches[port].take(now)

    def exhausted(self, now: float, port: int) -> bool:
        """Tell whether a port may have nothing more asked about now."""
        return not self._paces[port].has(now)

    def room(self, port: int, address: IP) -> tuple[int, int]:
        """Return how many addresses of this family a port has, and how many it may have."""
        policy = self._policies[port]
        most = policy.addresses_ipv4 if len(address) == 4 else policy.addresses_ipv6
        return self._bindings.held(port, len(address)), most

    def full(self, port: int, address: IP) -> Reason | None:
        """Tell that a port has as many addresses of this family as it may, or None."""
        held, most = self.room(port, address)
        return Reason.PORT_FULL if held >= most else None

    def contention(self, now: float, port: int, address: IP) -> Reason | None:
        """Tell why a port may not contend for an address now, or None and count it."""
        return self.full(port, address) or self.arrival(now, port)

    def claim(self, now: float, port: int, address: IP) -> Reason | None:
        """Tell why a port may not claim one more address now, or None and count it."""
        if len(self._bindings) >= self._settings.limits.addresses:
            return Reason.TABLE_FULL
        return self.contention(now, port, address)
