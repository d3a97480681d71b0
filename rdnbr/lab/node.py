"""A node: the hypervisor, with the bridge that its guests are plugged into and an uplink to the fabric."""

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
"""Fixed, and the same on every node, so that a guest that moves keeps its gateway."""
SOCKET = "/run/rdnbr/rdnbr.sock"


class Node(Host):
    """A hypervisor with bridge `vmbr1`, addressed and tuned as the design has it."""

    def __init__(self, name: str, number: int, mac: str = BRIDGE_MAC) -> None:
        super().__init__(name)
        self.number = number
        self.mac = mac
        self.frr: Frr | None = None
        self.daemon: Program | None = None

    def build(self) -> None:
        """Make the bridge, and tune the kernel for a router of guests."""
        self.sysctl(
            ipv4__ip_forward=1,
            ipv6__conf__all__forwarding=1,
            ipv6__conf__default__accept_dad=0,  # so that nothing of the node's own changes once it is built
            ipv4__conf__all__send_redirects=0,
        )
        self.ip(
            "link set lo up",
            # No port and no STP, as `bridge-ports none`, `bridge-stp off` and `bridge-fd 0` have it
            f"link add {BRIDGE} address {self.mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {BRIDGE} up",
            f"addr add {GATEWAY4}/32 dev {BRIDGE}",
            f"addr add {GATEWAY6}/64 dev {BRIDGE}",
        )
        self.sysctl(
            **{
                f"ipv4__conf__{BRIDGE}__{knob}": value
                for knob, value in {
                    "rp_filter": 2,
                    "arp_accept": 0,
                    "drop_gratuitous_arp": 0,
                    "proxy_arp": 0,
                    "arp_ignore": 1,
                    "send_redirects": 0,
                }.items()
            }
        )
        self._hold_carrier()

    def _hold_carrier(self) -> None:
        """Give the bridge a port that leads nowhere, so that it keeps carrier when its last guest goes.

        FRR 10.3 and later withdraws kernel routes through a device without carrier. Some kernels come without
        dummy; an ifb does as well, since it drops whatever was not redirected to it.
        """
        for kind in ("dummy", "ifb"):
            try:
                self.ip(f"link add carrier0 type {kind}", f"link set carrier0 master {BRIDGE} up")
            except LabError:
                continue
            self.sysctl(ipv6__conf__carrier0__disable_ipv6=1)
            return

    def connect(self, link: Link, fabric: Fabric | None) -> None:
        """Address the uplink, take the default route over it, and speak BGP over it; None: no BGP."""
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
        """Make the guest's port, as a hypervisor does that starts it: enslaved, up, and without IPv6 of its own.

        A guest that can move and is somewhere else stays there: the port has carrier, and is silent.
        """
        wire = guest.wire
        if wire is None:
            far_end = f"eth0 address {guest.mac} netns {guest.name}"
        else:
            far_end = f"{wire.end(self.number)} netns {wire.space.name}"
        self.ip(f"link add {guest.port} type veth peer name {far_end}")
        self.sysctl(**{f"ipv6__conf__{guest.port}__disable_ipv6": 1})
        self.ip(f"link set {guest.port} master {BRIDGE} up")
        if wire is None:
            guest.ip("link set lo up", "link set eth0 up")
        else:
            wire.attach(self.number)

    def unplug(self, guest: Guest) -> None:
        """Remove the guest's port, as a hypervisor does that stops it.

        With it goes all that a guest has on its eth0, except of one that can move: that one keeps it.
        """
        if guest.wire is None:
            guest.close()
        else:
            guest.wire.detach(self.number)
        self.ip(f"link del {guest.port}")

    def capture(self, device: str) -> Capture:
        """Collect all frames that pass a device of the node, from now on."""
        return Capture(self, device)

    def start_daemon(self, *flags: str, ready: bool = True) -> Program:
        """Start `rdnbr run`, by default with no flag, and wait until it answers on its control socket."""
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
        """Run a command of rdnbr on the node."""
        return self.attempt(sys.executable, "-m", "rdnbr", *arguments)

    def _answers(self) -> bool:
        return self.path(SOCKET).exists() and self.rdnbr("show", "ports").returncode == 0

    def show(self, what: str = "bindings") -> Any:
        """Return what `rdnbr show WHAT --json` prints.

        Raises:
            LabError: it failed.
        """
        done = self.rdnbr("show", what, "--json")
        if done.returncode:
            raise LabError(f"rdnbr show {what}: exit {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def wait_until_heard(self, guest: Guest) -> None:
        """Wait until the daemon listens on the guest's port.

        A hypervisor makes the port on a migration's target seconds before the guest is there.
        """
        wait_for(
            lambda: any(one["port"] == guest.port for one in self.show("ports")["ports"]),
            10.0,
            f"rdnbr to listen on {guest.port}",
        )

    def hosts(self) -> set[str]:
        """Return the addresses that its kernel has a host route of rdnbr's for, of both families."""
        return {line.split()[0] for family in (4, 6) for line in self.routes(family, "proto", "171")}


def _running(daemon: Program) -> bool:
    if daemon.ended is not None:
        raise LabError(f"rdnbr run ended with {daemon.ended}: {daemon.log.strip()[-1000:]}")
    return True
