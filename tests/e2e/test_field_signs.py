"""Field cases about guests that are there, and send no frame that names their address."""

import pytest

from rdnbr.lab import wait_for
from rdnbr.lab.node import BRIDGE
from tests.e2e.learning import configure_silently
from tests.e2e.node_view import flush, stays, wait_until_quiet
from tests.field_case import ROUTED, field_case

pytestmark = [pytest.mark.root]

QUICK = """
[timers]
reprobe = 1.0
probe_retrans = 0.1
probe_count = 5
data_window = 0.5
"""
"""A quiet guest is withdrawn after 2.3 s, and a data window is over soon."""

GATEWAYS = ("169.254.0.1", "fe80::1")
FAR = {4: "198.51.100.0", 6: "2001:db8:ffff::"}
"""A host beyond the gateway."""

MODES = ("open", "prefixes", "mac")
families = pytest.mark.parametrize("family", [4, 6])
modes = pytest.mark.parametrize("mode", MODES)


def permit(lab, mode):
    """Configure short times, and an allowlist of the guests' prefixes, or of their addresses by MAC, or none."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", QUICK)
    if mode == "prefixes":
        lab.node.write("/etc/rdnbr/allowlist", "2.57.57.0/24\n2001:678:3a4:100::/64\n")
    elif mode == "mac":
        lines = [f"{address} mac={guest.mac}\n" for guest in lab.guests for address in guest.addresses]
        lab.node.write("/etc/rdnbr/allowlist", "".join(lines))


def knows_gateways(lab, guest):
    """Give the guest static neighbour entries of its gateways, so that it sends no ARP and no NS for them."""
    guest.ip(*(f"neigh replace {one} lladdr {lab.node.mac} dev eth0 nud permanent" for one in GATEWAYS))


def sends_packet(guest, family):
    """Let the guest send one IP packet."""
    guest.attempt("ping", "-n", "-q", "-c", "1", "-W", "0.05", FAR[family])


def speaks_link_locally(guest):
    """Let the guest confirm fe80::1 as Linux does, by an NS from its link-local address."""
    guest.ip("neigh flush dev eth0")
    guest.attempt("ping", "-n", "-q", "-c", "1", "-W", "0.05", "fe80::1%eth0")


def routed(lab, *addresses):
    return lambda: lab.node.hosts() >= set(addresses)


def until(condition, act):
    """Return a condition that has the guest act again while it does not hold."""
    return lambda: condition() or act()


def learned(lab, guest):
    """Let the guest be routed in both families."""
    guest.configure()
    guest.wait_for_dad()
    condition = routed(lab, *guest.addresses)
    wait_for(until(condition, guest.ping_gateways), 10, "the guest's routes")


def paused(lab, guest):
    """Let the guest receive nothing until it is withdrawn for its silence, as in a snapshot or a storage stall."""
    guest.run(
        "nft",
        "table netdev paused { chain frames { type filter hook ingress device eth0 priority 0; drop; }; }",
    )
    wait_for(lambda: not lab.node.hosts() & set(guest.addresses), 15, "the guest to be withdrawn")
    guest.run("nft", "delete table netdev paused")


@field_case(
    ROUTED,
    "a guest runs already when rdnbr first starts, and its first packet comes when all windows are over",
    "it is found by that packet, in either family",
    within=3,
)
@families
@modes
def test_first_packet_after_the_first_start(lab, within, family, mode):
    permit(lab, mode)
    guest = lab.guest(0)
    configure_silently(guest)
    knows_gateways(lab, guest)
    guest.wait_for_dad()
    lab.node.start_daemon()
    if mode != "mac":  # those are asked for at the first frame of the MAC
        stays(lambda: lab.node.hosts() == set(), 1.5, "no route to who said nothing")
    condition = routed(lab, guest.address(family))
    wait_for(until(condition, lambda: sends_packet(guest, family)), within, "the route")


@field_case(
    ROUTED,
    "a guest that only answers runs already when rdnbr first starts; the node has reached it before",
    "it is found in the kernel's own neighbours and the bridge's forwarding table",
    within=3,
)
@modes
def test_silent_guest_of_the_kernels_tables(lab, within, mode):
    permit(lab, mode)
    guest = lab.guest(0)
    configure_silently(guest)
    guest.wait_for_dad()
    for address in guest.addresses:
        lab.node.ip(f"route add {address} dev {BRIDGE}")
        wait_for(lambda address=address: lab.node.ping(address), 5, "the guest to answer")
        lab.node.ip(f"route del {address} dev {BRIDGE}")
    knows_gateways(lab, guest)
    lab.node.start_daemon()
    wait_for(routed(lab, *guest.addresses), within, "both routes")


@field_case(
    ROUTED,
    "the same, and the bridge has forgotten the guest's MAC",
    "it is asked at its first frame, whatever that names, in both families",
    within=3,
)
@pytest.mark.parametrize("mode", ["open", "prefixes"])
def test_silent_guest_without_a_forwarding_entry(lab, within, mode):
    permit(lab, mode)
    guest = lab.guest(0)
    configure_silently(guest)
    guest.wait_for_dad()
    for address in guest.addresses:
        lab.node.ip(f"route add {address} dev {BRIDGE}")
        wait_for(lambda address=address: lab.node.ping(address), 5, "the guest to answer")
        lab.node.ip(f"route del {address} dev {BRIDGE}")
    lab.node.run("bridge", "fdb", "del", guest.mac, "dev", guest.port, "master")
    lab.node.start_daemon()
    condition = routed(lab, *guest.addresses)
    wait_for(until(condition, lambda: speaks_link_locally(guest)), within, "both routes")


@field_case(
    ROUTED,
    "a guest that only answers runs already when rdnbr first starts; neither the kernel nor the bridge knows it",
    "rdnbr's multicast listener query has it show its MAC, and what the allowlist names for that MAC is probed",
    within=5,
)
def test_silent_guest_that_nobody_knows(lab, within):
    permit(lab, "mac")
    guest = lab.guest(0)
    configure_silently(guest)
    wait_until_quiet(lab, guest)
    lab.node.attempt("bridge", "fdb", "del", guest.mac, "dev", guest.port, "master")
    lab.node.run("ip", "neigh", "flush", "dev", BRIDGE)
    lab.node.start_daemon()
    wait_for(routed(lab, *guest.addresses), within, "both routes")


@field_case(
    ROUTED,
    "a guest's IPv4 default route is `via inet6 fe80::1`, or has a static neighbour: IPv4 without one ARP frame",
    "it is found by its first packet, long after the port came up",
    within=3,
)
@pytest.mark.parametrize("gateway", ["inet6", "static"])
@pytest.mark.parametrize("mode", ["open", "prefixes"])
def test_guest_that_never_says_arp(lab, within, gateway, mode):
    permit(lab, mode)
    guest = lab.guest(0)
    guest.configure()
    guest.wait_for_dad()
    if gateway == "inet6":
        guest.run("ip", "-4", "route", "replace", "default", "via", "inet6", "fe80::1", "dev", "eth0")
    else:
        knows_gateways(lab, guest)
    lab.node.start_daemon()
    stays(lambda: guest.address4 not in lab.node.hosts(), 1.5, "no IPv4 route yet")
    condition = routed(lab, guest.address4)
    wait_for(until(condition, lambda: sends_packet(guest, 4)), within, "the route")


@field_case(
    ROUTED,
    "`rdnbr flush`, and a guest that sends nothing",
    "it is probed and routed again, in both families",
    within=15,
)
@modes
def test_flush_of_a_silent_guest(lab, within, mode):
    permit(lab, mode)
    guest = lab.guest(0)
    lab.node.start_daemon()
    learned(lab, guest)
    knows_gateways(lab, guest)
    flush(lab.node, "--all", *guest.addresses)
    wait_for(routed(lab, *guest.addresses), within, "both routes")


@field_case(
    ROUTED,
    "`rdnbr flush ADDRESS`, and the guest confirms fe80::1 from its link-local address",
    "it is probed at that frame and routed again",
    within=3,
)
@families
@pytest.mark.parametrize("restart", [False, True])
def test_flush_and_a_link_local_frame(lab, within, family, restart):
    permit(lab, "prefixes")
    guest = lab.guest(0)
    lab.node.start_daemon()
    learned(lab, guest)
    flush(lab.node, guest.address(family), guest.address(family))
    if restart:
        lab.node.stop_daemon()
        lab.node.start_daemon()
        wait_for(routed(lab, guest.address(10 - family)), 5, "the address that was not flushed")

    def speaks():
        speaks_link_locally(guest)
        if restart:  # nothing remembers the address; the packet names it
            sends_packet(guest, family)

    wait_for(until(routed(lab, *guest.addresses), speaks), within, "the route")


@field_case(
    ROUTED,
    "a guest stands still until it is withdrawn `silent` (a snapshot, a storage stall), then pings on",
    "it is routed again within its first packets",
    within=3,
)
@families
@modes
def test_paused_guest_pings_on(lab, within, family, mode):
    permit(lab, mode)
    guest = lab.guest(0)
    lab.node.start_daemon()
    learned(lab, guest)
    knows_gateways(lab, guest)
    paused(lab, guest)
    condition = routed(lab, guest.address(family))
    wait_for(until(condition, lambda: sends_packet(guest, family)), within, "the route")


@field_case(
    ROUTED,
    "the same, and the guest only confirms fe80::1 from its link-local address",
    "that frame has both its addresses probed",
    within=3,
)
@modes
def test_paused_guest_speaks_link_locally(lab, within, mode):
    permit(lab, mode)
    guest = lab.guest(0)
    lab.node.start_daemon()
    learned(lab, guest)
    paused(lab, guest)
    condition = routed(lab, *guest.addresses)
    wait_for(until(condition, lambda: speaks_link_locally(guest)), within, "both routes")
