"""Field cases about probes: guests that answer only some, and probes that cannot be sent."""

import pytest

from rdnbr.lab import wait_for
from tests.e2e.node_view import binding, stays
from tests.field_case import OWNER, ROUTED, field_case

pytestmark = [pytest.mark.root]

QUICK = """
[timers]
reprobe = 1.0
probe_retrans = 0.1
probe_count = 5
"""
"""A quiet guest is probed after a second, and withdrawn 1.3 s later if it answers nothing."""

UNICAST = {4: "ether type arp arp operation request", 6: "icmpv6 type nd-neighbor-solicit"}
"""Requests that a guest may be deaf to, as a filter in nft's words."""


def rules(lab, allowlist=True):
    """Permit the guests' addresses, or run in open mode."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", QUICK)
    if allowlist:
        lab.node.write("/etc/rdnbr/allowlist", "2.57.56.0/21\n10.0.0.0/24\n2001:678:3a4:100::/64\n")


def deaf_to(guest, *requests):
    """Let a guest drop requests before it reads them."""
    chain = "type filter hook ingress device eth0 priority 0;"
    drops = " ".join(f"{request} drop;" for request in requests)
    guest.run("nft", f"table netdev deaf {{ chain requests {{ {chain} {drops} }}; }}")


def deaf_to_unicast(guest):
    """Let a guest answer broadcast ARP requests and multicast NS only, as responders of load balancers do."""
    deaf_to(guest, *(f"ether daddr {guest.mac} {request}" for request in UNICAST.values()))


def is_routed(lab, *addresses):
    return lambda: lab.node.hosts() >= set(addresses)


def claims_until(guest, condition):
    """Let a guest ask for its gateway again and again."""
    return lambda: condition() or guest.send_gateway_request()


@field_case(
    ROUTED,
    "a guest, or a load balancer's responder, answers multicast NS and broadcast ARP only",
    "it is learned, in open mode too, and stays routed",
    within=4,
)
@pytest.mark.parametrize("allowlist", [True, False])
def test_answers_multicast_only(lab, within, allowlist):
    rules(lab, allowlist)
    lab.node.start_daemon()
    guest = lab.guests[0]
    deaf_to_unicast(guest)
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()
    wait_for(is_routed(lab, *guest.addresses), within, "both addresses to be routed")
    stays(is_routed(lab, *guest.addresses), 5, "both addresses routed")


@field_case(
    ROUTED,
    "a guest does not answer ARP from 169.254.0.1 (`arp_ignore=2`), and its quiet times are long",
    "an ARP probe from 0.0.0.0 is the last one of each sequence, so it stays routed",
    within=4,
)
@pytest.mark.parametrize("deafness", ["arp_ignore", "strict rp_filter"])
def test_answers_only_0_0_0_0(lab, within, deafness):
    rules(lab)
    guest = lab.guests[0]
    if deafness == "arp_ignore":
        guest.sysctl(ipv4__conf__eth0__arp_ignore=2)
    else:
        # Its second card has the same gateway, and the better route to it.
        guest.ip("link add eth1 type veth peer name peer1", "link set eth1 up", "link set peer1 up")
        guest.ip("route add 169.254.0.1/32 dev eth1")
        guest.sysctl(ipv4__conf__all__rp_filter=1, ipv4__conf__eth0__rp_filter=1)
    lab.node.start_daemon()
    guest.configure()
    wait_for(claims_until(guest, is_routed(lab, guest.address4)), 5, "the route")
    stays(
        lambda: guest.send_gateway_request() or is_routed(lab, guest.address4)(), 11, "routed while it asks"
    )
    stays(is_routed(lab, guest.address4), within, "the address routed")


@field_case(
    ROUTED,
    "the same in open mode, where the guest must answer before it is routed",
    "it is learned once its port was up for 10 s, since it may do duplicate address detection before",
    within=25,
)
def test_answers_only_0_0_0_0_in_open_mode(lab, within):
    rules(lab, allowlist=False)
    guest = lab.guests[0]
    guest.sysctl(ipv4__conf__eth0__arp_ignore=2)
    lab.node.start_daemon()
    guest.configure()
    wait_for(claims_until(guest, is_routed(lab, guest.address4)), within, "the route")


@field_case(
    ROUTED,
    "an old guest of a bridge with 169.254.0.1/32 and 10.0.0.1/24 answers its own subnet only",
    "it is probed from 10.0.0.1, and learned at once, in open mode too",
    within=2,
)
@pytest.mark.parametrize("allowlist", [True, False])
def test_answers_its_own_subnet_only(lab, within, allowlist):
    rules(lab, allowlist)
    guest = lab.guests[0]
    lab.node.ip("addr add 10.0.0.1/24 dev vmbr1")
    lab.node.start_daemon()
    guest.sysctl(ipv4__conf__eth0__arp_ignore=2)
    guest.ip("addr add 10.0.0.9/24 dev eth0")
    guest.attempt("ping", "-n", "-c", "1", "-w", "1", "10.0.0.1")
    wait_for(is_routed(lab, "10.0.0.9"), within, "the route")
    stays(is_routed(lab, "10.0.0.9"), 4, "the address routed")


def settled(lab, *guests):
    """Route guests that answer, and wait until the daemon knows that they do."""
    for guest in guests:
        guest.configure()
    for guest in guests:
        guest.wait_for_dad()
        guest.ping_gateways()
    addresses = [address for guest in guests for address in guest.addresses]
    wait_for(is_routed(lab, *addresses), 10, "all addresses to be routed")


def unsent(lab):
    return lab.node.show("counters")["kernel"]["unsent"]


@field_case(
    ROUTED,
    "an operator removes the gateway address of one family, and adds it a minute later",
    "no guest counts as silent meanwhile, and all are probed at once when it is back",
    within=2,
)
@pytest.mark.parametrize("gateway", ["169.254.0.1/32", "fe80::1/64"])
def test_gateway_goes_and_returns(lab, within, gateway):
    rules(lab)
    family = 6 if ":" in gateway else 4
    lab.node.start_daemon()
    guest = lab.guests[0]
    settled(lab, guest)
    lab.node.run(
        "ip", f"-{family}", "addr", "flush", "dev", "vmbr1"
    )  # IPv6: also the link-local one of its MAC
    wait_for(lambda: unsent(lab) > 0, 5, "the probes that cannot be sent")
    stays(lambda: guest.address(family) in {one["address"] for one in routed(lab)}, 6, "routed")
    assert {one["unsent"] for one in routed(lab)} == {"no-gateway", None}
    assert "no gateway address of its family" in lab.node.rdnbr("explain", guest.address(family)).stdout
    lab.node.ip(f"addr add {gateway} dev vmbr1")
    wait_for(lambda: {one["unsent"] for one in routed(lab)} == {None}, within, "the probes")
    wait_for(is_routed(lab, *guest.addresses), within, "both addresses to be routed")
    stays(is_routed(lab, *guest.addresses), 3, "both addresses routed")


def routed(lab):
    """Return the bindings that ask for a route."""
    return [one for one in lab.node.show()["bindings"] if one["installed"]]


@field_case(
    ROUTED,
    "the daemon restarts while the bridge lacks its IPv4 address",
    "the routes that it finds stay, and the guest is probed when the address is back",
    within=5,
)
def test_gateway_is_missing_at_the_start(lab, within):
    rules(lab)
    daemon_of(lab)
    guest = lab.guests[0]
    settled(lab, guest)
    assert lab.node.stop_daemon() == 0
    lab.node.ip("addr add 169.254.9.9/32 dev lo", "addr del 169.254.0.1/32 dev vmbr1")
    wait_for(
        lambda: lab.node.ip(f"route replace {guest.address4} dev vmbr1 proto 171") is None, 2, "the route"
    )
    daemon_of(lab)
    wait_for(lambda: unsent(lab) > 0, 10, "the probes that cannot be sent")
    stays(lambda: guest.address4 in {one["address"] for one in routed(lab)}, 4, "routed")
    lab.node.ip("addr add 169.254.0.1/32 dev vmbr1")
    wait_for(lambda: binding(lab.node, guest.address4)["state"] == "valid", within, "its answer")
    assert guest.address4 in lab.node.hosts()


def daemon_of(lab):
    """Start a daemon that asks adopted guests within two seconds."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", QUICK + "adopt_grace = 2.0\n")
    lab.node.start_daemon()


@field_case(
    ROUTED,
    "a port takes no frames for a while (its queue is full: ENOBUFS)",
    "what was not sent was not answered either: the guest stays routed, and is probed when it can be",
    within=5,
)
def test_port_takes_no_frames(lab, within):
    rules(lab)
    lab.node.start_daemon()
    guest = lab.guests[0]
    settled(lab, guest)
    lab.node.run("tc", "qdisc", "add", "dev", guest.port, "root", "bfifo", "limit", "1")
    wait_for(lambda: unsent(lab) > 2, 10, "the probes that cannot be sent")
    stays(is_routed(lab, *guest.addresses), 6, "both addresses routed")
    assert "takes no frames" in lab.node.rdnbr("explain", guest.address4).stdout
    lab.node.run("tc", "qdisc", "del", "dev", guest.port, "root")
    wait_for(lambda: all(one["unsent"] is None for one in routed(lab)), within, "the probes")
    stays(is_routed(lab, *guest.addresses), 3, "both addresses routed")


def has_proxy(guest, owner):
    """Let a guest answer at once for the addresses of another, over a second card."""
    guest.configure()
    guest.ip(
        "link add eth1 type veth peer name peer1",
        "link set eth1 up",
        "link set peer1 up",
        f"route add {owner.address4}/32 dev eth1",
    )
    guest.sysctl(
        ipv4__ip_forward=1,
        ipv4__conf__eth0__proxy_arp=1,
        ipv4__neigh__eth0__proxy_delay=0,
        ipv6__conf__all__forwarding=1,
        ipv6__conf__eth0__proxy_ndp=1,
        ipv6__neigh__eth0__proxy_delay=0,
    )
    guest.ip(f"neigh add proxy {owner.address6} dev eth0")


def neighbour(lab, address):
    """Return the MAC of the permanent neighbour of an address; None: there is none."""
    words = lab.node.run("ip", "neigh", "show", address, "dev", "vmbr1", "nud", "permanent").split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else None


def restarted_without_neighbours(lab, owner, proxy):
    """Let a guest be routed, and start the daemon anew after somebody has flushed the neighbours."""
    daemon_of(lab)
    settled(lab, owner)
    has_proxy(proxy, owner)
    assert lab.node.stop_daemon() == 0
    lab.node.run("ip", "neigh", "flush", "all", "nud", "permanent")
    daemon_of(lab)
    assert lab.node.hosts() >= set(owner.addresses)


@field_case(
    OWNER,
    "the neighbours are flushed before a restart, and a guest with proxy ARP (or proxy NDP) answers first",
    "two answers are a conflict; a probe from 0.0.0.0, or the Override flag, tells who has the address",
    within=20,
)
@pytest.mark.parametrize("first", ["owner", "proxy"])
@pytest.mark.parametrize("allowlist", [True, False])
def test_proxy_arp_after_a_restart(lab, within, first, allowlist):
    rules(lab, allowlist)
    owner, proxy = lab.guests if first == "owner" else reversed(lab.guests)
    restarted_without_neighbours(lab, owner, proxy)
    for address in owner.addresses:
        wait_for(lambda: neighbour(lab, address), within, f"the neighbour of {address}")  # noqa: B023
    stays(lambda: {neighbour(lab, one) for one in owner.addresses} == {owner.mac}, 3, "the owner's MAC")


@field_case(
    OWNER,
    "the same, and the allowlist names the guest by `mac=` or `port=`",
    "it gets its address with the first answers",
    within=5,
)
@pytest.mark.parametrize("name", ["mac", "port"])
def test_proxy_arp_and_a_rule_that_names_the_guest(lab, within, name):
    rules(lab)
    proxy, owner = lab.guests
    named = f"{name}={getattr(owner, name)}"
    lines = [
        f"{owner.address4} {named}",
        f"{owner.address6} {named}",
        "2.57.56.0/21",
        "2001:678:3a4:100::/64",
    ]
    lab.node.write("/etc/rdnbr/allowlist", "\n".join(lines) + "\n")
    restarted_without_neighbours(lab, owner, proxy)
    for address in owner.addresses:
        wait_for(lambda: neighbour(lab, address) == owner.mac, within, f"the neighbour of {address}")  # noqa: B023
