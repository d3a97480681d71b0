"""The nftables table that keeps guests from speaking in each other's name, as text for `nft -f`.

What comes out of a guest's port has to be in the sets of `core.guard`, or to be one of the few things that must be
said before an address is bound. All else is dropped, and counted by kind: `nft list counters table bridge rdnbr`.

Packet sockets see frames before this hook: what is dropped here is still learned from.

`meta protocol` stands where nft would look at the Ethernet type by itself, and see the tag of a priority-tagged frame.

Addresses in NDP have no name in nft 1.0.6 (Debian 12), hence the raw offsets: @th,64,128 is the target, @th,192,16
the first option's type and length, @th,208,48 its MAC; @ll,48,48 is the Ethernet source, @nh,64,128 the IPv6 source.
A set that is looked up with those has elements that are plain numbers.
"""

from collections.abc import Callable, Iterable
from typing import Any

from rdnbr.core.address import IP, MAC, parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.guard import Contents, Place, Sender

TABLE = "bridge rdnbr"
PRESENCE = f"list chain {TABLE} from_ports\n"
"""Fails when the table is not there."""
ABSENCE = f"add table {TABLE}\ndelete table {TABLE}\n"
"""Removes the table, whether it is there or not."""

_TABLE = f"""
table {TABLE} {{
	set ports {{ type ifname; }}
	set own {{ typeof @nh,64,128; }}
	set bound4 {{ type ifname . ether_addr . ipv4_addr; }}
	set bound6 {{ typeof iifname . @ll,48,48 . @nh,64,128; }}
	set macs {{ type ether_addr; }}
	set places {{ type ifname . ether_addr; }}

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
		jump mac_of_another
		ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
		counter name bad_ip4 drop
	}}

	chain from_ip6 {{
		meta protocol ip6 icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-redirect }} \\
			goto from_ndp
		iifname . @ll,48,48 . @nh,64,128 @bound6 accept
		jump mac_of_another
		ip6 saddr fe80::/10 @nh,64,128 != @own accept
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
		# From a bound address: no option, or the sender's MAC and nothing else.
		ip6 length 24 iifname . @ll,48,48 . @nh,64,128 @bound6 accept
		ip6 length 32 @th,192,16 0x0101 iifname . @ll,48,48 . @nh,64,128 @bound6 \\
			iifname . @th,208,48 . @nh,64,128 @bound6 accept
		jump mac_of_another
		ip6 saddr :: accept
		ip6 saddr fe80::/10 @nh,64,128 != @own accept
		counter name bad_ndp drop
	}}
	chain from_na {{
		@nh,64,128 @own counter name bad_ndp drop
		ip6 saddr != fe80::/10 iifname . @ll,48,48 . @nh,64,128 != @bound6 counter name bad_ndp drop
		# Of a bound address: no option, or the target's MAC and nothing else.
		ip6 length 24 iifname . @ll,48,48 . @th,64,128 @bound6 accept
		ip6 length 32 @th,192,16 0x0201 iifname . @ll,48,48 . @th,64,128 @bound6 \\
			iifname . @th,208,48 . @th,64,128 @bound6 accept
		jump mac_of_another
		# Of a link-local address.
		@th,64,10 0x3fa @th,64,128 != @own accept
		counter name bad_ndp drop
	}}
}}
"""

EMPTY = Contents(*[frozenset()] * 6)


def whole(contents: Contents) -> str:
    """Write the table anew, whether there is one or not, in one transaction."""
    return f"{ABSENCE}{_TABLE}{changes(EMPTY, contents)}"


def changes(old: Contents, new: Contents) -> str:
    """Write what turns the sets from `old` into `new`."""
    lines: list[str] = []
    for name, before, after in zip(Contents._fields, old, new, strict=True):
        lines += _line("delete", name, before - after)
        lines += _line("add", name, after - before)
    return "".join(lines)


def senders(document: Any) -> frozenset[Sender]:
    """Find the senders in what `nft --json list table` prints."""
    return frozenset(
        Sender(port, MAC(_packed(mac, 6)), IP(_packed(address, size)))
        for name, size in (("bound4", 4), ("bound6", 16))
        for entry in document["nftables"]
        if entry.get("set", {}).get("name") == name
        for port, mac, address in (element["concat"] for element in entry["set"].get("elem", ()))
    )


def _line(verb: str, name: str, values: frozenset[Any]) -> Iterable[str]:
    if values:
        yield f"{verb} element {TABLE} {name} {{ {', '.join(map(_ELEMENTS[name], values))} }}\n"


def _sender4(sender: Sender) -> str:
    return f'"{sender.port}" . {show_mac(sender.mac)} . {show_ip(sender.address)}'


def _sender6(sender: Sender) -> str:
    return f'"{sender.port}" . 0x{sender.mac.hex()} . 0x{sender.address.hex()}'


def _place(place: Place) -> str:
    return f'"{place.port}" . {show_mac(place.mac)}'


_ELEMENTS: dict[str, Callable[[Any], str]] = {
    "ports": '"{}"'.format,
    "own": lambda address: f"0x{address.hex()}",
    "bound4": _sender4,
    "bound6": _sender6,
    "macs": show_mac,
    "places": _place,
}


def _packed(value: int | str, size: int) -> bytes:
    """Pack what nft prints as a number, hexadecimal when it is long, or as an address."""
    if isinstance(value, int):
        return value.to_bytes(size)
    if value.startswith("0x"):
        return int(value, 16).to_bytes(size)
    return parse_mac(value) if size == 6 else parse_ip(value)
