"""Field cases about the node itself: its addresses, its routes and its other interfaces."""

import json
import signal

import pytest

from rdnbr.lab import wait_for
from rdnbr.lab.frr import Frr
from rdnbr.lab.host import Host
from rdnbr.lab.node import BRIDGE
from tests.e2e.learning import learn
from tests.e2e.node_view import stays
from tests.field_case import FOUND, OWNER, ROUTED, field_case
from tests.guest_frames import announcement

pytestmark = [pytest.mark.root, pytest.mark.slow]

GATEWAYS = {
    "169.254.0.1": 32,
    "169.254.1.1": 32,
    "169.254.169.254": 32,
    "10.0.0.1": 24,
    "fe80::1": 64,
    "fe80::2": 64,
    "2001:db8:57::1": 64,
}
"""Addresses of the bridge. Any of them may be the gateway of a guest."""
WRONG = "52:02:45:ff:00:01"
NEW = "02:00:00:00:00:77"


def give_gateways(node):
    """Give the bridge all its addresses, in an order in which the usual gateways come last."""
    there = node.run("ip", "addr", "show", "dev", BRIDGE)
    added = [f"{address}/{length}" for address, length in GATEWAYS.items()]
    node.ip(*(f"addr del {one} dev {BRIDGE}" for one in added if f" {one} " in there))
    node.ip(*(f"addr add {one} dev {BRIDGE} nodad" for one in reversed(added)))


def set_neighbours(guest, mac, state="reachable"):
    guest.ip(*(f"neigh replace {gateway} lladdr {mac} dev eth0 nud {state}" for gateway in GATEWAYS))


def neighbours(guest):
    """Return the MAC at which the guest has each gateway."""
    lines = {
        gateway: guest.run("ip", "neigh", "show", gateway, "dev", "eth0").split() for gateway in GATEWAYS
    }
    return {gateway: words[words.index("lladdr") + 1] for gateway, words in lines.items()}


def all_at(mac):
    return dict.fromkeys(GATEWAYS, mac)


@field_case(
    OWNER,
    "a guest announces one of several gateway addresses of the bridge (169.254.1.1, 169.254.169.254, fe80::2 …)",
    "the other guests hear the right MAC, of each address",
    within=2,
)
@pytest.mark.parametrize("address", GATEWAYS)
def test_each_gateway_is_defended(lab, within, address):
    victim, thief = lab.guests
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, victim)
    set_neighbours(victim, lab.node.mac)
    thief.send(announcement(thief.mac, address))
    wait_for(lambda: neighbours(victim) == all_at(lab.node.mac), within, "the right MAC")
    told = lab.node.show("counters")["counters"][thief.port]
    assert told["own-address"] == 1


@field_case(
    OWNER,
    "a guest announces all gateway addresses of the bridge, again and again",
    "the other guests hear the right MACs, and no more than five announcements in a second",
    within=13,
)
def test_all_gateways_are_claimed_at_once(lab, within):
    victim, thief = lab.guests
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, victim)
    set_neighbours(victim, lab.node.mac)
    with lab.node.capture(victim.port) as capture:
        for _ in range(20):
            for address in GATEWAYS:
                thief.send(announcement(thief.mac, address))
        wait_for(lambda: neighbours(victim) == all_at(lab.node.mac), within, "the right MACs")
        mac = bytes.fromhex(lab.node.mac.replace(":", ""))
        group = [
            one for one in capture.seen() if one.outgoing and one.frame[6:12] == mac and one.frame[0] & 1
        ]
    moments = sorted(one.at for one in group)
    assert len(moments) >= len(GATEWAYS)
    assert all(later - earlier > 0.9 for earlier, later in zip(moments, moments[5:], strict=False))


@field_case(
    OWNER,
    "a guest arrives that has the MAC of another node for each of several gateway addresses",
    "the guest has this node's MAC for each of them",
    within=2,
)
@pytest.mark.parametrize("restarted", [False, True], ids=["", "after a restart"])
def test_arriving_guest_is_told_of_all_gateways(lab, within, restarted):
    guest = lab.guest(0)
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, guest)
    if restarted:
        lab.node.stop_daemon()
        lab.node.start_daemon()
    set_neighbours(guest, WRONG)
    # The announcement of an arrival is another one 5 s after the first.
    wait_for(
        lambda: guest.announce_mac() or neighbours(guest) == all_at(lab.node.mac),
        5 + within,
        "the node's MAC",
    )


@field_case(
    OWNER,
    "the bridge of several gateway addresses takes another MAC",
    "each guest has the new MAC for each of them",
    within=2,
)
def test_bridge_with_several_gateways_takes_another_mac(lab, within):
    give_gateways(lab.node)
    lab.node.start_daemon()
    learn(lab, *lab.guests)
    for guest in lab.guests:
        set_neighbours(guest, lab.node.mac)
    lab.node.ip(f"link set {BRIDGE} address {NEW}")
    for guest in lab.guests:
        wait_for(lambda guest=guest: neighbours(guest) == all_at(NEW), within, "the new MAC")


READ = 2.5
"""Seconds in which the daemon has read the next hops of the node, after any route changed."""


def stays_routed(lab, guest, during=READ):
    """Check that the guest is routed, while the daemon reads the next hops and hears the guest."""
    lab.node.ip("route add 192.0.2.1/32 dev lo", "route del 192.0.2.1/32 dev lo")
    stays(lambda: lab.node.hosts() >= set(guest.addresses), during, "the guest's routes")
    guest.ping_gateways()
    assert "next-hop" not in lab.node.show("counters")["counters"][guest.port]
    assert lab.node.hosts() >= set(guest.addresses)


def kill_and_start(node):
    node.daemon.signal(signal.SIGKILL)
    node.daemon.wait()
    node.start_daemon()


@field_case(
    ROUTED,
    "a route of the node has a guest as its next hop (`ip route`, a nexthop object, several next hops)",
    "the guest stays routed, over a restart too",
)
@pytest.mark.parametrize(
    "added",
    [
        ["route add 10.99.0.0/24 via {0} dev vmbr1"],
        ["route add 2001:db8:99::/48 via {1} dev vmbr1 proto static"],
        ["nexthop add id 7 via {0} dev vmbr1", "route add 10.99.0.0/24 nhid 7"],
        ["nexthop add id 7 via {1} dev vmbr1", "route add 2001:db8:99::/48 nhid 7"],
        ["route add 10.99.0.0/24 nexthop via {0} dev vmbr1 nexthop via 2.57.57.31 dev vmbr1"],
        ["route add 10.99.0.0/24 via inet6 {1} dev vmbr1"],
    ],
    ids=["route", "route6", "object", "object6", "several", "4 via 6"],
)
def test_guest_is_next_hop(lab, added):
    guest = lab.guest(0)
    lab.node.start_daemon()
    learn(lab, *lab.guests)
    lab.node.ip(*(line.format(*guest.addresses) for line in added))
    stays_routed(lab, guest)
    kill_and_start(lab.node)
    stays_routed(lab, guest)


@field_case(
    ROUTED,
    "a guest that was off comes up, and routes of the node have it as their next hop",
    "the guest is routed",
    within=2,
)
def test_next_hop_comes_up(lab, within):
    guest = lab.guest(0)
    lab.node.ip(f"route add 10.99.0.0/24 via {guest.address4} dev {BRIDGE} onlink")
    lab.node.start_daemon()
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()
    wait_for(lambda: lab.node.hosts() >= set(guest.addresses), within, "the guest's routes")


@field_case(
    OWNER,
    "a guest claims a next hop of the node that is behind the uplink",
    "refused, whether or not another route has it as its next hop over the bridge",
)
def test_router_behind_the_uplink_stays_protected(lab):
    guest = lab.guest(0)
    router = "203.0.113.9"
    lab.node.ip(
        f"route add 10.98.0.0/24 via {router} dev uplink onlink",
        f"route add 10.99.0.0/24 via {router} dev {BRIDGE} onlink",
    )
    lab.node.start_daemon()
    guest.send(announcement(guest.mac, router))
    wait_for(
        lambda: lab.node.show("counters")["counters"].get(guest.port, {}).get("next-hop"), 5, "the refusal"
    )
    assert router not in lab.node.hosts()


def configure_frr(host, *lines):
    host.run("vtysh", *(word for line in ("configure terminal", *lines) for word in ("-c", line)))


@field_case(
    ROUTED,
    "FRR has a static route whose next hop is a guest",
    "the guest stays routed and advertised, over a restart too",
)
@pytest.mark.frr
@pytest.mark.parametrize("family", [4, 6])
def test_guest_is_next_hop_of_frr(fabric, family):
    guest, node = fabric.guest(0), fabric.node
    node.frr.start("staticd")
    node.start_daemon()
    learn(fabric, guest)
    route = (
        f"ip route 10.99.0.0/24 {guest.address4}"
        if family == 4
        else f"ipv6 route 2001:db8:99::/48 {guest.address6}"
    )
    configure_frr(node, f"{route} {BRIDGE}")
    wait_for(lambda: node.routes(family, "proto", "196"), 10, "FRR's route")
    wait_for(lambda: fabric.upstream.hosts() >= set(guest.addresses), 10, "the upstream's routes")
    stays_routed(fabric, guest)
    kill_and_start(node)
    stays_routed(fabric, guest)
    assert node.routes(family, "proto", "196")
    assert fabric.upstream.hosts() >= set(guest.addresses)


@field_case(
    ROUTED,
    "a guest has a BGP session with the node, and announces a prefix",
    "the guest stays routed, the session and the prefix stay, over a restart too",
)
@pytest.mark.frr
def test_guest_speaks_bgp(fabric):
    guest, node = fabric.guest(0), fabric.node
    node.start_daemon()
    learn(fabric, guest)
    inside = Host(guest.name)
    try:
        Frr(
            inside,
            """\
router bgp 65099
 bgp router-id 192.0.2.99
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp 1 3
 neighbor 169.254.0.1 remote-as 65001
 neighbor 169.254.0.1 disable-connected-check
 neighbor 169.254.0.1 timers connect 1
 address-family ipv4 unicast
  network 10.99.0.0/24
""",
        )
        configure_frr(
            node,
            "router bgp 65001",
            f"neighbor {guest.address4} remote-as 65099",
            f"neighbor {guest.address4} disable-connected-check",
            f"neighbor {guest.address4} timers connect 1",
            "address-family ipv4 unicast",
            f"neighbor {guest.address4} activate",
        )
        wait_for(lambda: prefix(node, guest), 20, "the guest's prefix")
        stays_routed(fabric, guest, 2 * READ)
        kill_and_start(node)
        stays_routed(fabric, guest, 2 * READ)
        assert prefix(node, guest)
        assert sessions(node, guest) == 1
    finally:
        inside.close()


def prefix(node, guest):
    return any(f"via {guest.address4} dev {BRIDGE}" in line for line in node.routes(4, "10.99.0.0/24"))


def sessions(node, guest):
    """Return how often the session was established."""
    return node.frr.show(f"show bgp neighbors {guest.address4} json")[guest.address4][
        "connectionsEstablished"
    ]


VIRTUAL = "00:00:5e:00:01:0a"


@field_case(
    OWNER,
    "an interface of the node that is not the bridge has the MAC of a guest, as VRRP with one number gives both",
    "the guest is learned, and stays routed",
    within=2,
)
@pytest.mark.parametrize("first", ["guest", "uplink"])
def test_uplink_has_the_mac_of_a_guest(lab, within, first):
    guest = lab.guest(0)
    guest.ip(f"link set eth0 address {VIRTUAL}")
    if first == "uplink":
        lab.node.ip(f"link set uplink address {VIRTUAL}")
    lab.node.write("/etc/rdnbr/rdnbr.toml", "[timers]\nreprobe = 2\nprobe_retrans = 0.2\n")
    lab.node.start_daemon()
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()
    wait_for(lambda: lab.node.hosts() >= set(guest.addresses), within, "the guest's routes")
    lab.node.ip(f"link set uplink address {VIRTUAL}")
    stays(lambda: lab.node.hosts() >= set(guest.addresses), 8, "the guest's routes")
    assert "own-mac" not in lab.node.show("counters")["counters"][guest.port]


@field_case(
    OWNER,
    "a guest sends frames with the MAC of the bridge, or of its own port on the node",
    "refused: reflected or forged",
)
@pytest.mark.parametrize("device", [BRIDGE, "port"])
def test_mac_of_the_segment_is_no_guests(lab, device):
    guest = lab.guest(0)
    lab.node.start_daemon()
    name = guest.port if device == "port" else device
    mac = lab.node.run("cat", f"/sys/class/net/{name}/address").strip()
    guest.send(announcement(mac, guest.address4))
    wait_for(
        lambda: lab.node.show("counters")["counters"].get(guest.port, {}).get("own-mac"), 5, "the refusal"
    )
    assert lab.node.hosts() == set()


@field_case(
    FOUND,
    "an allowlist rule can match nobody (`vlan=`, `vm=` and `port=` that contradict each other, no device's name)",
    "`rdnbr check` names the line and the cure; a running daemon keeps the rules that it has, and its guests",
    within=5,
)
@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("vlan=7", "give each VLAN a bridge of its own"),
        ("vm=100 port=tap101i*", "leave one of the two out"),
        ("port=tap100i0.fwpr100p0", "write the device's name"),
    ],
)
def test_rule_that_matches_nobody(lab, within, words, cure):
    guest, allowlist = lab.guest(0), "/etc/rdnbr/allowlist"
    rules = [f"{address} vm={guest.vm}" for address in guest.addresses]
    lab.node.write(allowlist, "\n".join(rules) + "\n")
    daemon = lab.node.start_daemon()
    learn(lab, guest)
    lab.node.write(allowlist, f"{rules[0]}\n{guest.address6} {words}\n")
    found = lab.node.rdnbr("check")
    assert found.returncode == 1
    assert found.stdout.count("\n") == 1
    assert found.stdout.startswith(f"{allowlist}:2: ")
    assert cure in found.stdout
    lab.node.rdnbr("reload")
    wait_for(lambda: cure in daemon.log, within, "the log to say so")
    stays(lambda: lab.node.hosts() == set(guest.addresses), 1, "the guest's routes")


COVER = {4: "2.57.56.1/21", 6: "2001:678:3a4:100::1/64"}
"""Addresses of another interface of the node, whose prefixes contain the guests' addresses."""
COVERED = {4: "2.57.56.0/21", 6: "2001:678:3a4:100::/64"}
MODES = {
    "open": None,
    "prefix": "{prefix4}\n{prefix6}\n",
    "mac": "{address4} mac={mac}\n{address6} mac={mac}\n",
}


def permit(lab, mode):
    """Write the allowlist of a mode, with rules for both guests."""
    if MODES[mode] is not None:
        words = {"prefix4": COVERED[4], "prefix6": COVERED[6]}
        lines = {
            line
            for guest in lab.guests
            for line in MODES[mode]
            .format(address4=guest.address4, address6=guest.address6, mac=guest.mac, **words)
            .splitlines()
        }
        lab.node.write("/etc/rdnbr/allowlist", "\n".join(sorted(lines)) + "\n")


def add_docker(node):
    node.ip(
        "link add docker0 type bridge",
        "link set docker0 up",
        *(f"addr add {address} dev docker0 nodad" for address in COVER.values()),
    )


def covering(daemon):
    """Return the prefixes that the log warns of, one for each line."""
    lines = [line for line in daemon.log.splitlines() if "contains addresses of guests" in line]
    return sorted(prefix for line in lines for prefix in COVERED.values() if prefix in line)


@field_case(
    ROUTED,
    "a prefix that contains the guests' addresses appears on another interface (Docker, WireGuard), and goes again",
    "live guests stay routed, over a restart too; one warning for each prefix; new claims are refused until it is gone",
    within=2,
)
@pytest.mark.parametrize("mode", MODES)
def test_prefix_appears(lab, within, mode):
    live, new = lab.guests
    permit(lab, mode)
    daemon = lab.node.start_daemon()
    learn(lab, live)
    add_docker(lab.node)
    wait_for(lambda: covering(daemon), within, "the warning")
    live.ping_gateways()
    stays(lambda: lab.node.hosts() == set(live.addresses), 2, "the live guest's routes")
    assert covering(daemon) == sorted(COVERED.values())
    new.configure()
    new.ping_gateways()
    refused = lab.node.show("counters")["counters"]
    assert refused[new.port]["connected-prefix"] > 0
    assert "connected-prefix" not in refused[live.port]
    found = json.loads(lab.node.rdnbr("doctor", "--json").stdout)["findings"]
    messages = [one["message"] for one in found if one["name"] == "guest-in-connected-prefix"]
    assert [message.split()[0] for message in messages] == list(COVERED.values())
    explained = lab.node.rdnbr("explain", live.address4).stdout
    assert "is routed" in explained
    assert COVERED[4] in explained
    kill_and_start(lab.node)
    stays(lambda: lab.node.hosts() == set(live.addresses), 3, "the live guest's routes")
    assert covering(lab.node.daemon) == sorted(COVERED.values())
    lab.node.ip("link del docker0")
    everybody = {address for guest in lab.guests for address in guest.addresses}
    wait_for(lambda: goes_on(new) or lab.node.hosts() == everybody, 30, "all guests' routes")


def goes_on(guest):
    """Let a guest use both addresses, as one that was refused and does not know."""
    guest.ping_gateways()
    guest.attempt("ping", "-n", "-c", "1", "-W", "0.2", "-I", guest.address6, "2001:db8::1")


@field_case(
    ROUTED,
    "a guest has additional addresses inside the node's own network, and its rules say `connected`",
    "the guest is routed, whichever comes first; nobody else gets the addresses",
    within=2,
)
@pytest.mark.parametrize("first", ["guest", "prefix"])
def test_rule_says_connected(lab, within, first):
    guest, other = lab.guests
    rules = [f"{prefix}" for prefix in COVERED.values()]
    rules += [f"{address} vm={guest.vm} connected" for address in guest.addresses]
    lab.node.write("/etc/rdnbr/allowlist", "\n".join(rules) + "\n")
    if first == "prefix":
        add_docker(lab.node)
    daemon = lab.node.start_daemon()
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()
    wait_for(lambda: lab.node.hosts() == set(guest.addresses), within, "the guest's routes")
    if first == "guest":
        add_docker(lab.node)
    other.send(announcement(other.mac, guest.address4))
    other.send(announcement(other.mac, other.address4))
    refused = wait_for(lambda: lab.node.show("counters")["counters"].get(other.port), 5, "the refusals")
    wait_for(lambda: "connected-prefix" in lab.node.show("counters")["counters"][other.port], 5, "both")
    assert refused["pinned"] == 1
    assert lab.node.hosts() == set(guest.addresses)
    assert covering(daemon) == []
    assert lab.upstream.ping(guest.address4)
    found = json.loads(lab.node.rdnbr("doctor", "--json").stdout)["findings"]
    assert not [one for one in found if one["name"] == "guest-in-connected-prefix"]


@field_case(
    OWNER,
    "the node itself takes an address that a guest has",
    "the guest loses the address, whether or not a rule says `connected`",
    within=2,
)
@pytest.mark.parametrize("flag", ["", " connected"])
def test_node_takes_the_address_of_a_guest(lab, within, flag):
    guest = lab.guest(0)
    rules = [f"{address}{flag}" for address in guest.addresses]
    lab.node.write("/etc/rdnbr/allowlist", "\n".join(rules) + "\n")
    lab.node.start_daemon()
    learn(lab, guest)
    lab.node.ip(f"addr add {guest.address4}/21 dev uplink")
    wait_for(lambda: lab.node.hosts() == {guest.address6}, within, "the withdrawal")
