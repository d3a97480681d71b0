"""A guest that is a virtual router: it answers for shared addresses with a shared MAC, as CARP and VRRP do."""

import socket
import threading

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether

from rdnbr.lab.frames import arp_request, unsolicited_advertisement
from rdnbr.lab.guest import Guest

SHARED = "00:00:5e:00:01:0a"
VIP4, VIP6 = "2.57.57.99", "2001:678:3a4:100::99"

_ETH_P_ALL = 0x0003
_PACKET_OUTGOING = 4


class VirtualRouter:
    """One host of a virtual router. It answers ARP, NS and echo requests for its addresses while it is active."""

    def __init__(self, guest: Guest, *addresses: str, carp: bool, mac: str = SHARED) -> None:
        """Begin as the backup.

        Args:
            guest: whose card is used.
            addresses: the virtual addresses.
            carp: whether frames leave with the card's own MAC as the Ethernet source; else with the shared MAC.
            mac: the shared MAC.
        """
        self.guest, self.addresses, self.mac = guest, addresses, mac
        self.source = guest.mac if carp else mac
        self.active = False
        with guest.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.bind(("eth0", _ETH_P_ALL))
        self._socket.settimeout(0.1)
        self._ended = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def announce(self, *addresses: str) -> None:
        """Become active, and announce these addresses, or all."""
        self.active = True
        for address in addresses or self.addresses:
            announced = unsolicited_advertisement if ":" in address else _gratuitous
            self.send(announced(self.mac, address))

    def advertise(self) -> None:
        """Send a VRRP advertisement: from the shared MAC, and from the guest's own address (RFC 9568 §7.2)."""
        packet = IP(src=self.guest.address4, dst="224.0.0.18", ttl=255, proto=112) / bytes(8)
        self.guest.send(bytes(Ether(src=self.mac, dst="01:00:5e:00:00:12") / packet))

    def send(self, frame: bytes) -> None:
        """Send a frame with the Ethernet source of this kind of router."""
        self.guest.send(frame[:6] + bytes.fromhex(self.source.replace(":", "")) + frame[12:])

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended:
            try:
                frame, origin = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            answer = self._answer(Ether(frame)) if self.active and origin[2] != _PACKET_OUTGOING else None
            if answer is not None:
                self._socket.send(bytes(answer).ljust(60, b"\0"))

    def _answer(self, asked: Ether) -> Ether | None:
        ether = Ether(src=self.source, dst=asked.src)
        if ARP in asked and asked[ARP].op == 1 and asked[ARP].pdst in self.addresses:
            return ether / ARP(
                op=2, hwsrc=self.mac, psrc=asked[ARP].pdst, hwdst=asked[ARP].hwsrc, pdst=asked[ARP].psrc
            )
        if ICMPv6ND_NS in asked and asked[ICMPv6ND_NS].tgt in self.addresses:
            target = asked[ICMPv6ND_NS].tgt
            message = ICMPv6ND_NA(R=0, S=1, O=1, tgt=target) / ICMPv6NDOptDstLLAddr(lladdr=self.mac)
            return ether / IPv6(src=target, dst=asked[IPv6].src, hlim=255) / message
        if asked.dst != self.mac:
            return None
        if ICMP in asked and asked[ICMP].type == 8 and asked[IP].dst in self.addresses:
            echo = asked[ICMP]
            reply = ICMP(type=0, id=echo.id, seq=echo.seq) / bytes(echo.payload)
            return ether / IP(src=asked[IP].dst, dst=asked[IP].src) / reply
        if ICMPv6EchoRequest in asked and asked[IPv6].dst in self.addresses:
            echo = asked[ICMPv6EchoRequest]
            reply = ICMPv6EchoReply(id=echo.id, seq=echo.seq, data=echo.data)
            return ether / IPv6(src=asked[IPv6].dst, dst=asked[IPv6].src) / reply
        return None


def _gratuitous(mac: str, address: str) -> bytes:
    return arp_request(mac, address, address)
