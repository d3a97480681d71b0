"""What the tests of enforcement share: changes of a lab, and what they read from it."""

import json
import re
import signal

from rdnbr.core.model.address import show_ip, show_mac
from rdnbr.lab import wait_for
from rdnbr.linux.nft import ruleset
from tests.netns.spoofs import HONEST, Identity

ENFORCE = "enforce = true\n"
SENTINEL = "2.57.57.250"


def link_local(mac):
    """Return the link-local address that a guest derives from its MAC (RFC 4291, appendix A)."""
    one, *rest = bytes.fromhex(mac.replace(":", ""))
    one ^= 2
    return f"fe80::{one:02x}{rest[0]:02x}:{rest[1]:02x}ff:fe{rest[2]:02x}:{rest[3]:02x}{rest[4]:02x}"


def identity(guest):
    return Identity(guest.mac, guest.address4, guest.address6, link_local(guest.mac))


def settle(lab):
    """Let all guests use their addresses, and wait until all of them are routed."""
    for guest in lab.guests:
        guest.configure()
    for guest in lab.guests:
        guest.wait_for_dad()
        guest.ping_gateways()
    expected = {address for guest in lab.guests for address in guest.addresses}

    def routed():
        if lab.node.hosts() == expected:
            return True
        for guest in lab.guests:
            guest.ping_gateways()  # on a busy machine the guest may have answered a probe too late
        return False

    wait_for(routed, 30, "all guests' routes")


def senders(node):
    """Return the port, MAC and address of each permitted sender in the node's table; None without a table."""
    listed = node.attempt("nft", "--json", "list", "table", "bridge", "rdnbr")
    if listed.returncode:
        return None
    found = ruleset.senders(json.loads(listed.stdout))
    return {(one.port, show_mac(one.mac), show_ip(one.address)) for one in found}


def wait_for_table(lab, within=10.0):
    """Wait until each guest may send from its own addresses and from no other."""
    expected = {(guest.port, guest.mac, address) for guest in lab.guests for address in guest.addresses}
    wait_for(lambda: senders(lab.node) == expected, within, "the table")


def enforce(node, *, on):
    node.write("/etc/rdnbr/rdnbr.toml", ENFORCE if on else "")


def reaches(lab, frame):
    """Return whether a frame from guest 1 leaves by the port of guest 0."""
    after = HONEST["arp probe"](identity(lab.guest(1)), identity(lab.guest(0)), identity(lab.guest(2)))
    after.payload.pdst = SENTINEL
    with lab.node.capture(lab.guest(0).port) as capture:
        lab.guest(1).send(bytes(frame))
        lab.guest(1).send(bytes(after))
        wait_for(
            lambda: any(one.outgoing and one.frame == bytes(after) for one in capture.seen()), 5, "the probe"
        )
        # The kernel removes the outer tag before the capture.
        bare = bytes(frame)[:12] + bytes(frame)[16:] if frame.type in (0x8100, 0x88A8) else bytes(frame)
        return any(one.outgoing and one.frame in (bytes(frame), bare) for one in capture.seen())


def cast(lab):
    return identity(lab.guest(1)), identity(lab.guest(0)), identity(lab.guest(2))


class Pings:
    """Echo requests from the upstream, and the replies, in both families, 20 a second each."""

    def __init__(self, lab, guest):
        self._running = {
            family: lab.upstream.launch(f"ping{family}", "ping", "-n", "-i", "0.05", guest.address(family))
            for family in (4, 6)
        }
        wait_for(lambda: all(ping.log.count("icmp_seq") > 3 for ping in self._running.values()), 5, "echoes")

    def lost(self):
        """Stop, and return the number of lost echoes, by family."""
        for ping in self._running.values():
            ping.signal(signal.SIGINT)
            ping.wait()
        summary = re.compile(r"(\d+) packets transmitted, (\d+) received")
        counts = {family: summary.search(ping.log) for family, ping in self._running.items()}
        # The last echo may still be on its way when the ping stops.
        return {family: max(0, int(found[1]) - int(found[2]) - 1) for family, found in counts.items()}
