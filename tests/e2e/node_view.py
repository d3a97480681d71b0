"""What the tests read from a node and its ports."""

import time

from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import ARP, Ether

from rdnbr.lab import TooLate, wait_for

PROTOCOL = "proto 171"
QUIET = 3.0
"""Seconds after which a guest repeats no listener report any more (net/ipv6/mcast.c: twice, one second apart)."""


def tables(node):
    """Return all routes, rules, addresses, permanent neighbours and links, without entries of our protocol."""
    commands = (
        "-4 route show table all",
        "-6 route show table all",
        "-4 rule",
        "-6 rule",
        "-o addr",
        "-o link",
        "neigh show nud permanent",
    )
    lines = (line for command in commands for line in node.run("ip", *command.split()).splitlines())
    return [" ".join(line.split()) for line in lines if PROTOCOL not in line]


def entries(node, address):
    """Return the routes and neighbours of one address, as `ip` prints them."""
    commands = ("-4 route show table all", "-6 route show table all", "-4 neigh", "-6 neigh")
    lines = [line for command in commands for line in node.run("ip", *command.split()).splitlines()]
    return [" ".join(line.split()) for line in lines if line.split()[0] == address]


def stays(condition, during, what):
    """Check that `condition` holds for so many seconds."""
    end = time.monotonic() + during
    while time.monotonic() < end:
        if not condition():
            raise TooLate(f"{what}: no longer so")
        time.sleep(0.1)


def binding(node, address):
    """Return the daemon's binding of an address, or None."""
    return next((one for one in node.show()["bindings"] if one["address"] == address), None)


def monitor(node, *objects):
    """Start `ip monitor OBJECTS`, wait until it listens, and return it; its first lines are about 192.0.2.1."""
    watch = node.launch("monitor", "ip", "monitor", *objects)

    def heard():
        node.ip("route add 192.0.2.1/32 dev lo", "route del 192.0.2.1/32 dev lo")
        return "192.0.2.1" in watch.log

    wait_for(heard, 5, "the monitor to listen")
    return watch


def flush(node, what, *addresses):
    """Say `rdnbr flush WHAT`, and see the kernel let go of addresses, which their guests may get back at once."""
    routes = monitor(node, "route")
    assert node.rdnbr("flush", what).returncode == 0
    wait_for(lambda: all(f"Deleted {one} " in routes.log for one in addresses), 5, "the withdrawal")


def solicitations(seen, address):
    """Return the ARP requests and neighbour solicitations for `address` among the frames."""
    asked = []
    for one in seen:
        frame = Ether(one.frame)
        if ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == address:
            asked.append(one)
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == address:
            asked.append(one)
    return asked


def wait_until_quiet(lab, guest):
    """Wait until the guest has sent all that it sends when its link comes up: DAD and listener reports."""
    guest.sysctl(ipv6__conf__eth0__router_solicitations=0)
    begun = time.time()
    with lab.node.capture(guest.port) as capture:

        def quiet():
            heard = [begun, *(one.at for one in capture.seen() if not one.outgoing)]
            return time.time() - heard[-1] > QUIET

        wait_for(quiet, 30, "silence")
