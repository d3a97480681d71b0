"""What the node's packet filters certainly drop of a guest's packets and frames. Pure."""

from collections.abc import Iterable, Mapping

from rdnbr.linux.nft.filter_rules import Chain, Drop, Packet, find_drop

_FAMILIES = {4: "ip", 6: "ip6"}
_NEW = {"ct state": "new", "ct status": "none", "l4": "tcp"}
"""A connection that begins, and is not translated."""
_ARP = {"l3": "arp"}
_ND = {
    "l3": "ip6",
    "l4": "icmpv6",
    "icmpv6 type": "nd-neighbor-solicit",
    "ct state": "untracked",
    "ct status": "none",
}
_FRAMES: Mapping[str, Packet] = {
    "ARP": _ARP,
    "NDP": _ND,
    "IPv4": _NEW | {"l3": "ip"},
    "IPv6": _NEW | {"l3": "ip6"},
}
_FROM_PORT, _TO_PORT = frozenset({"prerouting", "input"}), frozenset({"output", "postrouting"})


def forward_drops(
    filters: Iterable[Chain], bridge: str, version: int, uplink: str | None, address: str | None = None
) -> dict[str, Drop]:
    """Return what drops packets between guests and the uplink, by direction: `from` and `to` guests.

    Args:
        filters: the chains.
        bridge: its name.
        version: 4 or 6.
        uplink: the device that packets leave over; None: unknown.
        address: of one guest; None: of any.
    """
    family = _FAMILIES[version]
    chains = [one for one in filters if one.hook == "forward" and one.family in ("inet", family)]
    packet = _NEW | {"l3": family}
    far = {"oif": uplink} if uplink is not None else {}
    near = {"iif": uplink} if uplink is not None else {}
    packets = {
        "from": packet | far | {"iif": bridge} | ({"saddr": address} if address else {}),
        "to": packet | near | {"oif": bridge} | ({"daddr": address} if address else {}),
    }
    found = {name: _first(chains, one) for name, one in packets.items()}
    return {name: drop for name, drop in found.items() if drop is not None}


def port_drops(
    filters: Iterable[Chain], port: str, bridge: str, address: str | None = None
) -> dict[tuple[str, str], Drop]:
    """Return what drops frames of one port, by `from` or `to` the guest and by kind: ARP, NDP, IPv4, IPv6.

    Args:
        filters: the chains.
        port: its name.
        bridge: the name of its bridge.
        address: of the guest; None: any.
    """
    found: dict[tuple[str, str], Drop] = {}
    for chain in filters:
        if chain.family == "bridge" and chain.hook in _FROM_PORT | _TO_PORT:
            direction = "from" if chain.hook in _FROM_PORT else "to"
        elif chain.family == "netdev" and chain.device in (port, bridge):
            # What enters by the port comes from the guest; what leaves by the port or by the bridge goes to the guest.
            direction = "from" if chain.hook == "ingress" else "to"
        else:
            continue
        for kind, packet in _FRAMES.items():
            known = dict(packet) | {"iif" if direction == "from" else "oif": port}
            if address is not None:
                known["saddr" if direction == "from" else "daddr"] = address
            drop = find_drop(chain, known)
            if drop is not None:
                found.setdefault((direction, kind), drop)
    return found


def cure(drop: Drop, bridge: str, device_option: str) -> str:
    """Return a command that lets the packets pass.

    Args:
        drop: what drops them.
        bridge: the name of the bridge.
        device_option: `iif` or `oif`: where the bridge stands in the packets.
    """
    chain = drop.chain
    if drop.rule is not None:
        return drop.rule.remove
    if chain.program == "nft":
        return (
            f"nft insert rule {chain.family} {chain.table} {chain.name} {device_option}name {bridge} accept"
        )
    return f"{chain.program} -I {chain.name} -{device_option[0]} {bridge} -j ACCEPT"


def why(drop: Drop) -> str:
    """Name what drops."""
    return f"a rule of {drop.chain}" if drop.rule is not None else f"the policy of {drop.chain}"


def input_drop(filters: Iterable[Chain], bridge: str, version: int) -> Drop | None:
    """Return what keeps the node from hearing the guests' questions for the gateway's MAC: ARP or NDP.

    Args:
        filters: the chains.
        bridge: its name.
        version: 4 or 6.
    """
    families, packet = (("arp",), _ARP) if version == 4 else (("inet", "ip6"), _ND)
    chains = [one for one in filters if one.hook == "input" and one.family in families]
    return _first(chains, packet | {"iif": bridge})


def _first(chains: Iterable[Chain], packet: Packet) -> Drop | None:
    return next((drop for chain in chains if (drop := find_drop(chain, packet)) is not None), None)
