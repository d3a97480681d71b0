"""A node: a hypervisor with a bridge for its guests and an uplink to the fabric."""

import json
import subprocess
import sys
from typing import Any

from rdnbr.lab.capture import Capture
from rdnbr.lab.fabric import Fabric
from rdnbr.lab.frr import Frr
from rdnbr.lab.guest import GATEWAY4, GATEWAY6, Guest
from rdnbr.lab.host import Host
from rdnbr.lab.link import Link
from rdnbr.lab.namespace import LabError
from rdnbr.lab.program import Program
from rdnbr.lab.wait import wait_for

BRIDGE = "vmbr1"
BRIDGE_MAC = "02:52:44:4e:42:52"
"""The MAC of every node's bridge. It is fixed, so that the gateway's MAC does not change for a guest that moves."""
SOCKET = "/run/rdnbr/rdnbr.sock"


class Node(Host):
    """A hypervisor with the bridge `vmbr1`, its gateway addresses and the recommended sysctls."""

    def __init__(self, name: str, number: int, mac: str = BRIDGE_MAC) -> None:
        super().__init__(name)
        self.number = number
        self.mac = mac
        self.frr: Frr | None = None
        self.daemon: Program | None = None

    def build(self) -> None:
        """Create the bridge, and set the sysctls of a router for guests."""
        self.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1, ipv4__conf__all__send_redirects=0)
        self.ip(
            "link set lo up",
            # The same as `bridge-ports none`, `bridge-stp off` and `bridge-fd 0`
            f"link add {BRIDGE} address {self.mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        )
        self.sysctl(
            **{
                f"{family}__conf__{BRIDGE}__{name}": value
                for family, name, value in (
                    ("ipv4", "rp_filter", 2),
                    ("ipv4", "arp_accept", 0),
                    ("ipv4", "drop_gratuitous_arp", 0),
                    ("ipv4", "proxy_arp", 0),
                    ("ipv4", "arp_ignore", 1),
                    ("ipv4", "send_redirects", 0),
                    ("ipv6", "accept_dad", 0),
                )
            }
        )
        self.ip(
            f"link set {BRIDGE} up",
            f"addr add {GATEWAY4}/32 dev {BRIDGE}",
            f"addr add {GATEWAY6}/64 dev {BRIDGE}",
        )
        self._hold_carrier()

    def _hold_carrier(self) -> None:
        """Add a dummy port to the bridge, so that the bridge keeps carrier without guests.

        FRR since 10.3 withdraws kernel routes over a device without carrier. Some kernels lack the dummy driver. They
        get an ifb instead, which drops every frame that was not redirected to it.
        """
        for kind in ("dummy", "ifb"):
            try:
                self.ip(f"link add carrier0 type {kind}", f"link set carrier0 master {BRIDGE} up")
            except LabError:
                continue
            self.sysctl(ipv6__conf__carrier0__disable_ipv6=1)
            return

    def connect(self, link: Link, fabric: Fabric | None) -> None:
        """Add the addresses of the uplink and the default routes, and start FRR. Without a fabric there is no BGP."""
        self.sysctl(
            ipv6__conf__uplink__accept_dad=0
        )  # its addresses are usable at once, and do not change later
        self.ip(
            f"addr add {link.node4}/31 dev uplink",
            f"addr add {link.node6}/127 dev uplink",
            "link set uplink up",
            f"route add default via {link.upstream4}",
            f"route add default via {link.upstream6}",
        )
        if fabric is not None:
            self.frr = Frr(self, fabric.node_config(link, BRIDGE))

    def plug(self, guest: Guest) -> None:
        """Create the guest's port as a hypervisor does: a member of the bridge, up, with IPv6 disabled.

        If the guest has a cable and is connected to another node, it stays there. Its new port has carrier, and no
        frames arrive on it.
        """
        cable = guest.cable
        if cable is None:
            far_end = f"eth0 address {guest.mac} netns {guest.name}"
        else:
            far_end = f"{cable.end_name(self.number)} netns {cable.space.name}"
        self.ip(f"link add {guest.port} type veth peer name {far_end}")
        self.sysctl(**{f"ipv6__conf__{guest.port}__disable_ipv6": 1})
        self.ip(f"link set {guest.port} master {BRIDGE} up")
        if cable is None:
            guest.ip("link set lo up", "link set eth0 up")
        else:
            cable.attach(self.number)

    def unplug(self, guest: Guest) -> None:
        """Remove the guest's port, as a hypervisor does when it stops the guest.

        A guest without a cable loses its eth0 with it, and all addresses and routes there. A guest with a cable keeps
        its eth0.
        """
        if guest.cable is None:
            guest.close()
        else:
            guest.cable.detach(self.number)
        self.ip(f"link del {guest.port}")

    def capture(self, device: str) -> Capture:
        """Start a capture on a device of the node."""
        return Capture(self, device)

    def start_daemon(self, *flags: str, ready: bool = True) -> Program:
        """Start `rdnbr run` with these flags. With `ready`, wait until it answers on its control socket."""
        daemon = self.launch("rdnbr", sys.executable, "-m", "rdnbr", "run", *flags)
        self.daemon = daemon
        if ready:
            wait_for(lambda: _running(daemon) and self._answers(), 20.0, "rdnbr to answer")
        return daemon

    def stop_daemon(self) -> int:
        """Stop the daemon and return its exit code."""
        assert self.daemon is not None
        code = self.daemon.stop()
        self.daemon = None
        return code

    def rdnbr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an rdnbr command on the node."""
        return self.attempt(sys.executable, "-m", "rdnbr", *arguments)

    def _answers(self) -> bool:
        return self.path(SOCKET).exists() and self.rdnbr("show", "ports").returncode == 0

    def show(self, what: str = "bindings") -> Any:
        """Return the document of `rdnbr show WHAT --json`.

        Raises:
            LabError: the command failed.
        """
        done = self.rdnbr("show", what, "--json")
        if done.returncode:
            raise LabError(f"rdnbr show {what}: exit {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def wait_until_port_served(self, guest: Guest) -> None:
        """Wait until the daemon serves the guest's port.

        In a migration, the hypervisor creates the port on the target seconds before the guest arrives there.
        """
        wait_for(
            lambda: any(one["port"] == guest.port for one in self.show("ports")["ports"]),
            10.0,
            f"rdnbr to serve {guest.port}",
        )

    def hosts(self) -> set[str]:
        """Return the addresses, of both families, for which the node's kernel has a host route of rdnbr."""
        return {line.split()[0] for family in (4, 6) for line in self.routes(family, "proto", "171")}


def _running(daemon: Program) -> bool:
    if daemon.ended is not None:
        raise LabError(f"rdnbr run ended with {daemon.ended}: {daemon.log.strip()[-1000:]}")
    return True
