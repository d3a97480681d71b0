"""A guest: a network namespace behind a port of a node's bridge, with the addresses that netplan would set."""

import socket
from errno import ENOBUFS
from ipaddress import IPv4Address, IPv6Address

from rdnbr.lab.cable import Cable
from rdnbr.lab.namespace import Namespace
from rdnbr.lab.wait import wait_for

GATEWAY4 = "169.254.0.1"
GATEWAY6 = "fe80::1"
PREFIX4 = "2.57.56.0/21"
"""The prefix of all guests' IPv4 addresses."""
PREFIX6 = "2001:678:3a4:100::/64"
"""The prefix of all guests' IPv6 addresses."""
MOST_GUESTS = 1000
"""A bridge has at most 1,023 ports (BR_MAX_PORTS)."""

_FIRST4 = IPv4Address("2.57.57.30")
_FIRST6 = IPv6Address("2001:678:3a4:100::80")
_FIRST_MAC = 0x52024576D235
_FIRST_VM = 100


class Guest(Namespace):
    """A guest with a number, counted from 0. Before `configure` it has a link but no addresses."""

    cable: Cable | None = None
    """The cable by which the guest moves between nodes. None: its eth0 is the peer of its port."""

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
        """The guest's IPv4 address and IPv6 address."""
        return self.address4, self.address6

    def address(self, family: int) -> str:
        """Return the guest's address of IP version 4 or 6."""
        return self.address4 if family == 4 else self.address6

    def configure(self) -> None:
        """Add both addresses, as /32 and /128, and the default routes."""
        self.ip(
            f"addr add {self.address6}/128 dev eth0",
            f"route add default via {GATEWAY6} dev eth0",
            f"addr add {self.address4}/32 dev eth0",
            f"route add default via {GATEWAY4} dev eth0 onlink",
        )

    def forget_addresses(self) -> None:
        """Remove both addresses. The link stays up."""
        self.ip(f"addr del {self.address4}/32 dev eth0", f"addr del {self.address6}/128 dev eth0")

    def ping_gateways(self) -> None:
        """Ping each gateway until it answers, for at most 1 s each. A gateway that does not answer is no error.

        The first reply is usually lost, because the node has no route to a new guest yet.
        """
        for address, options in ((GATEWAY4, ["-I", self.address4]), (f"{GATEWAY6}%eth0", [])):
            self.attempt("ping", "-n", "-q", "-c", "1", "-i", "0.1", "-w", "1", *options, address)

    def send_gateway_request(self) -> None:
        """Send an ARP request for the gateway, as a first ping would, without waiting for the reply."""
        from rdnbr.lab import frames  # noqa: PLC0415 (scapy takes long to import)

        self.send(frames.arp_request(self.mac, self.address4, GATEWAY4))

    def announce(self) -> None:
        """Send the frames that Linux sends after its NIC reports a migration: a gratuitous ARP, an unsolicited NA."""
        from rdnbr.lab import frames  # noqa: PLC0415

        self.send(frames.arp_request(self.mac, self.address4, self.address4))
        self.send(frames.unsolicited_advertisement(self.mac, self.address6))

    def announce_mac(self) -> None:
        """Send one RARP for the guest's MAC. A hypervisor sends five in 0.8 s after a migration."""
        from rdnbr.lab import frames  # noqa: PLC0415

        self.send(frames.rarp(self.mac))

    def wait_for_dad(self, within: float = 10.0) -> None:
        """Wait until no address of the guest is tentative (RFC 4862 §5.4)."""
        wait_for(
            lambda: not self.run("ip", "-6", "addr", "show", "dev", "eth0", "tentative").strip(),
            within,
            f"duplicate address detection in guest {self.number}",
        )

    def send(self, frame: bytes) -> None:
        """Send a complete Ethernet frame from the guest's eth0."""
        if self._socket is None:
            with self.inside():
                self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind(("eth0", 0))
        wait_for(lambda: self._try_send(frame), 5.0, f"room for a frame of guest {self.number}")

    def _try_send(self, frame: bytes) -> bool:
        assert self._socket is not None
        try:
            self._socket.send(frame)
        except OSError as error:
            if error.errno != ENOBUFS:  # the backlog of a busy machine is full
                raise
            return False
        return True

    def close(self) -> None:
        """Close the packet socket on eth0."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
