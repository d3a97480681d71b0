"""Authorization of claims: what nobody may claim, then what the allowlist says.

A prefix of another interface of the node may appear while guests have addresses in it, as the networks of Docker and
WireGuard do. Such an address is no new claim, and the guest may be right. So a connected prefix refuses neither an
address that has a route already, nor one whose rule says `connected`.
"""

from collections.abc import Iterable, Mapping

from rdnbr.core.model.address import IP, MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor
from rdnbr.core.model.interfaces import Port, Segment, vm_of
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.rule import Claimant
from rdnbr.core.model.special_purpose import special_purpose_of
from rdnbr.core.model.virtual_router_mac import is_virtual_router_mac
from rdnbr.core.policy.allowlist import NOT_PERMITTED, Allowlist, Verdict
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

    def authorize(
        self,
        address: IP,
        anchor: Anchor,
        segment: int,
        physical_mac: MAC | None = None,
        *,
        live: bool = False,
    ) -> Verdict:
        """Tell whether `anchor`, on `segment` (ifindex), may have `address`, which has a route already if it is `live`.

        A rule with `mac=` names the anchor's MAC or the physical MAC behind it, which is None where there is no other.
        An adopted binding of a virtual-router MAC may be that of any card, until its first frame.
        """
        reason = self.builtin_refusal(address)
        if reason is not None and reason is not Reason.CONNECTED_PREFIX:
            return _refused(reason)
        verdict = self._consult_allowlist(address, anchor, segment, physical_mac)
        if reason is not None and not live and not (verdict.rule is not None and verdict.rule.connected):
            return _refused(reason)
        if anchor.mac == ZERO_MAC and verdict.reason is Reason.PINNED:
            return PERMITTED  # the first frame of the guest will show whether the guest is the one that is pinned
        return verdict

    def builtin_refusal(self, address: IP) -> Reason | None:
        """Return why nobody may have `address`; None: there is no such reason."""
        # The node's own addresses first: its gateways are link-local, and OWN_ADDRESS says more than LINK_LOCAL.
        return self.local_addresses.refusal(address) or special_purpose_of(address)

    def _consult_allowlist(
        self, address: IP, anchor: Anchor, segment: int, physical_mac: MAC | None
    ) -> Verdict:
        if self.allowlist is None:
            return PERMITTED
        last = NOT_PERMITTED
        if physical_mac is None and anchor.port is None and is_virtual_router_mac(anchor.mac):
            physical_mac = ZERO_MAC
        for claimant in self._claimants(anchor, segment, physical_mac):
            last = self.allowlist.authorize(address, claimant)
            if last.permitted:
                return last
        return last

    def _claimants(self, anchor: Anchor, segment: int, physical_mac: MAC | None) -> Iterable[Claimant]:
        """Return the claimants that an anchor may be: while its port is not known, one on each port of the segment."""
        bridge = self._segments[segment].name
        if anchor.port is not None:
            names = [self._ports[anchor.port].name]
        else:
            names = [port.name for port in self._ports.values() if port.segment == segment] or [""]
        return [Claimant(anchor.mac, name, bridge, vm_of(name), None, physical_mac) for name in names]
