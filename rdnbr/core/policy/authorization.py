"""What nobody may claim, and what the allowlist says of the rest."""

from collections.abc import Iterable, Mapping

from rdnbr.core.model.address import IP, ZERO_MAC
from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.interfaces import Port, Segment, vm_of
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.special_purpose import special
from rdnbr.core.policy.allowlist import Allowlist, Claimant, Verdict
from rdnbr.core.policy.local_addresses import LocalAddresses

PERMITTED = Verdict(permitted=True, reason=None, rule=None)


def _refused(reason: Reason) -> Verdict:
    return Verdict(permitted=False, reason=reason, rule=None)


class Authorization:
    """Built-in refusals first, then the allowlist; without one, what is not refused is permitted."""

    def __init__(
        self, allowlist: Allowlist | None, segments: Mapping[int, Segment], ports: Mapping[int, Port]
    ) -> None:
        self.allowlist = allowlist
        self.node = LocalAddresses()
        self._segments = segments
        self._ports = ports

    def authorize(self, address: IP, anchor: Anchor, segment: int) -> Verdict:
        """Judge the claim of `anchor`, on `segment`, to `address`."""
        reason = self.builtin_refusal(address)
        if reason is not None:
            return _refused(reason)
        if self.allowlist is None:
            return PERMITTED
        verdicts = (
            self.allowlist.authorize(address, claimant) for claimant in self._claimants(anchor, segment)
        )
        last = _refused(Reason.NOT_PERMITTED)
        for last in verdicts:
            if last.permitted:
                return last
        if anchor.mac == ZERO_MAC and last.reason is Reason.PINNED:
            return PERMITTED  # to whom it is pinned will show when the guest is heard
        return last

    def builtin_refusal(self, address: IP) -> Reason | None:
        """Tell why nobody may have `address`, or None."""
        # The node's own addresses first: its gateways are link-local, and deserve the sharper reason.
        return self.node.refusal(address) or special(address)

    def _claimants(self, anchor: Anchor, segment: int) -> Iterable[Claimant]:
        """Name who may be claiming: while the port is not known, it may be anyone on the segment."""
        bridge = self._segments[segment].name
        if anchor.port is not None:
            names = [self._ports[anchor.port].name]
        else:
            names = [port.name for port in self._ports.values() if port.segment == segment] or [""]
        return (Claimant(anchor.mac, name, bridge, vm_of(name), None) for name in names)
