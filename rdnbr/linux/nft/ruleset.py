"""The nftables table that drops what guests send from addresses of others, as text for `nft -f`.

A frame from a guest's port passes if its source is in the sets of `core.bindings.source_guard`, or if it is one of
the few messages that a guest must send before an address is bound. All other frames are dropped and counted by kind:
`nft list counters table bridge rdnbr`.

Packet sockets receive frames before this hook, so rdnbr learns from a dropped frame as well.

`meta protocol` stands where nft would look at the Ethernet type by itself, and see the tag of a priority-tagged frame.

Targets and options of NDP have no name in nft 1.0.6 (Debian 12), hence the offsets, and sets for them whose elements
are plain numbers: @th,64,128 is the target, @th,192,16 type and length of the first option, @th,208,48 its MAC. What
has a name is never written as an offset, for nft lists it by its name, and could not load again what it has listed.
"""

from collections.abc import Callable, Iterable
from typing import Any

from rdnbr.core.bindings.source_guard import Contents, Difference, PortAddress, Sender
from rdnbr.core.model.address import parse_ip, parse_mac, show_ip, show_mac

TABLE = "bridge rdnbr"
PRESENCE = f"list chain {TABLE} from_ports\n"
"""Fails when the table is not there."""
ABSENCE = f"add table {TABLE}\ndelete table {TABLE}\n"
"""Removes the table, whether it is there or not."""

_TABLE = f"""
table {TABLE} {{
	set ports {{ type ifname; }}
	set own {{ type ipv6_addr; }}
	set own_targets {{ typeof @th,64,128; }}
	set bound4 {{ type ifname . ether_addr . ipv4_addr; }}
	set bound6 {{ type ifname . ether_addr . ipv6_addr; }}
	set addresses4 {{ type ifname . ipv4_addr; }}
	set addresses6 {{ type ifname . ipv6_addr; }}
	set bound_targets {{ typeof iifname . @th,64,128; }}
	set macs {{ type ether_addr; }}
	set places {{ type ifname . ether_addr; }}
	set option_places {{ typeof iifname . @th,208,48; }}

	counter bad_arp {{ packets 0 bytes 0 }}
	counter bad_ip4 {{ packets 0 bytes 0 }}
	counter bad_ip6 {{ packets 0 bytes 0 }}
	counter bad_ndp {{ packets 0 bytes 0 }}
	counter bad_mac {{ packets 0 bytes 0 }}
	counter bad_tag {{ packets 0 bytes 0 }}
	counter bad_type {{ packets 0 bytes 0 }}

	chain from_ports {{
		type filter hook prerouting priority -300; policy accept;
		iifname @ports goto from_guest
	}}
	chain from_guest {{
		# VLAN 0 is a priority tag on what counts as untagged (IEEE 802.1Q).
		ether type 8021ad counter name bad_tag drop
		vlan id != 0 counter name bad_tag drop
		meta protocol vmap {{ arp : goto from_arp, 0x8035 : goto from_rarp, ip : goto from_ip4, ip6 : goto from_ip6 }}
		counter name bad_type drop
	}}
	chain mac_of_another {{
		ether saddr @macs iifname . ether saddr != @places counter name bad_mac drop
	}}

	chain from_arp {{
		meta protocol arp iifname . ether saddr . arp saddr ip @bound4 \\
			iifname . arp saddr ether . arp saddr ip @bound4 accept
		jump mac_of_another
		meta protocol arp arp operation request arp saddr ip 0.0.0.0 accept
		counter name bad_arp drop
	}}
	chain from_rarp {{
		jump mac_of_another
		accept
	}}
	chain from_ip4 {{
		iifname . ether saddr . ip saddr @bound4 accept
		# A virtual router sends from its virtual MAC with its own address.
		iifname . ether saddr @places iifname . ip saddr @addresses4 accept
		jump mac_of_another
		ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
		counter name bad_ip4 drop
	}}

	chain from_ip6 {{
		meta protocol ip6 icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-redirect }} \\
			goto from_ndp
		meta protocol ip6 iifname . ether saddr . ip6 saddr @bound6 accept
		meta protocol ip6 iifname . ether saddr @places iifname . ip6 saddr @addresses6 accept
		jump mac_of_another
		ip6 saddr fe80::/10 ip6 saddr != @own accept
		# Multicast listeners (MLD) and router solicitations may precede any address.
		ip6 saddr :: icmpv6 type {{ 131, 132, 133, 143 }} accept
		counter name bad_ip6 drop
	}}
	chain from_ndp {{
		# Not behind extension headers, where switches and guests may see different things (RFC 7113).
		ip6 nexthdr icmpv6 icmpv6 type vmap {{ nd-neighbor-solicit : goto from_ns, nd-neighbor-advert : goto from_na }}
		counter name bad_ndp drop
	}}
	chain from_ns {{
		# From a bound address: no option, or a MAC of the port and nothing else.
		ip6 length 24 iifname . ether saddr . ip6 saddr @bound6 accept
		ip6 length 32 iifname . ether saddr . ip6 saddr @bound6 \\
			@th,192,16 0x0101 iifname . @th,208,48 @option_places accept
		jump mac_of_another
		ip6 saddr :: accept
		ip6 saddr fe80::/10 ip6 saddr != @own accept
		counter name bad_ndp drop
	}}
	chain from_na {{
		jump mac_of_another
		ip6 saddr @own counter name bad_ndp drop
		ip6 saddr != fe80::/10 iifname . ether saddr . ip6 saddr != @bound6 counter name bad_ndp drop
		# Of a bound address: no option, or a MAC of the port and nothing else.
		ip6 length 24 iifname . @th,64,128 @bound_targets accept
		ip6 length 32 iifname . @th,64,128 @bound_targets \\
			@th,192,16 0x0201 iifname . @th,208,48 @option_places accept
		# Of a link-local address.
		@th,64,10 0x3fa @th,64,128 != @own_targets accept
		counter name bad_ndp drop
	}}
}}
"""

EMPTY = Contents(*[frozenset()] * 8)


def whole(contents: Contents) -> str:
    """Return the script that writes the table anew, whether there is one or not, in one transaction."""
    return f"{ABSENCE}{_TABLE}{changes(Difference(EMPTY, contents))}"


def changes(difference: Difference) -> str:
    """Return the script that changes the elements of the sets; empty when nothing differs."""
    lines: list[str] = []
    for name, (field, element) in _SETS.items():
        lines += _line("delete", name, map(element, getattr(difference.removed, field)))
        lines += _line("add", name, map(element, getattr(difference.added, field)))
    return "".join(lines)


def senders(document: Any) -> frozenset[Sender]:
    """Return the senders in what `nft --json list table` prints."""
    return frozenset(
        Sender(port, parse_mac(mac), parse_ip(address))
        for entry in document["nftables"]
        if entry.get("set", {}).get("name") in ("bound4", "bound6")
        for port, mac, address in (element["concat"] for element in entry["set"].get("elem", ()))
    )


def _line(verb: str, name: str, elements: Iterable[str]) -> Iterable[str]:
    written = ", ".join(elements)
    if written:
        yield f"{verb} element {TABLE} {name} {{ {written} }}\n"


def _sender(sender: Sender) -> str:
    return f'"{sender.port}" . {show_mac(sender.mac)} . {show_ip(sender.address)}'


def _port_address(bound: PortAddress) -> str:
    return f'"{bound.port}" . {show_ip(bound.address)}'


_SETS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "ports": ("ports", '"{}"'.format),
    "own": ("own", show_ip),
    "own_targets": ("own", lambda address: f"0x{address.hex()}"),
    "bound4": ("bound4", _sender),
    "bound6": ("bound6", _sender),
    "addresses4": ("addresses4", _port_address),
    "addresses6": ("addresses6", _port_address),
    "bound_targets": ("addresses6", lambda sender: f'"{sender.port}" . 0x{sender.address.hex()}'),
    "macs": ("macs", show_mac),
    "places": ("places", lambda place: f'"{place.port}" . {show_mac(place.mac)}'),
    "option_places": ("places", lambda place: f'"{place.port}" . 0x{place.mac.hex()}'),
}
"""By name: the field of `Contents` a set is filled from, and how an element of it is written."""
