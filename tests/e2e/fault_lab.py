"""The lab of the faults, whose daemon runs during all of them, and its state without a fault."""

import json
import signal
import time
from contextlib import contextmanager

from rdnbr.lab import LabError, wait_for
from tests.e2e.node_view import PROTOCOL
from tests.guest_frames import announcement

GATEWAYS = ("169.254.0.1/32", "fe80::1/64")


class FaultLab:
    """Guests that are routed on `vmbr1`, a second bridge like it, and one that is not served."""

    spare = "2.57.57.99"
    """An address that no guest has."""

    def __init__(self, lab):
        self.lab = lab
        self.node = lab.node
        self.guest, self.other = lab.guests
        self.node.sysctl(ipv4__conf__default__rp_filter=2, ipv4__conf__default__arp_ignore=1)
        self.bridge_mac = self.node.run("cat", "/sys/class/net/vmbr1/address").strip()
        self.make_bridge("vmbr2")
        self.node.ip("link add vmbr3 type bridge", "link set vmbr3 up")
        self.node.write("/etc/rdnbr/rdnbr.toml", 'enforce = "macs"\n')
        self.daemon = self.node.start_daemon("--log-format", "json")
        for guest in lab.guests:
            guest.configure()
        for guest in lab.guests:
            self.settle(guest)
        self.normal = self.entries()
        assert len(self.normal) == 4 * len(lab.guests)
        wait_for(lambda: len(self.pins()) == len(lab.guests), 5, "the pins")
        self.normal_pins = self.pins()

    def settle(self, guest):
        """Give a guest its addresses, and wait until they are routed."""
        if guest.address4 not in guest.run("ip", "addr"):
            guest.configure()
        guest.wait_for_dad()
        guest.ping_gateways()
        wait_for(lambda: self.node.hosts() >= set(guest.addresses), 10, f"routes to guest {guest.number}")

    def make_bridge(self, name, index=None):
        """Make a bridge as the node's interfaces file would, with all ports that the guests have."""
        number = "" if index is None else f"index {index}"
        self.node.ip(
            f"link add {name} {number} address {self.bridge_mac} type bridge stp_state 0 forward_delay 0"
        )
        self.node.ip(f"link set {name} up", *(f"addr add {gateway} dev {name}" for gateway in GATEWAYS))
        if name == "vmbr1":
            self.node.ip(*(f"link set {guest.port} master {name}" for guest in self.lab.guests))

    def hold_gateways(self):
        """Give the bridge the gateway addresses that it lacks."""
        there = self.node.run("ip", "addr", "show", "dev", "vmbr1")
        self.node.ip(
            *(f"addr add {gateway} dev vmbr1" for gateway in GATEWAYS if f" {gateway} " not in there)
        )

    def rename(self, port, name):
        """Rename a port, which older kernels do only while it is down."""
        try:
            self.node.ip(f"link set {port} name {name}")
        except LabError:
            self.node.ip(f"link set {port} down", f"link set {port} name {name}", f"link set {name} up")

    def index(self, device):
        return int(self.node.run("cat", f"/sys/class/net/{device}/ifindex"))

    def guest_claims(self, address):
        self.guest.send(announcement(self.guest.mac, address))

    def pins(self):
        """Return the sticky entries of the bridges' forwarding databases."""
        lines = self.node.run("bridge", "fdb", "show").splitlines()
        return sorted(" ".join(line.split()) for line in lines if "sticky" in line)

    def entries(self):
        """Return the kernel's entries of protocol 171, table by table."""
        commands = ("-4 route show table all", "-6 route show table all", "-4 neigh", "-6 neigh")
        lines = (line for command in commands for line in self.node.run("ip", *command.split()).splitlines())
        return sorted(" ".join(line.split()) for line in lines if PROTOCOL in line)

    def forget_flaps(self):
        """Have the ports start anew: several faults take a port away, and together they are a flapping port."""
        for guest in self.lab.guests:
            self.node.rdnbr("probe", guest.address4)

    def guest_entries(self):
        return [line for line in self.entries() if line.split()[0] in self.guest.addresses]

    def wait_until_restored(self, within):
        """Wait until all is as it was in the beginning, and return how long that took."""
        begin = time.monotonic()
        wait_for(self._as_before, within, "the kernel's tables to be as before")
        took = time.monotonic() - begin
        wait_for(self._all_shown, 2, "all addresses to be shown as installed")
        return took

    def wait_until_put_back_or(self, condition):
        """Wait until the kernel's tables are as before, or until the condition is true."""
        wait_for(lambda: self._as_before() or condition(), 5, "the daemon to put it back, or not")

    def _as_before(self):
        return (self.entries(), self.pins()) == (self.normal, self.normal_pins)

    def _all_shown(self):
        shown = {one["address"] for one in self.node.show()["bindings"] if one["installed"]}
        return shown == {address for guest in self.lab.guests for address in guest.addresses}

    @contextmanager
    def daemon_paused(self):
        """Stop the daemon, so that several changes happen before it reads the first."""
        self.daemon.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.daemon.signal(signal.SIGCONT)


class FabricFaultLab(FaultLab):
    """The same with FRR: the upstream has all guests, and doctor finds nothing about FRR."""

    def _as_before(self):
        everyone = {address for guest in self.lab.guests for address in guest.addresses}
        return super()._as_before() and self.lab.upstream.hosts() == everyone

    def frr_findings(self):
        """Return the names of doctor's findings about FRR."""
        found = json.loads(self.node.rdnbr("doctor", "--json").stdout)
        return [one["name"] for one in found["findings"] if one["about"].lower() == "frr"]
