"""Checks of a served bridge: carrier, MAC, multicast snooping, VLANs and ports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rdnbr.core.model.address import IP, show_mac
from rdnbr.core.model.interfaces import GUEST_KINDS, Link, Segment
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.host.bridge_sysfs import Details
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Finding, Severity, note, on, problem, unread, warning
from rdnbr.operator.text.phrases import listed

_MAX_NAMED = 5
_LONGEST_NAME = 15
"""Bytes of the name of a device (IFNAMSIZ, linux/if.h)."""


class Claimant(NamedTuple):
    """A guest that was heard with an address of the bridge."""

    mac: str
    port: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """A served bridge."""

    segment: Segment
    carrier: bool
    members: tuple[Link, ...]
    details: Details | UnreadFact
    vrf: str | None = None
    """The VRF device it is enslaved to."""
    claimants: Mapping[IP, Claimant] = field(default_factory=dict)
    """By address: who was last heard with an address of the bridge whose duplicate address detection failed."""
    conflict_detection: tuple[IP, ...] = ()
    """Addresses that systemd-networkd drops when another host claims them."""

    @property
    def ports(self) -> tuple[Link, ...]:
        """The ports that rdnbr listens on."""
        return tuple(
            member for member in self.members if member.kind in GUEST_KINDS and member.up and member.carrier
        )

    @property
    def families(self) -> tuple[int, ...]:
        """The IP versions for which it has a gateway address."""
        gateways = {4: self.segment.gateway4, 6: self.segment.gateway6}
        return tuple(family for family, gateway in gateways.items() if gateway is not None)


def check_bridge(bridge: Bridge, *, carrier_matters: bool) -> Iterator[Finding]:
    """Yield the findings of a bridge.

    Args:
        bridge: the bridge.
        carrier_matters: whether this FRR withdraws routes over a device without carrier.
    """
    yield from _running(bridge, Severity.PROBLEM if carrier_matters else Severity.WARNING)
    if isinstance(bridge.details, UnreadFact):
        yield unread(bridge.segment.name, bridge.details)
    else:
        yield from _details(bridge.segment, bridge.details)
    yield from _ports(bridge)


def _running(bridge: Bridge, severity: Severity) -> Iterator[Finding]:
    name = bridge.segment.name
    if not bridge.segment.up:
        yield problem(
            "bridge-down",
            name,
            "the bridge is down, and its guests are cut off",
            Cure.run(f"ip link set {name} up"),
            on(name),
        )
        return
    # A bridge has carrier only while one of its ports is running. A dummy port is always running.
    keep = f"{name[: _LONGEST_NAME - 4]}keep"
    placeholder = Cure.run(
        f"ip link add {keep} type dummy",
        f"ip link set {keep} master {name} up",
        advice="a port that leads nowhere; contrib/network/interfaces has the lines that make it last",
    )
    running = [member for member in bridge.members if member.up and member.carrier]
    if not bridge.carrier:
        yield Finding(
            "bridge-without-carrier",
            severity,
            name,
            "the bridge has no running port and so no carrier; FRR from 10.3 on withdraws all routes over it",
            placeholder,
            on(name) if severity is Severity.PROBLEM else None,
        )
    elif all(member.kind in GUEST_KINDS for member in running):
        yield Finding(
            "carrier-hangs-on-guests",
            Severity.WARNING if severity is Severity.PROBLEM else Severity.NOTE,
            name,
            "the bridge loses its carrier with its last guest; FRR from 10.3 on then withdraws all routes over it",
            placeholder,
        )


def _details(segment: Segment, details: Details) -> Iterator[Finding]:
    name, mac = segment.name, show_mac(segment.mac)
    one_mac = Cure.run(
        f"ip link set {name} address 02:00:5e:00:00:01",
        advice="one locally administered MAC for all nodes; to make it last, `hwaddress 02:00:5e:00:00:01` under "
        f"`iface {name}` in /etc/network/interfaces",
    )
    # A bridge without a fixed MAC takes the lowest of its ports' MACs. When the MAC changes, guests keep the old one.
    if not details.mac_fixed:
        yield problem(
            "bridge-mac-not-fixed",
            name,
            "the bridge's MAC follows its ports': a change cuts off all guests, and drops all permanent neighbours",
            one_mac,
        )
    # All nodes need the same MAC. A node cannot read the MACs of others, but such a MAC is certainly not shared.
    elif details.mac_of_machine:
        yield warning(
            "bridge-mac-of-this-node",
            name,
            f"systemd made the bridge's MAC, {mac}, of this machine's id, so that each node has another, and guests "
            "that migrate keep the old node's",
            one_mac,
        )
    elif not segment.mac[0] & 2:
        yield warning(
            "bridge-mac-universal",
            name,
            f"the bridge's MAC, {mac}, looks like one device's own, and guests that migrate keep the old node's",
            one_mac,
        )
    if details.snooping and not details.querier:
        yield warning(
            "snooping-without-querier",
            name,
            "the bridge snoops multicast without a querier: if a guest sends queries, NDP of others can get lost",
            Cure.run(
                f"ip link set {name} type bridge mcast_snooping 0",
                advice=f"to make it last, `bridge-mcsnoop off` under `iface {name}` in /etc/network/interfaces",
            ),
        )
    if details.vlan_filtering:
        yield note(
            "vlan-aware",
            name,
            "the bridge is VLAN-aware; frames that guests tag are ignored",
            Cure.run(f"ip link set {name} type bridge vlan_filtering 0", advice="if no guest needs its tags"),
        )


def _ports(bridge: Bridge) -> Iterator[Finding]:
    name = bridge.segment.name
    guests = [member for member in bridge.members if member.kind in GUEST_KINDS]
    idle = [member for member in guests if not (member.up and member.carrier)]
    if idle:
        yield note(
            "port-not-running",
            name,
            f"not listened on, since down or without carrier: {_names(idle)}",
            Cure.run(
                *(f"ip link set {member.name} up" for member in idle[:_MAX_NAMED] if not member.up),
                advice="none while the guest is off, else start it, or plug its card in",
            ),
        )
    elsewhere = [member for member in bridge.members if member.leads_elsewhere]
    if elsewhere:
        yield note(
            "port-leads-elsewhere",
            name,
            f"not listened on, since hosts behind them are not this node's: {_names(elsewhere)}",
            Cure.run(
                *(f"ip link set {member.name} nomaster" for member in elsewhere[:_MAX_NAMED]),
                advice="none, if that is meant",
            ),
        )


def _names(links: Sequence[Link]) -> str:
    return listed([link.name for link in links], _MAX_NAMED)
