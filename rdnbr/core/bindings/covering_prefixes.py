"""Reports connected prefixes that contain addresses of guests, each once for as long as the prefix is there."""

from rdnbr.core.model.address import IP
from rdnbr.core.model.engine_outputs import CoveringPrefix, Emit
from rdnbr.core.model.rule import Rule
from rdnbr.core.policy.authorization import Authorization


class CoveringPrefixes:
    """The connected prefixes that were reported."""

    def __init__(self, authorization: Authorization, emit: Emit) -> None:
        self._authorization = authorization
        self._emit = emit
        self._reported: dict[str, None] = {}

    def record(self, address: IP, rule: Rule | None) -> None:
        """Record an address that has a route by `rule`, whether or not a connected prefix contains the address."""
        if rule is not None and rule.connected:
            return
        prefix = self._authorization.local_addresses.enclosing_prefix(address)
        if prefix is not None and prefix not in self._reported:
            self._reported[prefix] = None
            self._emit(CoveringPrefix(prefix, address))

    def local_addresses_changed(self) -> None:
        """Forget the prefixes that are gone: each is reported again if it returns."""
        there = set(map(str, self._authorization.local_addresses.connected))
        self._reported = {prefix: None for prefix in self._reported if prefix in there}
