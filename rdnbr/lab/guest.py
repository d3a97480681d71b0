"""A guest: a namespace of its own behind a port of a node's bridge, addressed as netplan would address it."""

import socket
from errno import ENOBUFS
from ipaddress import IPv4Address, IPv6Address

from rdnbr.lab import said
from rdnbr.lab.namespace import Namespace
from rdnbr.lab.wait import wait_for
from rdnbr.lab.wire import Wire

GATEWAY4 = "169.254.0.1"
GATEWAY6 = "fe80::1"
PREFIX4 = "2.57.56.0/21"
PREFIX6 = "2001:678:3a4:100::/64"
"""What all guests' addresses are in."""
MOST = 1000
"""Guests; a bridge takes 1,023 ports (BR_MAX_PORTS)."""

_FIRST4 = IPv4Address("2.57.57.30")
_FIRST6 = IPv6Address("2001:678:3a4:100::80")
_FIRST_MAC = 0x52024576D235
_FIRST_VM = 100


class Guest(Namespace):
    """Guest number `number`, counted from 0. Until `configure` it has a link and no address."""

    wire: Wire | None = None
    """What takes it from node to node; None: it is plugged into its node directly."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.number = number
        self.vm = _FIRST_VM + number
        self.port = f"tap{self.vm}i0"
        self.mac = (_FIRST_MAC + number).to_bytes(6, "big").hex(":")
        self.address4 = str(_FIRST4 + number)
        self.address6 = str(_FIRST6 + number)
        self._socket: socket.socket | None = None

    @property
    def addresses(self) -> tuple[str, str]:
        """Its IPv4 and its IPv6 address."""
        return self.address4, self.address6

    def address(self, family: int) -> str:
        """Return its address of family 4 or 6."""
        return self.address4 if family == 4 else self.address6

    def configure(self) -> None:
        """Take both addresses, as a host address each, and the default routes."""
        self.ip(
            f"addr add {self.address6}/128 dev eth0",
            f"route add default via {GATEWAY6} dev eth0",
            f"addr add {self.address4}/32 dev eth0",
            f"route add default via {GATEWAY4} dev eth0 onlink",
        )

    def forget_addresses(self) -> None:
        """Give both addresses up; the link stays up."""
        self.ip(f"addr del {self.address4}/32 dev eth0", f"addr del {self.address6}/128 dev eth0")

    def greet(self) -> None:
        """Ping both gateways until they answer, whether they do or not; takes up to 2 s.

        The first echo is lost as a rule: the node has no route to who is heard for the first time.
        """
        for address, options in ((GATEWAY4, ["-I", self.address4]), (f"{GATEWAY6}%eth0", [])):
            self.attempt("ping", "-n", "-q", "-c", "1", "-i", "0.1", "-w", "1", *options, address)

    def greet_in_passing(self) -> None:
        """Send the ARP request that a first ping of the gateway begins with, and wait for nothing."""
        self.send(said.arp_request(self.mac, self.address4, GATEWAY4))

    def announce(self) -> None:
        """Send what Linux sends when its NIC tells it that it has moved: a gratuitous ARP and an unsolicited NA."""
        self.send(said.arp_request(self.mac, self.address4, self.address4))
        self.send(said.advertisement(self.mac, self.address6))

    def announce_mac(self) -> None:
        """Send one of the RARPs that a hypervisor sends for a guest that has moved; it sends five in 0.8 s."""
        self.send(said.rarp(self.mac))

    def wait_for_dad(self, within: float = 10.0) -> None:
        """Wait until no address is tentative any more (RFC 4862 §5.4)."""
        wait_for(
            lambda: not self.run("ip", "-6", "addr", "show", "dev", "eth0", "tentative").strip(),
            within,
            f"duplicate address detection in guest {self.number}",
        )

    def send(self, frame: bytes) -> None:
        """Send a finished Ethernet frame out of the guest's eth0."""
        if self._socket is None:
            with self.inside():
                self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind(("eth0", 0))
        wait_for(lambda: self._sent(frame), 5.0, f"room for a frame of guest {self.number}")

    def _sent(self, frame: bytes) -> bool:
        assert self._socket is not None
        try:
            self._socket.send(frame)
        except OSError as error:
            if error.errno != ENOBUFS:  # on a busy machine the kernel may not have come to what others sent
                raise
            return False
        return True

    def close(self) -> None:
        """Let go of its link."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
