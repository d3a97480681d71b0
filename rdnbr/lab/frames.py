"""The frames that guests send, and hypervisors for them, built by scapy.

scapy takes long to import. Import this module only where a frame is built.
"""

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

_BROADCAST = "ff:ff:ff:ff:ff:ff"
_ALL_NODES = "ff02::1"
_ALL_NODES_MAC = "33:33:00:00:00:01"
_ETHERTYPE_RARP = 0x8035
_MINIMUM = 60
"""Bytes of the shortest Ethernet frame, without its frame check sequence (IEEE 802.3)."""


def arp_request(mac: str, sender: str, target: str) -> bytes:
    """Return an ARP request for `target`. For the sender's own address it is an announcement (RFC 5227 §3)."""
    return _padded(Ether(src=mac, dst=_BROADCAST) / ARP(op="who-has", hwsrc=mac, psrc=sender, pdst=target))


def rarp(mac: str) -> bytes:
    """Return a RARP with a MAC and no address, as QEMU sends it for a migrated guest (net/announce.c)."""
    request = ARP(op="RARP-req", hwsrc=mac, psrc="0.0.0.0", hwdst=mac, pdst="0.0.0.0")  # noqa: S104 an address, not a bind
    return _padded(Ether(src=mac, dst=_BROADCAST, type=_ETHERTYPE_RARP) / request)


def unsolicited_advertisement(mac: str, address: str) -> bytes:
    """Return an unsolicited neighbour advertisement to all nodes: `address` is at `mac` (RFC 4861 §7.2.6)."""
    message = ICMPv6ND_NA(R=0, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    return bytes(Ether(src=mac, dst=_ALL_NODES_MAC) / IPv6(src=address, dst=_ALL_NODES, hlim=255) / message)


def _padded(frame: Ether) -> bytes:
    return bytes(frame).ljust(_MINIMUM, b"\0")
