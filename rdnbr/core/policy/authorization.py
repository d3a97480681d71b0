"""Authorization of claims: what nobody may claim, then what the allowlist says."""

from collections.abc import Iterable, Mapping

from rdnbr.core.model.address import IP, ZERO_MAC
from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.interfaces import Port, Segment, vm_of
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Claimant
from rdnbr.core.model.special_purpose import special_purpose_of
from rdnbr.core.policy.allowlist import Allowlist, Verdict
from rdnbr.core.policy.local_addresses import LocalAddresses

PERMITTED = Verdict(permitted=True, reason=None, rule=None)


def _refused(reason: Reason) -> Verdict:
    return Verdict(permitted=False, reason=reason, rule=None)


class Authorization:
    """Built-in refusals first, then the allowlist. Without an allowlist everything else is permitted (open mode)."""

    def __init__(
        self, allowlist: Allowlist | None, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        self.allowlist = allowlist
        self.local_addresses = LocalAddresses()
        self._segments = segments
        self._ports = ports

    def authorize(self, address: IP, anchor: Anchor, segment: int) -> Verdict:
        """Tell whether `anchor`, on `segment` (ifindex), may have `address`."""
        reason = self.builtin_refusal(address)
        if reason is not None:
            return _refused(reason)
        if self.allowlist is None:
            return PERMITTED
        last = _refused(Reason.NOT_PERMITTED)
        for claimant in self._claimants(anchor, segment):
            last = self.allowlist.authorize(address, claimant)
            if last.permitted:
                return last
        if anchor.mac == ZERO_MAC and last.reason is Reason.PINNED:
            return PERMITTED  # the first frame of the guest will show whether the guest is the one that is pinned
        return last

    def builtin_refusal(self, address: IP) -> Reason | None:
        """Return why nobody may have `address`; None: there is no such reason."""
        # The node's own addresses first: its gateways are link-local, and OWN_ADDRESS says more than LINK_LOCAL.
        return self.local_addresses.refusal(address) or special_purpose_of(address)

    def _claimants(self, anchor: Anchor, segment: int) -> Iterable[Claimant]:
        """Return the claimants that an anchor may be: while its port is not known, one on each port of the segment."""
        bridge = self._segments[segment].name
        if anchor.port is not None:
            names = [self._ports[anchor.port].name]
        else:
            names = [port.name for port in self._ports.values() if port.segment == segment] or [""]
        return (Claimant(anchor.mac, name, bridge, vm_of(name), None) for name in names)
