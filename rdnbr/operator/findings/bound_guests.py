"""Checks of the guests that the daemon serves: whether frames reach them, and whether they can answer. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rdnbr.core.model.address import IP, MAC, family, show_ip, show_mac
from rdnbr.core.model.virtual_router_mac import is_virtual_router_mac
from rdnbr.operator.control.bound_addresses import BoundAddress
from rdnbr.operator.control.silent_guest import PROBE_OF, alive_address
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Finding, Severity, note, warning
from rdnbr.operator.text.phrases import listed

_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class BoundGuests:
    """What is known of the guests."""

    bound: tuple[BoundAddress, ...] = ()
    unlearned: Mapping[str, bool] = field(default_factory=dict)
    """Names of ports with learning off, and whether frames to unknown MACs leave by them."""
    fdb: frozenset[tuple[str, MAC]] = frozenset()
    """The MACs in the forwarding database of each bridge."""
    elsewhere: Mapping[IP, tuple[str, ...]] = field(default_factory=dict)
    """Addresses that other nodes announce too: the next hops of their paths in bgpd's table."""
    now: float = 0.0
    """Seconds since 1970."""


def check_bound_guests(guests: BoundGuests) -> Iterator[Finding]:
    """Yield the findings about guests."""
    yield from _unlearned(guests)
    yield from _half_silent(guests)
    yield from _shared_virtual_macs(guests)
    yield from _elsewhere(guests)


def missing_in_fdb(one: BoundAddress, guests: BoundGuests) -> bool:
    """Return whether a bridge does not know the port of a routed guest, and cannot learn it."""
    return one.installed and one.port in guests.unlearned and (one.bridge, one.mac) not in guests.fdb


def _unlearned(guests: BoundGuests) -> Iterator[Finding]:
    missing = dict.fromkeys(
        (one.bridge, one.port, one.mac) for one in guests.bound if missing_in_fdb(one, guests)
    )
    for bridge, port, mac in missing:
        flooded = guests.unlearned[port or ""]
        what = "frames to it leave by all ports" if flooded else "frames to it reach nobody"
        yield Finding(
            "fdb-entry-missing",
            Severity.WARNING if flooded else Severity.PROBLEM,
            bridge,
            f"learning is off on {port}, and the bridge has no entry for {show_mac(mac)}: {what}",
            add_fdb_entry(mac, port),
        )


def _half_silent(guests: BoundGuests) -> Iterator[Finding]:
    by_mac: defaultdict[MAC, list[BoundAddress]] = defaultdict(list)
    for one in guests.bound:
        by_mac[one.mac].append(one)
    found: defaultdict[tuple[str, int], list[BoundAddress]] = defaultdict(list)
    for one in guests.bound:
        if alive_address(one, by_mac[one.mac], guests.now) is not None:
            found[one.bridge, family(one.address)].append(one)
    for (bridge, version), silent in sorted(found.items()):
        named = listed([f"{show_ip(one.address)} on {one.port}" for one in silent], _MAX_NAMED)
        yield note(
            "guest-half-silent",
            bridge,
            f"guests that are alive in IPv{10 - version} do not answer {PROBE_OF[version]}, so that they are not "
            f"routed: {named}",
            ANSWER[version],
        )


def _shared_virtual_macs(guests: BoundGuests) -> Iterator[Finding]:
    """Yield the MACs of virtual routers that are active on several ports of a bridge: two tenants chose one VRID."""
    ports: defaultdict[tuple[str, MAC], dict[str, IP]] = defaultdict(dict)
    for one in guests.bound:
        if one.installed and one.port is not None and is_virtual_router_mac(one.mac):
            ports[one.bridge, one.mac].setdefault(one.port, one.address)
    for (bridge, mac), found in sorted(ports.items()):
        if len(found) > 1:
            named = listed(
                [f"{show_ip(address)} on {port}" for port, address in sorted(found.items())], _MAX_NAMED
            )
            yield warning(
                "virtual-router-mac-shared",
                bridge,
                f"guests on {len(found)} ports use the virtual-router MAC {show_mac(mac)} at a time ({named}), so the "
                "bridge sends the frames for all of them to the one that sent last",
                Cure.advise(
                    "give one of them another VRID (VRRP, CARP) or group (HSRP), or a bridge of its own"
                ),
            )


def _elsewhere(guests: BoundGuests) -> Iterator[Finding]:
    if not guests.elsewhere:
        return
    named = listed(
        [f"{show_ip(one)} by {', '.join(hops)}" for one, hops in guests.elsewhere.items()], _MAX_NAMED
    )
    yield warning(
        "announced-twice",
        "frr",
        f"other nodes announce addresses of this node's guests too: {named}",
        end_double_announcement(*guests.elsewhere),
    )


def end_double_announcement(*addresses: IP) -> Cure:
    """Return the cure of addresses that two nodes announce."""
    return Cure.run(
        *(f"rdnbr flush {show_ip(address)}" for address in addresses[:_MAX_NAMED]),
        advice="`anycast` in the allowlist if a guest is on each of the nodes; else, on the node without the guest",
    )


def add_fdb_entry(mac: MAC, port: str | None) -> Cure:
    """Return the cure of a MAC that its bridge cannot learn."""
    return Cure.run(
        f"bridge fdb replace {show_mac(mac)} dev {port} master static",
        advice='to make it last, enforce = "macs" in the configuration',
    )


ANSWER = {
    4: Cure.run(
        "sysctl -w net.ipv4.conf.all.arp_ignore=0", advice="ARP must pass its filters", in_guest=True
    ),
    6: Cure.run(
        "nft insert rule inet filter input icmpv6 type nd-neighbor-solicit accept",
        advice="NDP must pass its filters",
        in_guest=True,
    ),
}
"""What to do about a guest that does not answer, by IP version."""
